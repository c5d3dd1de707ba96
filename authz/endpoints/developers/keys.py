"""``/developers/app/keys``: a new secret or key beside the old one, so that nothing stops working meanwhile."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from flask import Blueprint

from authz import strict_json
from authz.audit.event import Event, EventName
from authz.developers.answers import by_field
from authz.endpoints.current import http_request, services
from authz.endpoints.developers.desk import sent_form, show, signed_in
from authz.endpoints.pages import see_other
from authz.errors import InvalidRequest, OAuthError
from authz.registration.history import VENDOR
from authz.registration.registered import without_ours
from authz.strict_json import NotStrictJson

if TYPE_CHECKING:
    from flask import Response
    from flask.typing import ResponseReturnValue

    from authz.developers.sessions import Maker

TAB = "/app"
DAY = 86400
OVERLAPS = (
    (0, "Not at all: somebody else may know it"),
    (DAY, "One day"),
    (3 * DAY, "Three days"),
    (7 * DAY, "Seven days"),
)
bp = Blueprint("keys", __name__)


@bp.get("/app/keys")
def ask() -> ResponseReturnValue:
    return show_keys(signed_in(), {}, {})


@bp.post("/app/secret")
def rotate() -> ResponseReturnValue:
    """A new secret, shown once; the old one goes on for the time that was chosen, at most seven days."""
    maker, sent = signed_in(), dict(sent_form())
    chosen = [seconds for seconds, _ in OVERLAPS if str(seconds) == sent.get("overlap")]
    if not chosen or not maker.client.has_secret:
        raise InvalidRequest("choose how long the old secret works")
    detail = {"overlap_seconds": chosen[0]}
    event = Event(
        EventName.CLIENT_CHANGED,
        reason="secret_rotated",
        client_id=maker.client.client_id,
        peer=http_request().peer,
        detail=detail,
    )
    with services().db.write() as session:
        secret = services().clients.rotate_secret(session, maker.client.client_id, timedelta(seconds=chosen[0]))
        services().registration.history.note(session, maker.client.client_id, VENDOR, "secret_rotated")
        services().trail.record(session, event)
    words = dict(OVERLAPS)[chosen[0]]
    overlap = f"The old one works for {words.lower()} more." if chosen[0] else "The old one works no more."
    return show("developers_keys.html", TAB, client=maker.client, secret=secret, overlap=overlap)


@bp.post("/app/keys")
def change() -> ResponseReturnValue:
    """A key beside those that are registered, or an address that has them from now on (SMART REG-05, REG-06)."""
    maker, sent = signed_in(), dict(sent_form())
    try:
        registered = services().registration.registrations.read(maker.holder)
        body = without_ours(registered) | new_keys(registered.members, sent)
        services().registration.registrations.replace(maker.holder, body, http_request().peer)
    except OAuthError as error:
        return show_keys(maker, sent, by_field(error.description))
    return see_other(services().settings.url("/developers/app"))


def new_keys(members: dict[str, Any], sent: dict[str, str]) -> dict[str, Any]:
    """Raises InvalidRequest for what no registration would take as JSON."""
    if sent.get("action") == "publish":
        return {"jwks_uri": sent.get("jwks_uri", ""), "jwks": None}
    try:
        key = strict_json.parse(sent.get("key", ""))
    except NotStrictJson as error:
        raise InvalidRequest(f"key: is not JSON that can be registered ({error})") from error
    return {"jwks": {"keys": [*(members.get("jwks") or {"keys": []})["keys"], key]}, "jwks_uri": None}


def show_keys(maker: Maker, sent: dict[str, str], errors: dict[str, str]) -> Response:
    kept = (maker.client.jwks or {"keys": []})["keys"]
    return show(
        "developers_keys.html",
        TAB,
        status=400 if errors else 200,
        client=maker.client,
        overlaps=OVERLAPS,
        errors=errors | ({"key": errors["jwks"]} if "jwks" in errors else {}),
        kids=[(key["kid"], key["kty"]) for key in kept],
        key=sent.get("key", ""),
        jwks_uri=sent.get("jwks_uri", ""),
    )
