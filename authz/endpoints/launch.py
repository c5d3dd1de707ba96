"""``/launch``: where an EHR puts down what it launches an app with."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from flask import Blueprint

from authz.audit.event import EventName
from authz.endpoints.current import answer, services
from authz.endpoints.document import document
from authz.endpoints.ehr_caller import for_ehr
from authz.endpoints.exchange import NO_STORE, HttpAnswer, HttpRequest, json_answer
from authz.endpoints.gate import json_object
from authz.errors import NotFound
from authz.launch.own import OwnLaunches

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from authz.fhir_servers.registry import Ehr

bp = Blueprint("launch", __name__)
LAUNCH_ID = re.compile(r"[0-9a-f]{32}")


def create(request: HttpRequest) -> HttpAnswer:
    """Keep a launch: 201 with the handle for the app, the address to open and the launch's id, which is not secret."""

    def serve(ehr: Ehr) -> HttpAnswer:
        services().limits.launching(ehr.client_id, request.peer)
        handle, launch = services().launches.create(ehr, json_object(request), request.peer)
        told = {
            "launch": handle,
            "launch_id": launch.launch_id,
            "launch_url": launch.url_to_open(handle),
            "expires_in": services().settings.launch_seconds,
        }
        return json_answer(told, status=201)

    return for_ehr(request, EventName.LAUNCH_REFUSED, serve)


def look_up(request: HttpRequest, launch_id: str) -> HttpAnswer:
    """What became of a launch, for the EHR that made it; for anybody else it is not there (security.md LA-09)."""

    def serve(ehr: Ehr) -> HttpAnswer:
        found = services().launched.look_up(ehr, checked(launch_id))
        if found is None:
            raise NotFound("no such launch")
        return json_answer(found)

    return for_ehr(request, EventName.LAUNCH_REFUSED, serve)


def withdraw(request: HttpRequest, launch_id: str) -> HttpAnswer:
    """Take back a launch that nobody has used; 204, also when it is done twice."""

    def serve(ehr: Ehr) -> HttpAnswer:
        OwnLaunches(services().launches).withdraw(ehr, checked(launch_id), request.peer)
        return HttpAnswer(204, dict(NO_STORE), b"")

    return for_ehr(request, EventName.LAUNCH_REFUSED, serve)


def jwks(request: HttpRequest) -> HttpAnswer:
    """The key that EHRs encrypt launches to (RFC 7517 §5); anybody may know it."""
    return document(services().launch_keys.public_jwks(), request, services().settings.jwks_max_age_seconds)


def checked(launch_id: str) -> str:
    if not LAUNCH_ID.fullmatch(launch_id):
        raise NotFound("no such launch")
    return launch_id


@bp.post("/launch")
def create_view() -> ResponseReturnValue:
    return answer(create)


@bp.get("/launch/jwks")
def jwks_view() -> ResponseReturnValue:
    return answer(jwks)


@bp.get("/launch/<launch_id>")
def look_up_view(launch_id: str) -> ResponseReturnValue:
    return answer(partial(look_up, launch_id=launch_id))


@bp.delete("/launch/<launch_id>")
def withdraw_view(launch_id: str) -> ResponseReturnValue:
    return answer(partial(withdraw, launch_id=launch_id))
