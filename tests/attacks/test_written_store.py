"""Somebody who reads the short-lived store and writes into it: what they make, change or move there opens nothing."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import pytest

from authz.audit.event import Peer
from authz.authorize.doors import Door
from authz.authorize.logout_records import LogoutRequest
from authz.login.admin_session import Administrator
from authz.login.method import SignIn
from authz.login.session import BrowserSession
from authz.registration.holder import Holder
from authz.storage.records import digest
from authz.tokens.hot import LAST_REVOCATION, MARKER
from authz.tokens.hot_copy import DIGITS
from tests.actors import Forms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.world import World

INACTIVE = {"active": False}
LIFE_SECONDS = 3600.0
GUESS = "a-token-that-nobody-issued"


class Intruder:
    """Sees what is put into the store, and puts it there in other ways."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.backend = world.services.backend
        self.seen: dict[str, bytes] = {}
        put = self.backend.put

        def seeing(entries: Mapping[str, bytes], ttl_seconds: float) -> None:
            self.seen.update(entries)
            put(entries, ttl_seconds)

        monkeypatch.setattr(self.backend, "put", seeing)

    def writes(self, of: str, to: str, *changes: tuple[bytes, bytes]) -> None:
        """What lies under the digest of one handle again under another's, with bytes replaced."""
        found = {key: value for key, value in self.seen.items() if digest(of)[:DIGITS] in key}
        assert found
        for key, value in found.items():
            changed = value
            for old, new in changes:
                assert old in changed
                changed = changed.replace(old, new)
            named = key.replace(digest(of), digest(to)).replace(digest(of)[:DIGITS], digest(to)[:DIGITS])
            self.backend.put({named: changed}, LIFE_SECONDS)


@pytest.fixture
def intruder(world: World, monkeypatch: pytest.MonkeyPatch) -> Intruder:
    return Intruder(world, monkeypatch)


def token(world: World) -> str:
    launch = world.ehr.launch("public", "Practitioner/dr", patient="A", launch_url="https://app.example/launch")
    issued: dict[str, Any] = world.public.tokens(str(launch["launch"]), "launch patient/*.rs")
    return str(issued["access_token"])


@pytest.mark.parametrize("changes", [(), ((b'"A"', b'"B"'),)], ids=["moved", "made"])
def test_an_answer_in_the_store_makes_no_token(
    world: World, intruder: Intruder, changes: tuple[tuple[bytes, bytes], ...]
) -> None:
    """security.md IN-02: whoever is let near the store would give themselves everybody's records."""
    good = token(world)
    assert world.fhir_server.introspect(good)["patient"] == "A"
    intruder.writes(good, GUESS, *changes)
    assert world.fhir_server.introspect(GUESS) == INACTIVE


def test_an_answer_that_was_changed_in_the_store_is_not_given(world: World, intruder: Intruder) -> None:
    """The patient of a live token stays who it was: SQL is asked."""
    good = token(world)
    asked = world.fhir_server.introspect(good)
    intruder.writes(good, good, (b'"A"', b'"B"'))
    assert world.fhir_server.introspect(good) == asked


def test_a_session_in_the_store_signs_nobody_in(world: World, intruder: Intruder) -> None:
    """security.md LC-05: neither a copy of a doctor's under another cookie, nor one's own with the name of a doctor."""
    sessions, users = world.services.sessions, world.services.users
    doctor, alice = users.by_name("doctor"), users.by_name("alice")
    assert doctor is not None
    assert alice is not None
    theirs, _ = sessions.begin(SignIn(doctor.sub, world.clock(), ("pwd",)))
    mine, session = sessions.begin(SignIn(alice.sub, world.clock(), ("pwd",)))
    assert isinstance(session, BrowserSession)
    intruder.writes(theirs, GUESS)
    assert sessions.current(GUESS) is None
    intruder.writes(mine, mine, (alice.sub.encode(), doctor.sub.encode()))
    assert sessions.current(mine) is None


def test_somebody_elses_page_is_not_answered_under_another_handle(world: World, intruder: Intruder) -> None:
    """security.md LC-26: an interaction in an EHR's frame has no cookie; who copies it would agree for a doctor."""
    launch = world.ehr.launch("public", "Practitioner/dr", patient="A", launch_url="https://app.example/launch")
    page = world.browser().open(
        world.public.authorize_url(scope="launch patient/*.rs", launch=launch["launch"], prompt="login")
    )
    handle = dict(Forms(page.text).fields)["interaction"]
    intruder.writes(handle, GUESS)
    waiting = world.services.authorization.interactions
    assert waiting.look(handle, None) is not None
    assert waiting.look(GUESS, None) is None


def test_a_session_of_the_makers_of_an_app_is_not_copied(world: World, intruder: Intruder) -> None:
    """security.md LC-05: who changes an app's addresses gets the codes that are sent there."""
    records = world.services.developers.sessions.records
    theirs = records.put(Holder("public", digest("its registration access token")), LIFE_SECONDS)
    intruder.writes(theirs, GUESS)
    assert records.peek(GUESS) is None


def test_a_session_of_an_administrator_can_not_be_put_into_the_store(world: World, intruder: Intruder) -> None:
    """security.md LC-05: one's own session is not made an administrator's, and theirs is not copied."""
    records = world.services.administrators.sessions.records
    theirs = records.put(Administrator("admin", "admin", "0" * 32, *[world.clock()] * 3), LIFE_SECONDS)
    intruder.writes(theirs, GUESS)
    assert records.peek(GUESS) is None
    intruder.writes(theirs, theirs, (b"admin", b"other"))
    assert records.peek(theirs) is None


def test_a_sign_out_in_the_store_leads_nobody_to_another_address(world: World, intruder: Intruder) -> None:
    """security.md LO-01: where a person ends is registered, and checked before it is kept."""
    logout = world.services.logout
    handle = logout.keep(LogoutRequest("public", "https://app.example/signed-out"), Peer("192.0.2.1"))
    intruder.writes(handle, handle, (b"app.example", b"evil.example"))
    assert logout.records.requests.peek(handle) is None


def test_a_way_to_a_provider_is_nobody_elses(world: World) -> None:
    """security.md LC-26: it holds the handle of a page in a frame, which has no cookie; nobody reads or changes it."""
    doors = world.services.authorization.next_page.sign_in.doors
    door = doors.make("h" * 43, in_window=True)
    assert doors.behind(door) == Door("h" * 43, in_window=True)
    closed = urlsafe_b64decode(door + "==")
    assert b"h" * 4 not in closed
    for position in range(len(closed)):
        changed = closed[:position] + bytes([closed[position] ^ 1]) + closed[position + 1 :]
        assert doors.behind(urlsafe_b64encode(changed).decode()) is None
    for other in ("", "A", "é", GUESS, door[:-4], door * 4):
        assert doors.behind(other) is None


@pytest.mark.parametrize("key", [MARKER, LAST_REVOCATION])
@pytest.mark.parametrize("written", [b"", b"x", b"-1", b"1e9", b"\xd9\xa1", b"9" * 5_000])
def test_what_is_no_number_among_the_marks_of_the_store_leaves_the_truth_to_sql(
    world: World, intruder: Intruder, key: str, written: bytes
) -> None:
    """IN-02, G-9: neither a 500, nor a token that is alive after its revocation."""
    access = token(world)
    intruder.backend.put({key: written}, LIFE_SECONDS)
    assert world.fhir_server.introspect(access)["patient"] == "A"
    intruder.backend.put({key: written}, LIFE_SECONDS)
    assert world.public.revoke(access).status == 200
    intruder.backend.put({key: written}, LIFE_SECONDS)
    assert world.fhir_server.introspect(access) == INACTIVE


@pytest.mark.parametrize("written", [b"x", b"", b"9" * 30, b"-99999999999999999", b"\xff", b"4000000000"])
def test_when_a_token_was_last_used_is_said_by_nobody_else(world: World, intruder: Intruder, written: bytes) -> None:
    """Decision 92: neither a page of people's apps that fails, nor a time that somebody made up, on it or on record."""
    good = token(world)
    world.fhir_server.introspect(good)
    world.services.last_seen.flush()
    assert world.services.last_seen.of([digest(good)]) == {digest(good): world.clock()}
    (key,) = [name for name in intruder.seen if name.startswith("seen") and name.endswith(digest(good))]
    world.services.backend.put({key: written}, LIFE_SECONDS)
    assert world.services.last_seen.of([digest(good)]) == {}


def test_a_mark_of_one_token_is_none_of_another(world: World, intruder: Intruder) -> None:
    good = token(world)
    world.fhir_server.introspect(good)
    world.services.last_seen.flush()
    intruder.writes(good, GUESS)
    assert world.services.last_seen.of([digest(GUESS)]) == {}


@pytest.mark.parametrize(
    "written", [b"\xff\xfe", b"\x00", b"a" * 10_000, b"../../", None], ids=lambda text: str(text)[:9]
)
def test_what_lies_under_the_id_of_a_launch_is_what_this_server_put_there(
    world: World, intruder: Intruder, written: bytes | None
) -> None:
    """LA-13: another launch's, too; the EHR hears that there is none of this id, and not that something broke."""
    mine, other = (world.ehr.launch("public", "Practitioner/dr", patient=who)["launch_id"] for who in "AB")
    keys = {name: key for key in intruder.seen for name in (mine, other) if key.endswith(str(name))}
    world.services.backend.put({keys[mine]: written or intruder.seen[keys[other]]}, LIFE_SECONDS)
    assert [world.ehr.look_up(mine).status, world.ehr.withdraw(mine).status] == [404, 404]
    assert world.ehr.withdraw(other).status == 204
