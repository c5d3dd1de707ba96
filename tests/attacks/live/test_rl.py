"""RL: limits, counted by both workers together (security.md 2.14); the table of them is in ``test_rate_limits``."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from authz.limits import FAILED_AUTHENTICATION, SUPPORT_CODES
from authz.login.throttle import ACCOUNT
from tests.actors import FORM, basic

if TYPE_CHECKING:
    from tests.attacks.live.target import Target
    from tests.transport import Reply, Transport

TRIES = FAILED_AUTHENTICATION.tries


def wrong(transport: Transport, path: str, client_id: str, headers: dict[str, str] | None = None) -> Reply:
    form = {"grant_type": "client_credentials", "token": "x", "handle": "x"}
    sent = {"Content-Type": FORM, **basic(client_id, "ZZ9-wrong"), **(headers or {})}
    return transport.send("POST", path, sent, urlencode(form).encode())


def check_told_to_wait(reply: Reply) -> None:
    assert reply.status == 429
    assert int(reply.header("retry-after") or "") > 0
    assert reply.header("cache-control") == "no-store"


@pytest.mark.parametrize(
    ("path", "client_id"),
    [
        pytest.param("/token", "guessed-at-token", id="RL-01 token"),
        pytest.param("/revoke", "guessed-at-revoke", id="RL-02 revoke"),
        pytest.param("/introspect", "guessed-at-introspect", id="RL-02 introspect"),
        pytest.param("/launch", "guessed-at-launch", id="RL-02 launch"),
        pytest.param("/web-messaging/introspect", "guessed-at-handles", id="RL-02 web-messaging"),
    ],
)
def test_guesses_in_one_name_end_whichever_worker_they_reach(target: Target, path: str, client_id: str) -> None:
    """The others go on: a client with a key, one with a secret, a FHIR server, an EHR."""
    statuses = [wrong(target, path, client_id).status for _ in range(TRIES + 10)]
    assert statuses == [401] * TRIES + [429] * 10
    check_told_to_wait(wrong(target, path, client_id))
    assert (
        target.bulk.post(
            "/token", {"grant_type": "client_credentials", "scope": "system/Patient.rs", **target.bulk.proof()}
        ).status
        == 200
    )
    assert wrong(target, path, f"{client_id}-2").status == 401
    assert target.ehr.launch("public", "Practitioner/dr", patient="A")["launch"]
    assert target.rs.introspect("unknown") == {"active": False}


def test_no_header_makes_a_stranger_somebody_else(target: Target) -> None:
    """RL-03: from an address that is no trusted proxy's, whatever it writes."""
    names = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "True-Client-IP")
    for number in range(SUPPORT_CODES.tries + 1):
        address = f"198.51.100.{number}"
        headers = {name: f"for={address}" if name == "Forwarded" else address for name in names}
        last = target.stranger.send("GET", "/support/00000000", headers)
    check_told_to_wait(last)
    assert target.send("GET", "/support/00000000").status == 404


def test_an_account_that_is_tried_by_others_is_open_to_its_own_browser(target: Target) -> None:
    """RL-06, LC-02: bob has signed in here before; a stranger who tries his name is stopped, and he is not."""
    own = target.browser()
    asked = target.pub.authorize_url(scope="openid launch/patient", prompt="login")
    assert own.sign_in(own.open(asked), "bob", "bob-password").status in {200, 303}  # he may have agreed before
    other = target.browser()
    page = other.open(asked)
    for _ in range(ACCOUNT.tries):
        page = other.sign_in(page, "bob", "ZZ9-wrong")
    assert page.status == 429
    check_told_to_wait(page)
    assert own.sign_in(own.open(asked), "bob", "bob-password").status in {200, 303}  # he may have agreed before


def test_many_who_sign_in_at_once_leave_room_for_the_rest(target: Target) -> None:
    """RL-07: as many hashes as there is memory for; who comes too late is told so, and keys are served meanwhile."""
    pages = [target.browser() for _ in range(24)]
    asked = [browser.open(target.pub.authorize_url(scope="openid")) for browser in pages]
    for browser in pages:
        browser.transport = target.crowd
    jobs = [
        *(
            lambda browser=browser, page=page, name=f"nobody-{number}": browser.sign_in(page, name, "ZZ9-wrong").status
            for number, (browser, page) in enumerate(zip(pages, asked, strict=True))
        ),
        *(lambda: target.crowd.send("GET", f"{target.issuer}/jwks").status for _ in range(12)),
    ]
    statuses = target.at_once(jobs)
    assert set(statuses[:24]) <= {401, 429}
    assert 401 in statuses[:24]
    assert set(statuses[24:]) == {200}
