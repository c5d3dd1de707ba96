"""Twelve at once, fifty times, against the running server: nothing single-use pays twice (R-14, decisions 1, 8, 9)."""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.actors import new_verifier
from tests.launch.signing import SigningEhr, ec_key, public
from tests.live import at_once, live_server
from tests.servers import postgres_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.actors import SmartApp
    from tests.live import Live
    from tests.transport import Reply

pytestmark = pytest.mark.race

RACERS = 12
ROUNDS = 50
SCOPE = "launch openid fhirUser patient/*.rs offline_access"
LAUNCH = {"patient": "A", "launch_url": "https://app.example/launch"}


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def live(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp(request.param)
    with ExitStack() as stack:
        url = ""
        if request.param == "postgres":
            url = stack.enter_context(postgres_server()).new_database()
        running = stack.enter_context(live_server(folder, url))
        yield running
        lines = [json.loads(line) for line in running.log.read_text().splitlines()]
        assert [line for line in lines if line["level"] not in {"INFO", "WARNING"}] == []


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(RACERS) as threads:
        yield threads


def launch(live: Live) -> str:
    return str(live.ehr.launch("public", "Practitioner/dr", **LAUNCH)["launch"])


def refusals(replies: list[Reply]) -> Counter[tuple[int, str]]:
    """Status and error of every answer that was no success."""
    return Counter((reply.status, reply.json()["error"]) for reply in replies if reply.status != 200)


def successes(replies: list[Reply]) -> list[dict[str, str]]:
    return [reply.json() for reply in replies if reply.status == 200]


def is_active(live: Live, token: str) -> bool:
    return live.fhir_server.introspect(token) != {"active": False}


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_twelve_redemptions_of_a_code_one_pays_and_the_replays_take_it_back(
    live: Live, pool: ThreadPoolExecutor, number: int
) -> None:
    """TK-11, RFC 6749 §4.1.2, decision 8: one 200, and afterwards its tokens are dead; AUTHZ-22, REQ-97."""
    code = live.public.code(launch(live), SCOPE)
    replies = at_once([partial(live.public.redeem, code)] * RACERS, pool)
    assert refusals(replies) == {(400, "invalid_grant"): RACERS - 1}
    (tokens,) = successes(replies)
    assert not is_active(live, tokens["access_token"])
    again = live.public.refresh(tokens["refresh_token"])
    assert (again.status, again.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_twelve_refreshes_with_one_token_one_live_pair_remains(
    live: Live, pool: ThreadPoolExecutor, number: int
) -> None:
    """TK-25, SMART REF-08, decisions 5 and 9: one success and at most one for a lost answer; the others revoke nothing.

    Only what was taken for lost, and comes, ends the family.
    """
    first = live.public.tokens(launch(live), SCOPE)
    replies = at_once([partial(live.public.refresh, first["refresh_token"])] * RACERS, pool)
    pairs = successes(replies)
    assert len(pairs) in {1, 2}
    assert refusals(replies) == {(400, "invalid_grant"): RACERS - len(pairs)}
    alive = [pair for pair in pairs if is_active(live, pair["access_token"])]
    assert len(alive) == 1
    refreshed = live.public.refresh(alive[0]["refresh_token"])
    assert refreshed.status == 200
    assert is_active(live, alive[0]["access_token"])
    for dead in pairs:
        if dead is not alive[0]:
            answer = live.public.refresh(dead["refresh_token"])
            assert (answer.status, answer.json()["error"]) == (400, "invalid_grant")
    assert is_active(live, refreshed.json()["access_token"]) is (len(pairs) == 1)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_twelve_authorization_requests_with_one_launch_one_gets_a_code(
    live: Live, pool: ThreadPoolExecutor, number: int
) -> None:
    """Decisions 4 and 14, security.md AZ-73: each request with its own code_challenge and state."""
    handle = launch(live)
    racers = [replace(live.public, verifier=new_verifier(), state=new_verifier()) for _ in range(RACERS)]
    replies = at_once([partial(racer.launched, handle, SCOPE) for racer in racers], pool)
    assert {reply.status for reply in replies} == {303}, [reply.text for reply in replies if reply.status != 303]
    sent_back = [reply.location_parameters for reply in replies]
    assert [answer["state"] for answer in sent_back] == [racer.state for racer in racers]
    assert Counter(answer["error"] for answer in sent_back if "code" not in answer) == {"invalid_request": RACERS - 1}
    (winner,) = winners(racers, sent_back)
    assert winner[0].redeem(winner[1]).status == 200


@pytest.fixture(scope="module")
def signer(live: Live) -> SigningEhr:
    """The EHR with a registered key, and ours to encrypt to."""
    made, key = live.app.extensions["authz"], ec_key()
    with live.app.app_context(), made.db.write() as session:
        made.launch_keys.rotate(session)
        made.ehrs.set_keys(session, "ehr-main", public(key))
    issuer = live.settings.issuer
    (encrypt_to,) = live.ehr.transport.send("GET", f"{issuer}/launch/jwks", {}, b"").json()["keys"]
    return SigningEhr("ehr-main", issuer, encrypt_to, 0, key)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_twelve_requests_with_one_signed_launch_one_gets_a_code(
    live: Live, pool: ThreadPoolExecutor, signer: SigningEhr, number: int
) -> None:
    """REQ-74, LA-10: encrypted anew for each racer, so that only iss and jti tell that it is the same."""
    signer.now = int(time.time())
    record = {"client_id": "public", "fhir_server": live.ehr.fhir_server, "user": "Practitioner/dr", "patient": "A"}
    content = signer.signed(signer.claims(record))
    racers = [replace(live.public, verifier=new_verifier(), state=new_verifier()) for _ in range(RACERS)]
    tokens = [signer.encrypted(content) for _ in racers]
    jobs = [partial(racer.launched, token, SCOPE) for racer, token in zip(racers, tokens, strict=True)]
    sent_back = [reply.location_parameters for reply in at_once(jobs, pool)]
    assert Counter(answer["error"] for answer in sent_back if "code" not in answer) == {"invalid_request": RACERS - 1}
    (winner,) = winners(racers, sent_back)
    assert winner[0].redeem(winner[1]).json()["patient"] == "A"


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_six_refreshes_and_six_revocations_nothing_is_alive_afterwards(
    live: Live, pool: ThreadPoolExecutor, number: int
) -> None:
    """RV-07: whoever was first, once a revocation has answered 200 no token of the family is active, ever."""
    first = live.public.tokens(launch(live), SCOPE)
    jobs = [partial(live.public.refresh, first["refresh_token"]), partial(live.public.revoke, first["refresh_token"])]
    replies = at_once(jobs * (RACERS // 2), pool)
    assert {reply.status for reply in replies[1::2]} == {200}
    pairs = successes(replies[::2])
    assert refusals(replies[::2]) == Counter({(400, "invalid_grant"): RACERS // 2 - len(pairs)})
    assert not any(is_active(live, pair["access_token"]) for pair in [first, *pairs])
    for pair in pairs:
        assert live.public.refresh(pair["refresh_token"]).json()["error"] == "invalid_grant"


def winners(racers: list[SmartApp], answers: list[dict[str, str]]) -> list[tuple[SmartApp, str]]:
    return [(racer, answer["code"]) for racer, answer in zip(racers, answers, strict=True) if "code" in answer]
