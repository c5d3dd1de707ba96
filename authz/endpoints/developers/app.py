"""``/developers/app``: where an app stands, and the end of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from authz.endpoints.cookies import DEVELOPER, cookie
from authz.endpoints.current import http_request, services
from authz.endpoints.developers.desk import sent_form, show, signed_in
from authz.endpoints.developers.session import forget

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

TAB = "/app"
NOT_THIS = "This is not the client_id of the app."
bp = Blueprint("app", __name__)


@bp.get("/app")
def stands() -> ResponseReturnValue:
    """State and lane in words, the review's history, the checks, and what is registered."""
    client = signed_in().client
    record = services().developers.records.of(client)
    return show(
        "developers_app.html",
        TAB,
        client=client,
        launchable="authorization_code" in client.grant_types,
        stands=record.status,
        history=record.history,
        registered=record.registered,
        proposed=record.proposed,
    )


@bp.get("/app/delete")
def ask() -> ResponseReturnValue:
    return show("developers_delete.html", TAB, client=signed_in().client, problem="")


@bp.post("/app/delete")
def delete() -> ResponseReturnValue:
    """Only with its client_id typed in; everything it was granted ends (RFC 7592 §2.3)."""
    maker, sent = signed_in(), dict(sent_form())
    if sent.get("client_id", "").strip() != maker.client.client_id:
        return show("developers_delete.html", TAB, status=400, client=maker.client, problem=NOT_THIS)
    services().registration.registrations.delete(maker.holder, http_request().peer)
    services().developers.sessions.end(cookie(DEVELOPER) or "")
    title = f"{maker.client.client_name} is deleted"
    words = "Nobody can use it any more, and everything it was granted has ended."
    return forget(show("developers_done.html", TAB, title=title, words=words))
