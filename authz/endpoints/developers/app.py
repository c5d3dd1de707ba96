"""``/developers/app``: where an app stands, and the end of it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from flask import Blueprint

from authz.endpoints.cookies import DEVELOPER, cookie
from authz.endpoints.current import http_request, services
from authz.endpoints.developers.desk import sent_form, show, signed_in, stands, usable
from authz.endpoints.developers.session import forget
from authz.endpoints.pages import see_other
from authz.registration.decision import AlreadyDecided

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

TAB = "/app"
NOT_THIS = "This is not the client_id of the app."
bp = Blueprint("app", __name__)


@bp.get("/app")
def page() -> ResponseReturnValue:
    """State and lane in words, the automatic checks, the review's history, and what is registered."""
    client = signed_in().client
    opens = "authorization_code" in client.grant_types
    return show(
        "developers_app.html",
        TAB,
        client=client,
        opens=opens,
        servers=usable(client) if opens else [],
        record=stands(client.client_id),
    )


@bp.post("/app/production")
def ask_for_production() -> ResponseReturnValue:
    maker, sent = signed_in(), dict(sent_form())
    note, peer = sent.get("note", ""), http_request().peer
    with suppress(AlreadyDecided):  # the page says what was
        services().registration.review.request_production(maker.client.client_id, note, peer)
    return back()


@bp.post("/app/checks")
def check_again() -> ResponseReturnValue:
    """Soon, in the background: others are asked."""
    maker, _ = signed_in(), sent_form()
    with services().db.write() as session:
        services().registration.checks.ask_again(session, maker.client.client_id)
    return back()


def back() -> ResponseReturnValue:
    return see_other(services().settings.url("/developers/app"))


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
