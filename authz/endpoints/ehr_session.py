"""``/ehr-session``: an EHR tells what becomes of the sessions its apps were launched from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint
from marshmallow import RAISE, Schema, ValidationError

from authz.audit.event import Event, EventName
from authz.endpoints.current import answer, services
from authz.endpoints.ehr_caller import for_ehr
from authz.endpoints.exchange import NO_STORE, HttpAnswer, HttpRequest
from authz.endpoints.gate import json_object
from authz.errors import InvalidRequest
from authz.launch.ehr_session import EhrSessions
from authz.launch.fields import ABSOLUTE_URI, PRINTABLE, Text
from authz.launch.request import in_words
from authz.tokens.model import GrantRow

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue
    from sqlalchemy.orm import Session

    from authz.fhir_servers.registry import Ehr

bp = Blueprint("ehr_session", __name__)


class EhrSessionSchema(Schema):
    """The body of both requests."""

    error_messages = {"unknown": "not a member of this request"}  # noqa: RUF012  how marshmallow has it

    fhir_server = Text(ABSOLUTE_URI, "must be a base URL", required=True)
    session = Text(PRINTABLE, "must be 1 to 1024 printable characters", required=True)


SCHEMA = EhrSessionSchema(unknown=RAISE)


def end(request: HttpRequest) -> HttpAnswer:
    """End a session and everything granted for as long as it lasts; 204, also for one never heard of."""

    def serve(ehr: Ehr) -> HttpAnswer:
        fhir_server, session_id = meant(request, ehr)
        digest = EhrSessions.digest(session_id)

        def within(session: Session) -> None:
            services().ehr_sessions.end(session, fhir_server, session_id)
            event = Event(
                EventName.EHR_SESSION_ENDED, fhir_server=fhir_server, peer=request.peer, detail={"ehr": ehr.client_id}
            )
            services().trail.record(session, event)
            of_session = (GrantRow.fhir_server == fhir_server) & (GrantRow.session_digest == digest)
            services().sign_out.notices.write(session, of_session & GrantRow.has_ehr_session)

        services().revocation.revoke_session(fhir_server, digest, "ehr_session_ended", within=within)
        return HttpAnswer(204, dict(NO_STORE), b"")

    return for_ehr(request, EventName.CALLER_REFUSED, serve)


def touch(request: HttpRequest) -> HttpAnswer:
    """Say that a session is in use, which keeps ``online_access`` alive; 204."""

    def serve(ehr: Ehr) -> HttpAnswer:
        if not services().ehr_sessions.touch(*meant(request, ehr)):
            raise InvalidRequest("session: this EHR session has ended")
        return HttpAnswer(204, dict(NO_STORE), b"")

    return for_ehr(request, EventName.CALLER_REFUSED, serve)


def meant(request: HttpRequest, ehr: Ehr) -> tuple[str, str]:
    """The FHIR server's name and the session's id. Raises InvalidRequest, and InsufficientScope as for a launch."""
    try:
        body = SCHEMA.load(json_object(request))
    except ValidationError as error:
        raise InvalidRequest("; ".join(in_words(error.messages_dict))) from error
    return services().launches.directory.server(body["fhir_server"], ehr).name, body["session"]


@bp.post("/ehr-session/end")
def end_view() -> ResponseReturnValue:
    return answer(end)


@bp.post("/ehr-session/touch")
def touch_view() -> ResponseReturnValue:
    return answer(touch)
