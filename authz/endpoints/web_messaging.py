"""``/web-messaging``: the back end of an EHR checks the handles that apps send to its windows, and ends them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from authz.audit.event import EventName
from authz.endpoints.back_channel import authenticated
from authz.endpoints.current import answer, services
from authz.endpoints.exchange import NO_STORE, HttpAnswer, HttpRequest
from authz.errors import InvalidRequest
from authz.storage.records import digest
from authz.tokens.handle_check import HandleQuestion
from authz.tokens.model import GrantRow, MessagingHandleRow

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue
    from sqlalchemy import ColumnElement

    from authz.grants.caller import BackChannelRequest

bp = Blueprint("web_messaging", __name__)
ASKED = ("origin", "message_type", "ehr_session", "window")
WHICH = ("handle", "ehr_session", "launch_id")


def introspect(request: HttpRequest) -> HttpAnswer:
    """Tell an EHR whose a handle is, and whether the message may come.

    A handle that is unknown, over, of another FHIR server, or does not fit is ``{"active":false}``, never an error.
    """
    asked, caller = authenticated(request, EventName.CALLER_REFUSED, services().handle_callers.authenticate)
    if not asked.form.get("handle"):
        raise InvalidRequest("handle is missing")
    question = HandleQuestion(asked.form["handle"], **{name: asked.form.get(name) for name in ASKED})
    body = services().handle_check.answer(question, caller)
    return HttpAnswer(200, {"Content-Type": "application/json", **NO_STORE}, body)


def revoke(request: HttpRequest) -> HttpAnswer:
    """End a handle, those of a session or that of a launch; 200, also if there is none or it is over already."""
    asked, caller = authenticated(request, EventName.CALLER_REFUSED, services().ehr_callers.authenticate)
    services().handle_revocation.revoke(caller, meant(asked), asked.peer)
    return HttpAnswer(200, dict(NO_STORE), b"")


def meant(asked: BackChannelRequest) -> ColumnElement[bool]:
    """Which handles. Raises InvalidRequest."""
    given = {name: asked.form[name] for name in WHICH if asked.form.get(name)}
    if len(given) != 1:
        raise InvalidRequest(f"say which: one of {', '.join(WHICH)}")
    ((name, value),) = given.items()
    match name:
        case "handle":
            return MessagingHandleRow.digest == digest(value)
        case "ehr_session":
            return GrantRow.session_digest == digest(value)
    return GrantRow.launch_id == value


@bp.post("/web-messaging/introspect")
def introspect_view() -> ResponseReturnValue:
    return answer(introspect)


@bp.post("/web-messaging/revoke")
def revoke_view() -> ResponseReturnValue:
    return answer(revoke)
