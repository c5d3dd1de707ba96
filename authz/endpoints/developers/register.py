"""``/developers/register``: an app is registered by plain questions, with the same request as ``POST /register``."""

from __future__ import annotations

import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Blueprint

from authz.developers import curl, form, words
from authz.developers.answers import Answers, by_field
from authz.developers.kinds import KINDS, KindOfApp, offered
from authz.endpoints.cookies import DEVELOPER_FORM
from authz.endpoints.current import http_request, services
from authz.endpoints.developers.desk import HOUR, open_servers, sent_form, show, show_form, stands
from authz.endpoints.developers.session import remember
from authz.endpoints.gate import query
from authz.endpoints.register import on_the_trail
from authz.errors import InvalidRequest, OAuthError, TooManyRequests
from authz.fhir_servers.features import AppRegistration
from authz.storage.records import digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Response
    from flask.typing import ResponseReturnValue

    from authz.fhir_servers.registry import FhirServer

TAB = "/register"
bp = Blueprint("register", __name__)


@bp.get("/register")
def ask() -> ResponseReturnValue:
    """What kind of app it is, and then what it needs."""
    chosen = which(query(http_request()))
    if chosen is None:
        kinds = [(server, offered(server)) for server in open_servers()]
        return show("developers_kind.html", TAB, shown=kinds)
    kind, server = chosen
    return show_answers(Answers.blank(kind, server), server, {})


@bp.post("/register")
def review_or_send() -> ResponseReturnValue:
    """Show what would be sent, or send it; what can't be registered is said beside its field."""
    open_servers()
    sent = sent_form(DEVELOPER_FORM)
    chosen = which(dict(sent))
    if chosen is None:
        return show("developers_kind.html", TAB, shown=[(one, offered(one)) for one in open_servers()])
    kind, server = chosen
    answers, action = Answers.of(kind, sent), dict(sent).get("action")
    errors = {} if action == "change" else form.problems(answers, server)
    if errors or action == "change":
        return show_answers(answers, server, errors)
    return send(answers, server, dict(sent).get("once", "")) if action == "send" else review(answers, server)


def which(sent: Mapping[str, str]) -> tuple[KindOfApp, FhirServer] | None:
    """The kind of app and the FHIR server that were chosen, if there is such a way in."""
    server = next((one for one in open_servers() if one.name == sent.get("fhir_server")), None)
    kind = KINDS.get(sent.get("kind", ""))
    return (kind, server) if kind is not None and server is not None and kind in offered(server) else None


def show_answers(answers: Answers, server: FhirServer, errors: Mapping[str, str]) -> Response:
    shown = form.offered(answers, server, services().developers.catalogue)
    return show_form("developers_register.html", TAB, status=400 if errors else 200, errors=errors, **shown)


def review(answers: Answers, server: FhirServer) -> Response:
    """Exactly what will be sent, and the same as a command."""
    metadata = answers.metadata(server)
    url = services().settings.url(f"/fhir-servers/{server.name}/register")
    name = server.branding.organization or services().settings.organization
    scopes = [words.scope(text, services().developers.catalogue, name) for text in metadata["scope"].split()]
    return show_form(
        "developers_review.html",
        TAB,
        answers=answers,
        url=url,
        scopes=scopes,
        json=curl.pretty(metadata),
        once=secrets.token_urlsafe(16),
        curl=curl.registration(url, metadata, with_token=server.registration is AppRegistration.INVITED),
        sent=[*answers.fields(), ("fhir_server", server.name)],
    )


def send(answers: Answers, server: FhirServer, once: str) -> Response:
    """As at the registration endpoint; the maker is signed in for the new app, whose token is told this once."""
    request, own = http_request(), services().registration
    own.limits.registering(request.peer)
    if not is_first(once):
        raise InvalidRequest("this form was sent already: go to the page of your app")
    invitation = answers.text("initial_access_token") or None
    try:
        made = on_the_trail(
            request,
            "",
            lambda: own.registrations.register(answers.metadata(server), invitation, server.name, request.peer),
        )
    except TooManyRequests:
        raise
    except OAuthError as error:
        return show_answers(answers, server, refused(error))
    handle = services().developers.sessions.begin(made.client_id, made.registration_access_token, request.peer)
    maker = services().developers.sessions.current(handle)
    assert handle is not None  # the app was registered a moment ago
    assert maker is not None
    shown = show(
        "developers_registered.html",
        TAB,
        made=made,
        url=services().settings.url(f"/register/{made.client_id}"),
        stands=stands(maker.client.client_id).status,
    )
    return remember(shown, handle)


def is_first(once: str) -> bool:
    """Whether the form of this review was not sent before, by a second click or by loading the answer again."""
    return services().backend.claim(f"developer-form:{digest(once)}", b"1", HOUR) is None


def refused(error: OAuthError) -> dict[str, str]:
    """An invitation that is no good has no member of its own."""
    if error.status == HTTPStatus.UNAUTHORIZED:
        return {"initial_access_token": error.description}
    return by_field(error.description)
