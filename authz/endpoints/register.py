"""``/register``: where apps register themselves, and look after that (RFC 7591, RFC 7592)."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from flask import Blueprint

from authz.audit.event import Event, EventName
from authz.audit.support_code import new_support_code
from authz.endpoints.current import answer, services
from authz.endpoints.discovery import known_fhir_server
from authz.endpoints.exchange import NO_STORE, HttpAnswer, HttpRequest, json_answer
from authz.endpoints.gate import bearer_token, json_object
from authz.errors import NoToken, OAuthError, printable
from authz.registration.holder import Holder

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask.typing import ResponseReturnValue

    from authz.registration.registered import Registered

T = TypeVar("T")
bp = Blueprint("register", __name__)


def create(request: HttpRequest, fhir_server: str | None = None) -> HttpAnswer:
    """Register an app: 201 with everything that is registered, and what only it may know, told this once."""

    def serve() -> HttpAnswer:
        bearer = bearer_token(request)
        made = services().registration.registrations.register(json_object(request), bearer, fhir_server, request.peer)
        return told(made, 201)

    services().registration.limits.registering(request.peer)
    return on_the_trail(request, "", serve)


def read(request: HttpRequest, client_id: str) -> HttpAnswer:
    """Show a registration to whoever has its token; nothing is changed by it, no token either."""

    def serve() -> HttpAnswer:
        return told(services().registration.registrations.read(holder(request, client_id)))

    services().registration.limits.managing(request.peer)
    return on_the_trail(request, client_id, serve)


def replace(request: HttpRequest, client_id: str) -> HttpAnswer:
    """Register what is sent in the place of what was. Whoever has no token learns nothing about what they sent."""

    def serve() -> HttpAnswer:
        own, mine = services().registration.registrations, holder(request, client_id)
        own.read(mine)
        return told(own.replace(mine, json_object(request), request.peer))

    services().registration.limits.managing(request.peer)
    return on_the_trail(request, client_id, serve)


def delete(request: HttpRequest, client_id: str) -> HttpAnswer:
    """Forget an app; 204, and with that it is over for its codes and tokens at every worker."""

    def serve() -> HttpAnswer:
        services().registration.registrations.delete(holder(request, client_id), request.peer)
        return HttpAnswer(204, dict(NO_STORE), b"")

    services().registration.limits.managing(request.peer)
    return on_the_trail(request, client_id, serve)


def holder(request: HttpRequest, client_id: str) -> Holder:
    token = bearer_token(request)
    if token is None:
        raise NoToken("send the registration access token in the Authorization header")
    return Holder.of(client_id, token)


def told(registered: Registered, status: int = 200) -> HttpAnswer:
    uri = services().settings.url(f"/register/{registered.client_id}")
    return json_answer(registered.as_dict(uri), status)


def on_the_trail(request: HttpRequest, client_id: str, serve: Callable[[], T]) -> T:
    """A refusal goes to the audit trail with the sentence that the app's developer is told.

    Whoever did not prove to be the app can not find out by the support code whether there is such an app (RG-22).
    """
    try:
        return serve()
    except OAuthError as error:
        error.support_code = new_support_code()
        is_proved = bool(client_id) and error.status != HTTPStatus.UNAUTHORIZED
        event = Event(
            EventName.REGISTRATION_REFUSED,
            outcome="refused",
            reason=error.code,
            client_id=client_id if is_proved else None,
            support_code=error.support_code,
            peer=request.peer,
            detail={"problem": printable(error.description), "asked_for": printable(client_id)[:64]},
        )
        services().trail.refused(event)
        raise


@bp.post("/register")
def create_view() -> ResponseReturnValue:
    return answer(create)


@bp.post("/fhir-servers/<name>/register")
def create_at_view(name: str) -> ResponseReturnValue:
    """Ties the app to this FHIR server (decision 23)."""
    return answer(partial(create, fhir_server=known_fhir_server(name).name))


@bp.get("/register/<client_id>")
def read_view(client_id: str) -> ResponseReturnValue:
    return answer(partial(read, client_id=client_id))


@bp.put("/register/<client_id>")
def replace_view(client_id: str) -> ResponseReturnValue:
    return answer(partial(replace, client_id=client_id))


@bp.delete("/register/<client_id>")
def delete_view(client_id: str) -> ResponseReturnValue:
    return answer(partial(delete, client_id=client_id))
