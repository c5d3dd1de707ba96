"""LO: signing out (security.md 2.15)."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from joserfc.jwk import ECKey, RSAKey
from sqlalchemy import select

from authz.tokens.model import LogoutNoticeRow
from tests.attacks.live.cast import AFTER
from tests.attacks.live.jose import b64, compact, es384, hs, rs256, unsigned
from tests.attacks.live.target import ALONE
from tests.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.actors import Browser
    from tests.attacks.live.target import Target
    from tests.transport import Reply

ONLINE = f"{ALONE} online_access"


def opened(target: Target, name: str = "bob") -> tuple[Browser, dict[str, Any]]:
    """Somebody's browser, and what the app that was opened in it got."""
    browser = target.browser()
    code = target.agreed(browser, name, target.pub.authorize_url(scope=ONLINE))
    tokens: dict[str, Any] = target.pub.redeem(code).json()
    return browser, tokens


def logout(target: Target, browser: Browser, **parameters: str) -> Reply:
    return browser.open(f"{target.issuer}/logout?{urlencode(parameters)}")


def is_signed_in(target: Target, browser: Browser) -> bool:
    answer = browser.open(target.pub.authorize_url(scope=ONLINE, prompt="none")).location_parameters
    return answer.get("error") != "login_required"


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"state": "x"},
        {"post_logout_redirect_uri": AFTER},
        {"client_id": "public", "post_logout_redirect_uri": AFTER},
    ],
    ids=str,
)
def test_without_a_proof_of_the_app_nobody_goes_anywhere(target: Target, parameters: dict[str, str]) -> None:
    """LO-01: the person is asked, or told what is wrong, and is signed in still."""
    browser, tokens = opened(target)
    page = logout(target, browser, **parameters)
    assert (page.status in {200, 400}, page.header("location")) == (True, None)
    assert is_signed_in(target, browser)
    assert target.is_active(tokens["access_token"])
    assert target.send("GET", f"/logout?{urlencode(parameters)}").header("location") is None


@pytest.mark.parametrize(
    "wanted",
    [
        *("https://evil.example/", f"{AFTER}?foo=bar", f"{AFTER}/", "javascript:alert(1)", "https://app.example/cb"),
        *(AFTER[:-1], AFTER.upper(), f"{AFTER}#x", f" {AFTER}", "//evil.example", f"{AFTER}\\@evil.example"),
        *(f"{AFTER}@evil.example", "https://app.example@evil.example/signed-out", f"{AFTER}%00", "data:text/html,x"),
    ],
)
def test_only_a_registered_address_is_gone_to_afterwards(target: Target, wanted: str) -> None:
    """LO-02: with a good hint and without; nobody is signed out by a faulty request."""
    browser, tokens = opened(target)
    for who in ({"id_token_hint": tokens["id_token"]}, {"client_id": "public"}):
        page = logout(target, browser, post_logout_redirect_uri=wanted, **who)
        assert (page.status, page.header("location")) == (400, None)
    assert is_signed_in(target, browser)


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    head, body, _ = token.split(".")
    return json.loads(urlsafe_b64decode(head + "===")), json.loads(urlsafe_b64decode(body + "==="))


def with_payload(token: str, **changes: Any) -> str:
    """The header and signature of a token around another payload."""
    head, _, signature = token.split(".")
    return f"{head}.{b64(json.dumps({**parts(token)[1], **changes}).encode())}.{signature}"


def resigned(token: str, sign: Callable[[bytes], bytes], **header: str) -> str:
    head, claims = parts(token)
    return compact({**head, **header}, claims, sign)


FORGERIES: dict[str, Callable[[str], str]] = {
    "none": lambda token: resigned(token, unsigned, alg="none"),
    "another key": lambda token: resigned(token, rs256(RSAKey.generate_key(2048))),
    "another kind of key": lambda token: resigned(token, es384(ECKey.generate_key("P-384")), alg="ES384"),
    "a secret": lambda token: resigned(token, hs(b"secret", "sha256"), alg="HS256"),
    "another subject": lambda token: with_payload(token, sub="x"),
    "another app": lambda token: with_payload(token, aud="confidential"),
    "no signature": lambda token: token.rpartition(".")[0] + ".",
    "another signature": lambda token: token[:-4] + "AAAA",
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_hint_signs_nobody_out(target: Target, forge: Callable[[str], str]) -> None:
    """LO-03: no redirect, no silence."""
    browser, tokens = opened(target)
    hint = forge(tokens["id_token"])
    page = logout(target, browser, id_token_hint=hint, post_logout_redirect_uri=AFTER)
    assert page.header("location") is None, page
    assert is_signed_in(target, browser)
    assert target.is_active(tokens["access_token"])


def test_a_hint_of_somebody_else_signs_nobody_out_silently(target: Target) -> None:
    """LO-03: bob's hint in alice's browser."""
    _, of_bob = opened(target)
    browser, of_alice = opened(target, "alice")
    page = logout(target, browser, id_token_hint=of_bob["id_token"], post_logout_redirect_uri=AFTER)
    assert is_signed_in(target, browser), page
    assert target.is_active(of_alice["access_token"])


def test_after_the_sign_out_the_session_is_dead(target: Target) -> None:
    """LO-05: the cookie that somebody kept, prompt=none, and online access."""
    browser, tokens = opened(target)
    kept = dict(browser.cookies)
    reply = logout(target, browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=AFTER, state="a&b c")
    assert (reply.status, reply.location) == (303, f"{AFTER}?state=a%26b+c")
    assert not is_signed_in(target, browser)
    thief = target.browser()
    thief.cookies.update(kept)
    assert not is_signed_in(target, thief)
    assert not target.is_active(tokens["access_token"])
    target.refused(target.pub.refresh(tokens["refresh_token"]), 400, "invalid_grant")


def set_back_channel(target: Target, uri: str | None) -> None:
    with target.services.db.write() as session:
        target.services.clients.update(session, "public", {"backchannel_logout_uri": uri}, {})


def test_a_logout_token_is_as_the_standard_says(target: Target) -> None:
    """LO-06, Back-Channel Logout §2.4: signed, typed, short, and without a nonce."""
    browser, tokens = opened(target)
    set_back_channel(target, f"{target.publisher.url}/signed-out")
    target.publisher.posted.clear()
    try:
        logout(target, browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=AFTER)
        wait_until(lambda: bool(target.publisher.posted), "the notice", 60)
    finally:
        set_back_channel(target, None)
    (path, body) = target.publisher.posted[0]
    token = body.decode().removeprefix("logout_token=")
    head, claims = parts(token)
    assert (path, head["typ"], head["alg"]) == ("/signed-out", "logout+jwt", "RS256")
    assert (claims["iss"], claims["aud"]) == (target.issuer, "public")
    assert 0 < claims["exp"] - claims["iat"] <= 120
    assert claims["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert claims["jti"]
    assert claims["sub"] == parts(tokens["id_token"])[1]["sub"]
    assert claims["sid"] == parts(tokens["id_token"])[1]["sid"]
    assert "nonce" not in claims
    assert target.services.keyring.public_jwks()["keys"]


def test_an_app_inside_is_not_called_and_holds_nobody_up(target: Target) -> None:
    """LO-07: the person is signed out at once; the canary hears nothing."""
    for uri in (f"https://127.0.0.1:{target.canary.port}/x", f"http://127.0.0.1:{target.canary.port}/x"):
        browser, tokens = opened(target)
        set_back_channel(target, uri)
        try:
            reply = logout(target, browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=AFTER)
        finally:
            set_back_channel(target, None)
        assert (reply.status, is_signed_in(target, browser)) == (303, False)
        with target.services.db.read() as session:
            assert session.scalars(select(LogoutNoticeRow.client_id)).first() in {"public", None}
    assert target.canary.heard == []
