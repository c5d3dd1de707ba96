"""What the EHR's page asks its back end about messages from apps: whose handle is this, and it is done with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Response, current_app, g, jsonify, request

from demo.authorization_server import Refused, Unreachable

if TYPE_CHECKING:
    from flask import Flask
    from flask.typing import ResponseReturnValue

    from demo.ehr.app import Ehr

ASKED = ("handle", "origin", "message_type", "window")
INACTIVE = {"active": False}
KEPT_FROM_THE_PAGE = ("ehr_session", "sub")


def add_messages(app: Flask, ehr: Ehr) -> None:
    @app.post("/patients/<key>/messages/verify")
    def verify(key: str) -> ResponseReturnValue:
        """The authorization server's answer about a handle, for this person's session and this chart only."""
        ehr.chart(g.who, key)
        named = {name: request.form[name] for name in ASKED if name in request.form}
        fields = named | {"ehr_session": g.who.session}
        try:
            answer = ehr.server.introspect_handle(fields, ehr.caller)
        except (Unreachable, Refused) as error:
            current_app.logger.warning("a handle could not be verified: %s", error)
            return jsonify(INACTIVE), 503
        return jsonify(for_the_page(answer, key))

    @app.post("/patients/<key>/messages/revoke")
    def revoke(key: str) -> ResponseReturnValue:
        ehr.chart(g.who, key)
        try:
            ehr.server.revoke_handle(request.form.get("handle", ""), ehr.caller)
        except (Unreachable, Refused) as error:
            current_app.logger.warning("a handle could not be revoked: %s", error)
            return Response(status=503)
        return Response(status=204)


def for_the_page(answer: dict[str, Any], patient: str) -> dict[str, Any]:
    if answer.get("active") is not True or answer.get("patient") != patient:
        return INACTIVE
    return {name: value for name, value in answer.items() if name not in KEPT_FROM_THE_PAGE}
