"""``/admin/registrations``: the apps that registered themselves, and deciding about them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort

from authz.endpoints.admin_decision import confirm, decide
from authz.endpoints.admin_door import admin_page, for_administrators, own_form
from authz.endpoints.current import http_request, services
from authz.endpoints.gate import query
from authz.endpoints.pages import page, see_other
from authz.errors import InvalidValue, OAuthError
from authz.fhir_servers.url import FHIR_USER_TYPES
from authz.registration.decision import AlreadyDecided
from authz.registration.model import State

if TYPE_CHECKING:
    from flask import Response

    from authz.login.admin_session import Administrator
    from authz.registration.applications import Application

bp = Blueprint("admin_registrations", __name__)
PATH = "/registrations"
TABS = ((PATH, "Apps that registered themselves"),)
PER_PAGE = 50
WAITING = "waiting"
FILTERS = (WAITING, *(state.value for state in State))
LANES = {"patient": "for patients", "provider": "for staff", "backend": "works without a user"}


@bp.get("/admin/registrations")
@for_administrators
def listing(who: Administrator) -> Response:
    """Those that wait for a decision first, else the youngest first; of one state if asked."""
    asked = query(http_request())
    found = sorted(services().registration.review.list(), key=urgency)
    wanted = asked.get("state", "")
    shown = [one for one in found if wanted not in FILTERS or fits(one, wanted)]
    number = page_number(asked.get("page", ""))
    counts = {name: sum(fits(one, name) for one in found) for name in FILTERS}
    return admin_page(
        "admin_registrations.html",
        **frame(who),
        shown=shown[(number - 1) * PER_PAGE : number * PER_PAGE],
        total=len(found),
        counts={name: count for name, count in counts.items() if count or name in {WAITING, wanted}},
        wanted=wanted if wanted in FILTERS else "",
        number=number,
        has_more=len(shown) > number * PER_PAGE,
        lanes=LANES,
    )


@bp.get("/admin/registrations/<client_id>")
@for_administrators
def one(who: Administrator, client_id: str) -> Response:
    return dossier(who, client_id)


@bp.post("/admin/registrations/<client_id>")
@for_administrators
def act(who: Administrator, client_id: str) -> Response:
    """Decide, and show what came of it; what could not be done is said on the same page, with what was typed."""
    sent = own_form()
    try:
        if sent.get("action") != "check":
            confirm(who, sent.get("code", ""))
        decide(who, client_id, sent)
    except (AlreadyDecided, InvalidValue) as error:
        return dossier(who, client_id, error, sent)
    return see_other(services().settings.url(f"/admin/registrations/{client_id}"))


def dossier(
    who: Administrator, client_id: str, problem: OAuthError | None = None, sent: dict[str, str] | None = None
) -> Response:
    """Everything about one app, and the forms."""
    application = services().registration.review.show(client_id)
    scopes = list(application.client.scope)
    return admin_page(
        "admin_registration.html",
        problem.status if problem else 200,
        **frame(who),
        one=application,
        lane=LANES[application.registration.lane],
        scopes=[(str(scope), services().registration.checks.words.explain(scope)) for scope in scopes],
        user_types=[(name, name) for name in sorted(application.client.user_types or FHIR_USER_TYPES)],
        fhir_servers=[(one.name, one.name) for one in services().fhir_servers.all() if one.enabled],
        needs_code=not services().administrators.sessions.is_recent(who),
        problem=problem.description if problem else None,
        sent=sent or {},
    )


def frame(who: Administrator) -> dict[str, Any]:
    return {"who": who, "tabs": TABS, "tab": PATH}


def fits(one: Application, name: str) -> bool:
    return one.needs_decision if name == WAITING else one.state.value == name


def page_number(text: str) -> int:
    return max(1, int(text)) if re.fullmatch("[0-9]{1,4}", text) else 1


def urgency(one: Application) -> tuple[bool, float]:
    return not one.needs_decision, -one.registration.created_at.timestamp()


@bp.get("/admin/registrations/<client_id>/consent")
@for_administrators
def consent_preview(_who: Administrator, client_id: str) -> Response:
    """What people will be asked: the consent page itself, with an invented person; its buttons do nothing."""
    client = services().registration.review.show(client_id).client
    servers = (one for one in services().fhir_servers.all() if one.enabled and client.may_use(one.name))
    server = next(servers, None)
    shown = None if server is None else services().developers.previews.of(client, server)
    if server is None or shown is None:
        abort(404)
    organization = server.branding.organization or services().settings.organization
    return page(
        "consent.html",
        shown=shown,
        is_preview=True,
        organization=organization,
        may_sign_out=False,
        back=f"/admin{PATH}/{client_id}",
    )
