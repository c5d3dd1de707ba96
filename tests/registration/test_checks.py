"""The automatic checks of an app that registered itself, as vendor and reviewer read them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from authz.clients.metadata import ClientMetadata
from authz.clients.model import ClientRow
from authz.clients.registry import HospitalDecisions
from authz.errors import NotFound, TooManyRequests
from authz.outbound import Answer, FetchFailed
from authz.registration.case import asked_for
from authz.registration.checks import LEASE, PAUSE_BETWEEN
from authz.registration.model import RegistrationRow
from authz.registration.published import LIMITS
from authz.registration.report import Report
from tests.backend import KEYS, answered, key_set
from tests.outside import FakeOutbound, Outside
from tests.world import build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from authz.outbound.client import Sent
    from tests.world import World

SITE = "https://growth.example"
SCOPE = "launch/patient openid fhirUser offline_access patient/Observation.rs patient/Condition.rs?code=1"
APP = {
    "client_name": "Growth Chart",
    "token_endpoint_auth_method": "private_key_jwt",
    "grant_types": ["authorization_code", "refresh_token"],
    "redirect_uris": [f"{SITE}/cb"],
    "jwks_uri": f"{SITE}/jwks",
    "client_uri": SITE,
    "policy_uri": f"{SITE}/privacy",
    "tos_uri": f"{SITE}/terms",
    "logo_uri": f"{SITE}/logo.png",
    "scope": SCOPE,
}
WELL = [
    "ok redirect_uris all lead to the app's own site",
    "ok jwks_uri 2 of 2 keys are fit for RS384 or ES384",
    f"ok client_uri {SITE}: can be read",
    f"ok policy_uri {SITE}/privacy: can be read",
    f"ok tos_uri {SITE}/terms: can be read",
    "ok scope launch/patient: Know whose record this is",
    "ok scope openid: Know who you are",
    "ok scope fhirUser: Know who you are",
    "ok scope offline_access: Keep this access when you are not using the app",
    "ok scope patient/Observation.rs: See measurements and results",
    "ok scope patient/Condition.rs?code=1: See problems and diagnoses, only code 1",
    "ok client_name no other app or organisation has a name like it",
]


def page(status: int = 200) -> Answer:
    return Answer(status, {}, b"<!doctype html>")


@pytest.fixture
def outside() -> Outside:
    pages = {url: page() for url in (SITE, f"{SITE}/privacy", f"{SITE}/terms")}
    return Outside({**pages, f"{SITE}/jwks": answered(key_set(**KEYS))})


class Guarded(FakeOutbound):
    """An address that the guard would not let through is refused as the guard does it."""

    def exchange(self, url: str, sent: Sent, limits: Any, *, trusted: bool) -> Answer:
        if "internal" in url:
            raise FetchFailed("the name stands for 10.0.0.5, which is not a public address", refused=True)
        return super().exchange(url, sent, limits, trusted=trusted)


@pytest.fixture
def world(tmp_path: Path, outside: Outside) -> Iterator[World]:
    made = build(settings_in(tmp_path), Guarded(outside))
    with made.app.app_context():
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()


def register(world: World, client_id: str = "growth", **members: Any) -> None:
    """As it registers itself: to be approved by itself after two days."""
    at = world.clock() + timedelta(days=2)
    decisions = HospitalDecisions(("main",), approved=False, approves_at=at)
    said = {name: value for name, value in {**APP, **members}.items() if value is not None}
    with world.services.db.write() as session:
        world.services.clients.add(session, ClientMetadata.load(said), decisions, client_id)
        session.add(
            RegistrationRow(
                client_id=client_id,
                lane="patient",
                state="sandbox",
                token_digest="",
                source="open",
                source_id="",
                fhir_server="main",
                reason="",
                created_at=world.clock(),
            )
        )
        session.flush()
        world.services.registration.checks.ask(session, client_id)


def report(world: World, client_id: str = "growth") -> list[str]:
    with world.services.db.read() as session:
        found = world.services.registration.checks.latest(session, client_id)
    assert found is not None
    return [f"{one.level} {one.subject} {one.words}" for one in found.findings]


def checked(world: World, **members: Any) -> list[str]:
    """What is not well with an app like the good one."""
    register(world, **members)
    assert world.services.registration.checks.check_due() == 1
    return [line for line in report(world) if not line.startswith("ok")]


def state(world: World, client_id: str = "growth") -> tuple[str, bool, list[tuple[str, str, str]]]:
    """Where the approval stands, whether it will come by itself, and the history."""
    with world.services.db.read() as session:
        row = session.get(RegistrationRow, client_id)
        metadata = world.services.clients.row(session, client_id)
        events = world.services.registration.history.of(session, client_id)
        assert row is not None
        return row.state, metadata.approves_at is not None, [(one.actor, one.what, one.note) for one in events]


def test_a_good_app_is_told_so_line_by_line(world: World, outside: Outside) -> None:
    """Issue 4: found by the background job, nobody has to ask; each address is asked once, within limits, untrusted."""
    register(world)
    assert outside.asked == []
    assert world.services.registration.checks.check_due() == 1
    assert sorted(report(world)) == sorted(WELL)
    assert {(asked.method, asked.trusted, asked.limits) for asked in outside.asked} == {("GET", False, LIMITS)}
    assert sorted(asked.url for asked in outside.asked) == [SITE, f"{SITE}/jwks", f"{SITE}/privacy", f"{SITE}/terms"]
    assert (LIMITS.seconds, LIMITS.max_bytes) == (5.0, 65536)
    assert state(world) == ("sandbox", True, [])
    assert world.services.registration.checks.check_due() == 0


def test_a_logo_elsewhere_is_never_asked_for(world: World, outside: Outside) -> None:
    """security.md RG-11: it would tell a stranger who is about to sign in."""
    register(world)
    world.services.registration.checks.check("growth")
    assert f"{SITE}/logo.png" not in [asked.url for asked in outside.asked]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (None, ["error jwks_uri https://growth.example/jwks: can't be read, or only without our limits"]),
        (page(404), ["error jwks_uri https://growth.example/jwks: is no key set: status 404"]),
        (answered({"keys": []}), None),
        (Answer(200, {}, b'{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "1"}]}'), None),
    ],
)
def test_keys_that_nobody_can_sign_with_stop_the_approval(
    world: World, outside: Outside, answer: Answer | None, found: list[str] | None
) -> None:
    """security.md RG-10, CA-39: the vendor reads it in the report, and the history says why it waits for a person."""
    outside.answers.pop(f"{SITE}/jwks")
    if answer is not None:
        outside.answers[f"{SITE}/jwks"] = answer
    lines = checked(world)
    assert found is None or lines == found
    assert lines[0].startswith("error jwks_uri")
    standing, comes, ((actor, what, note),) = state(world)
    assert (standing, comes, actor, what) == ("held", False, "server", "held")
    assert note.startswith("The automatic checks found: jwks_uri: ")
    world.clock.forward(days=3)
    client = world.services.clients.find("growth")
    assert client is not None
    assert not client.is_approved


def test_an_address_in_the_hospitals_own_network_is_an_error_and_says_nothing_of_it(world: World) -> None:
    """security.md RG-11, ASY-24: the vendor does not learn which of our machines a name stands for."""
    found = checked(world, policy_uri="https://internal.example/privacy", jwks_uri="https://internal.example/jwks")
    assert found == [
        "error jwks_uri https://internal.example/jwks: is not a public https address",
        "error policy_uri https://internal.example/privacy: is not a public https address",
    ]


def test_links_that_are_missing_gone_or_lead_on_are_warnings(world: World, outside: Outside) -> None:
    outside.answers[SITE] = page(301)
    outside.answers[f"{SITE}/privacy"] = page(500)
    assert checked(world, tos_uri=None, **{"policy_uri#fr": f"{SITE}/vie-privee"}) == [
        "warning tos_uri none is given: people can't read on which terms they use the app",
        f"warning client_uri {SITE}: sends its readers elsewhere: give the address where they end",
        f"warning policy_uri {SITE}/privacy: answers with status 500",
        f"warning policy_uri#fr {SITE}/vie-privee: can't be read, or only without our limits",
    ]
    assert state(world)[:2] == ("sandbox", True)


def test_an_app_with_pages_in_forty_languages_makes_us_ask_for_eight(world: World, outside: Outside) -> None:
    """security.md RG-11: one registration must not send us to so many addresses."""
    checked(world, **{f"policy_uri#x-{number}": f"{SITE}/{number}" for number in range(40)})
    assert len(outside.asked) == 9  # and the keys
    assert "warning client_uri 35 more pages were not looked at" in report(world)


def test_scopes_that_nobody_gets_here_are_said_with_the_reason(world: World) -> None:
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", {"without": ("offline-access",)})
    found = checked(world, scope=f"{SCOPE} patient/Observation.rs?date=gt2020 patient/Spaceship.rs messaging/status")
    assert [line.partition(": can't be granted here: ")[0] for line in found] == [
        "warning scope offline_access",
        "warning scope patient/Observation.rs?date=gt2020",
        "warning scope patient/Spaceship.rs",
        "warning scope messaging/status",
    ]
    assert found[0].endswith("access ends with the session at this FHIR server")


def test_an_app_that_gets_nothing_waits_for_a_person(world: World) -> None:
    assert checked(world, scope="patient/Spaceship.rs")[0] == (
        "error scope nothing that the app asks for can be granted here"
    )
    assert state(world)[0] == "held"


def test_a_name_like_the_hospitals_waits_for_a_person(world: World) -> None:
    """security.md RG-15."""
    assert checked(world, client_name="Test Hospita1") == [
        "error client_name Test Hospita1: reads like the organisation Test Hospital"
    ]
    assert checked_again(world, "public-2", client_name="Pub1ic App")[0] == (
        "error client_name reads like Public App (public), an approved app"
    )


def checked_again(world: World, client_id: str, **members: Any) -> list[str]:
    register(world, client_id, **members)
    world.services.registration.checks.check_due()
    return report(world, client_id)


@pytest.mark.parametrize("approved", [True, False])
def test_of_an_approved_app_a_proposed_change_is_checked_while_there_is_one(world: World, *, approved: bool) -> None:
    """What time would approve is what there is."""
    register(world)
    with world.services.db.write() as session:
        session.get_one(RegistrationRow, "growth").proposed = {**APP, "redirect_uris": ["https://elsewhere.example/cb"]}
        session.get_one(ClientRow, "growth").approved = approved
    world.services.registration.checks.check("growth")
    elsewhere = "error redirect_uris https://elsewhere.example/cb: is not at the app's own site, growth.example"
    assert (report(world) == WELL, report(world)[0] == elsewhere) == (not approved, approved)


def test_an_approved_app_stays_approved_whatever_is_found(world: World, outside: Outside) -> None:
    """Somebody decided, or the time was over: the report says it, a person takes it away."""
    register(world)
    world.clock.forward(days=3)
    outside.answers.clear()
    world.services.registration.checks.check("growth")
    assert report(world)[0].startswith("error jwks_uri")
    assert state(world)[:2] == ("sandbox", True)


def test_on_demand_once_a_minute(world: World) -> None:
    register(world)
    checks = world.services.registration.checks
    checks.check_due()
    with world.services.db.write() as session:
        with pytest.raises(TooManyRequests) as refused:
            checks.ask_again(session, "growth")
        assert refused.value.headers() == {"Retry-After": "60"}
        checks.ask(session, "growth")
    assert (checks.check_due(), checks.check_due()) == (1, 0)
    world.clock.forward(seconds=PAUSE_BETWEEN.seconds)
    with world.services.db.write() as session:
        checks.ask_again(session, "growth")
    assert checks.check_due() == 1


def test_of_several_processes_one_checks_and_a_crash_forgets_nothing(world: World) -> None:
    register(world)
    start = threading.Barrier(4)

    def claim(_: int) -> list[str]:
        with world.app.app_context():
            start.wait()
            return world.services.registration.checks.claim()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(claim, range(4))) == [[], [], [], ["growth"]]
    assert world.services.registration.checks.check_due() == 0
    world.clock.forward(seconds=LEASE.total_seconds())
    assert world.services.registration.checks.check_due() == 1


def test_an_app_that_is_changed_while_it_is_checked_is_checked_again(world: World) -> None:
    """What is found out about the app of before says nothing about the one of now."""
    register(world)
    checks = world.services.registration.checks
    assert checks.claim() == ["growth"]
    with world.services.db.read() as session:
        asked = asked_for(session, "growth")
    with world.services.db.write() as session:
        checks.ask(session, "growth")  # a change
    with world.services.db.write() as session:
        checks.keep(session, "growth", Report.of(world.clock(), []), asked)
        assert not session.get_one(ClientRow, "growth").checked
    assert checks.check_due() == 1
    with world.services.db.read() as session:
        assert session.get_one(ClientRow, "growth").checked


def test_an_app_that_goes_away_meanwhile_is_no_trouble(world: World) -> None:
    register(world)
    checks = world.services.registration.checks
    assert checks.claim() == ["growth"]
    with world.services.db.write() as session:
        world.services.clients.remove(session, "growth")
    with pytest.raises(NotFound):
        checks.check("growth")
    with world.services.db.read() as session:
        assert checks.latest(session, "growth") is None


def test_of_a_slow_address_only_its_own_app_waits(
    world: World, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RG-19: the slow one was there first, and answers only when the other one is through."""
    register(world, "slow", client_name="Slow", client_uri="https://slow.example")
    world.clock.forward(seconds=1)
    register(world, "good", client_name="Good")
    checks, through, seen = world.services.registration.checks, threading.Event(), list[bool]()
    exchange, conclude = FakeOutbound.exchange, type(checks).conclude

    def slowly(own: FakeOutbound, url: str, *more: Any, **named: Any) -> Answer:
        if url == "https://slow.example":
            seen.append(through.wait(10))
        return exchange(own, url, *more, **named)

    def concluded(own: Any, client_id: str, *more: Any) -> Report:
        made = conclude(own, client_id, *more)
        if client_id == "good":
            through.set()
        return made

    monkeypatch.setattr(FakeOutbound, "exchange", slowly)
    monkeypatch.setattr(type(checks), "conclude", concluded)
    assert checks.check_due() == 2
    assert seen == [True]


def test_an_app_that_breaks_a_check_does_not_stop_those_of_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Metadata is a stranger's: a fault of ours that it meets is logged, and costs nobody else anything."""
    register(world, "bad", client_name="Bad")
    register(world, "good", client_name="Good")
    checks = world.services.registration.checks
    explain = type(checks.words).explain

    def broken(words: Any, scope: Any) -> str:
        if str(scope) == "patient/Observation.rs" and not broken_once:
            broken_once.append(True)
            raise RuntimeError("a fault of ours")
        return explain(words, scope)

    broken_once: list[bool] = []
    monkeypatch.setattr(type(checks.words), "explain", broken)
    assert checks.check_due() == 2
    with world.services.db.read() as session:
        made = [checks.latest(session, client_id) is not None for client_id in ("bad", "good")]
    assert sorted(made) == [False, True]
    assert "could not be checked" in caplog.text
    world.clock.forward(seconds=LEASE.total_seconds())
    assert checks.check_due() == 1
