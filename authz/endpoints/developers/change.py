"""``/developers/app/change``: before and after, and then at once, or once the hospital has looked at it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from flask import Blueprint

from authz.developers.changing import Edited, named, problems
from authz.developers.record import changes
from authz.endpoints.current import http_request, services
from authz.endpoints.developers.desk import sent_form, show, signed_in
from authz.endpoints.pages import see_other
from authz.errors import OAuthError
from authz.registration.changes import differences
from authz.registration.decision import AlreadyDecided
from authz.registration.registered import without_ours

if TYPE_CHECKING:
    from flask import Response
    from flask.typing import ResponseReturnValue

    from authz.developers.sessions import Maker

TAB = "/app"
AT_ONCE = "The change is made at once. The app stays in the sandbox."
WAITS = "Your app works as it is now until the hospital has decided about the change."
bp = Blueprint("change", __name__)


@bp.get("/app/change")
def ask() -> ResponseReturnValue:
    maker = signed_in()
    registered = services().registration.registrations.read(maker.holder)
    return show_form(maker, Edited.of(registered.members), {})


@bp.post("/app/change")
def review_or_send() -> ResponseReturnValue:
    """Show before and after, or do what was shown."""
    maker, sent = signed_in(), sent_form()
    edited, action = Edited.sent(sent), dict(sent).get("action")
    before = without_ours(services().registration.registrations.read(maker.holder))
    after = edited.put_into(before)
    errors = {} if action == "again" else problems(after)
    if errors or action == "again" or after == before:
        return show_form(maker, edited, errors)
    if action != "send":
        return show(
            "developers_change.html",
            TAB,
            client=maker.client,
            outlook=WAITS if maker.client.is_approved else AT_ONCE,
            errors={},
            proposed=changes(differences(before, after)),
            sent=edited.fields(),
            waits=maker.client.is_approved,
        )
    try:
        change(maker, after, dict(sent).get("note", ""))
    except OAuthError as error:
        return show_form(maker, edited, named(error.description))
    return see_other(services().settings.url("/developers/app"))


def change(maker: Maker, after: dict[str, object], note: str) -> None:
    """An approved app goes on as it was until a reviewer agrees; one in the sandbox is changed (RFC 7592 §2.2)."""
    if maker.client.is_approved:
        services().registration.proposals.propose(maker.client.client_id, after, note, http_request().peer)
        return
    services().registration.registrations.replace(maker.holder, after, http_request().peer)


@bp.post("/app/change/take-back")
def take_back() -> ResponseReturnValue:
    maker, _ = signed_in(), sent_form()
    with suppress(AlreadyDecided):  # the page says what was
        services().registration.proposals.take_back(maker.client.client_id, http_request().peer)
    return see_other(services().settings.url("/developers/app"))


def show_form(maker: Maker, edited: Edited, errors: dict[str, str]) -> Response:
    return show(
        "developers_change.html",
        TAB,
        status=400 if errors else 200,
        client=maker.client,
        outlook=WAITS if maker.client.is_approved else AT_ONCE,
        errors=errors,
        one=edited.texts | edited.lists,
        people="authorization_code" in maker.client.grant_types,
        url=services().settings.url(f"/register/{maker.client.client_id}"),
    )
