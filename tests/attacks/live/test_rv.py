"""RV: taking tokens back (security.md 2.6)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from tests.actors import FORM, basic
from tests.attacks.live.people import FORM_TOKEN, for_bob, my_apps
from tests.attacks.live.target import ALONE, LAUNCHED
from tests.my_apps.test_story import LINK
from tests.world import SECRET

if TYPE_CHECKING:
    from tests.attacks.live.target import Target
    from tests.transport import Reply

OFFLINE = f"{LAUNCHED} offline_access"


def revoke(target: Target, form: dict[str, str], headers: Any = None, query: str = "") -> Reply:
    return target.send("POST", f"/revoke{query}", {"Content-Type": FORM, **(headers or {})}, urlencode(form).encode())


def test_only_a_client_that_proves_itself_revokes(target: Target) -> None:
    """RV-01: a confidential client by its secret; nobody by a name that is not theirs."""
    tokens = target.bought(target.sec, OFFLINE)
    form = {"token": tokens["refresh_token"]}
    for more, headers in (
        ({}, {}),
        ({"client_id": "confidential"}, {}),
        ({"client_id": "confidential", "client_secret": SECRET}, {}),
        ({}, basic("confidential", "wrong")),
        ({}, basic("rs-main", "rs-main-secret")),
        ({}, {"Authorization": f"Bearer {tokens['access_token']}"}),
        ({"client_id": "nobody"}, {}),
    ):
        reply = revoke(target, {**form, **more}, headers)
        target.refused(reply, reply.status, "invalid_client", "invalid_request")
        assert "revocation endpoint" in target.send("GET", reply.json()["error_uri"]).text
    assert target.is_active(tokens["access_token"])
    assert target.sec.refresh(tokens["refresh_token"]).status == 200


def test_another_clients_token_reads_like_an_unknown_one(target: Target) -> None:
    """RV-02: 200, the same bytes, and it stays."""
    tokens = target.bought(scope=OFFLINE)
    told = set()
    for token in (tokens["access_token"], tokens["refresh_token"], "unknown", tokens["access_token"] + "x"):
        reply = target.sec.revoke(token)
        told.add((reply.status, reply.body, reply.header("content-type"), reply.header("cache-control")))
    assert told == {(200, b"", reply.header("content-type"), "no-store")}
    assert target.is_active(tokens["access_token"])
    assert target.pub.refresh(tokens["refresh_token"]).status == 200


@pytest.mark.parametrize("token", ["x", "x" * 16_000, "\u00e9", "a.b.c", "' OR 1=1--", "\U0001f600", "%00"])
def test_what_is_no_token_is_revoked_already(target: Target, token: str) -> None:
    """RV-03, RFC 7009 §2.2; twice the same is no error either."""
    for _ in range(2):
        reply = target.pub.revoke(token)
        assert (reply.status, reply.body) == (200, b"")
    tokens = target.bought()
    for _ in range(2):
        assert target.pub.revoke(tokens["access_token"]).status == 200
    assert not target.is_active(tokens["access_token"])


def test_a_revoked_refresh_token_takes_all_along(target: Target) -> None:
    """RV-05: every access token of the family, at every worker, at once."""
    first = target.bought(scope=OFFLINE)
    second = target.pub.refresh(first["refresh_token"]).json()
    assert target.is_active(first["access_token"])
    assert target.pub.revoke(second["refresh_token"]).status == 200
    for pair in (first, second):
        assert not target.is_active(pair["access_token"])
        target.refused(target.pub.refresh(pair["refresh_token"]), 400, "invalid_grant")


def test_a_revoked_access_token_goes_alone(target: Target) -> None:
    """RV-06: as docs/decisions/0002 says."""
    tokens = target.bought(scope=OFFLINE)
    assert target.pub.revoke(tokens["access_token"]).status == 200
    assert not target.is_active(tokens["access_token"])
    again = target.pub.refresh(tokens["refresh_token"]).json()
    assert target.is_active(again["access_token"])


def test_after_a_revocation_nothing_of_the_family_lives(target: Target) -> None:
    """RV-07: however it raced with refreshes; fifty rounds of it are in tests/faults."""
    app = replace(target.pub, transport=target.crowd)
    for _ in range(3):
        first = target.bought(scope=OFFLINE)
        jobs = [partial(app.refresh, first["refresh_token"]), partial(app.revoke, first["refresh_token"])] * 6
        replies = target.at_once(jobs)
        assert {reply.status for reply in replies[1::2]} == {200}
        for pair in [first, *(reply.json() for reply in replies[::2] if reply.status == 200)]:
            assert not target.is_active(pair["access_token"])
            target.refused(target.pub.refresh(pair["refresh_token"]), 400, "invalid_grant")


def test_no_revocation_by_get_and_no_callback(target: Target) -> None:
    """RV-09."""
    token = target.bought()["access_token"]
    for method in ("GET", "PUT", "DELETE", "HEAD"):
        reply = target.send(method, f"/revoke?token={token}&client_id=public&callback=f")
        assert reply.status == 405
        assert b"f(" not in reply.body
    for query in (f"?token={token}", "?callback=f"):
        target.refused(revoke(target, {"token": token, "client_id": "public"}, query=query), 400, "invalid_request")
    assert target.is_active(token)


def test_a_persons_page_revokes_with_its_own_form_and_only_what_is_theirs(target: Target) -> None:
    """RV-10: no form token, a made-up one, another person's; and another person's app."""
    tokens = target.pub.redeem(for_bob(target, ALONE)[1]).json()
    target.tokens_for_alice(ALONE)
    bob, alice = my_apps(target, "bob"), my_apps(target, "alice")
    link = LINK.findall(bob.request("GET", f"{target.issuer}/my-apps").text)[0]
    url = f"{target.issuer}{link}/stop"
    mine = FORM_TOKEN.findall(bob.request("GET", url).text)[0]
    hers_link = LINK.findall(alice.request("GET", f"{target.issuer}/my-apps").text)[0]
    hers = FORM_TOKEN.findall(alice.request("GET", f"{target.issuer}{hers_link}/stop").text)[0]
    for form in ({}, {"form": "x"}, {"form": hers}, {"form": ""}):
        reply = bob.request("POST", url, urlencode(form).encode(), {"Content-Type": FORM})
        assert reply.status in {400, 403}, reply
    assert alice.request("GET", url).status == 404
    stolen = alice.request("POST", url, urlencode({"form": hers}).encode(), {"Content-Type": FORM})
    assert stolen.status == 404
    nobody = target.browser().request("POST", url, urlencode({"form": mine}).encode(), {"Content-Type": FORM})
    assert nobody.status in {303, 400, 401, 403, 404}
    assert target.is_active(tokens["access_token"])
