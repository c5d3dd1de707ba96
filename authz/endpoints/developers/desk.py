"""What every page of ``/developers`` has in common: when there are any, their tabs, and whose form it is."""

from __future__ import annotations

import secrets
from hmac import compare_digest
from typing import TYPE_CHECKING, Any

from flask import abort

from authz.developers.record import Record, record
from authz.endpoints.browser import set_cookie
from authz.endpoints.cookies import DEVELOPER, DEVELOPER_FORM, cookie
from authz.endpoints.current import http_request, services
from authz.endpoints.gate import form_pairs
from authz.endpoints.pages import page, see_other
from authz.errors import AccessDenied
from authz.fhir_servers.features import AppRegistration

if TYPE_CHECKING:
    from flask import Response

    from authz.clients.registry import Client
    from authz.developers.sessions import Maker
    from authz.fhir_servers.registry import FhirServer

HOUR = 3600
TABS = (("", "Overview"), ("/register", "Register an app"), ("/scopes", "Scopes"), ("/app", "Your app"))
FORM = "developer form"  # purpose of the key


def open_servers() -> list[FhirServer]:
    """The FHIR servers where apps may register; without any there is no such page."""
    found = [
        one for one in services().fhir_servers.all() if one.enabled and one.registration is not AppRegistration.CLOSED
    ]
    return found or abort(404)


def usable(client: Client) -> list[FhirServer]:
    """Where the app may be used."""
    return [one for one in services().fhir_servers.all() if one.enabled and client.may_use(one.name)]


def show(template: str, tab: str, *, status: int = 200, **context: Any) -> Response:
    """A page without a form, or with those of whoever is signed in."""
    held = cookie(DEVELOPER)
    csrf = mark(held) if held is not None else ""
    return page(template, status=status, tabs=TABS, tab=tab, csrf=csrf, may_sign_out=False, **context)


def show_form(template: str, tab: str, *, status: int = 200, **context: Any) -> Response:
    """A page with a form for anybody, which is good in this browser only."""
    held = cookie(DEVELOPER_FORM) or secrets.token_urlsafe(32)
    response = page(template, status=status, tabs=TABS, tab=tab, csrf=mark(held), may_sign_out=False, **context)
    set_cookie(response, DEVELOPER_FORM, held, HOUR, "Strict")
    return response


def mark(handle: str) -> str:
    """What proves that a form is from a page of ours, shown to whoever has this cookie (security.md LC-11)."""
    return services().secrets.mac(FORM, handle)


def sent_form(cookie_name: str = DEVELOPER) -> list[tuple[str, str]]:
    """The fields of a form of ours.

    Raises AccessDenied for one from elsewhere, or from another browser; TooManyRequests.
    """
    sent = form_pairs(http_request())
    held = cookie(cookie_name)
    given = dict(sent).get("csrf", "")
    if held is None or not compare_digest(mark(held).encode(), given.encode()):
        raise AccessDenied("this form is out of date, or it was opened in another browser; open the page again")
    if cookie_name == DEVELOPER:
        services().registration.limits.managing(http_request().peer)
    return sent


def stands(client_id: str) -> Record:
    return record(services().registration.review.show(client_id), services().now())


def signed_in() -> Maker:
    """Whose request this is; whoever is not signed in is asked to."""
    maker = services().developers.sessions.current(cookie(DEVELOPER))
    return maker if maker is not None else abort(see_other(services().settings.url("/developers/sign-in")))
