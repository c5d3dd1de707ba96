from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from authz.login.method import SignIn
from authz.login.session import BrowserSession, Sessions

if TYPE_CHECKING:
    from authz.storage.short_lived import Backend
    from tests.registries import Registries

HOURS = 8


@pytest.fixture
def sessions(made: Registries, backend: Backend) -> Sessions:
    return Sessions(made.db, backend, made.secrets, made.users, made.clock, HOURS * 3600)


def alice(made: Registries) -> SignIn:
    with made.db.write() as session:
        user = made.users.add(session, "alice")
    return SignIn(user.sub, made.clock(), ("pwd",))


def test_a_session_says_who_signed_in_when_and_how(made: Registries, sessions: Sessions) -> None:
    sign_in = alice(made)
    handle, session = sessions.begin(sign_in)
    assert sessions.current(handle) == session == BrowserSession(sign_in, session.sid)
    assert session.sid != handle


def test_a_sign_in_ends_the_session_before_and_takes_a_new_handle(made: Registries, sessions: Sessions) -> None:
    """security.md LC-05, ASVS 7.2.4: a session id that was planted or used before is dead."""
    sign_in = alice(made)
    before, _ = sessions.begin(sign_in)
    after, _ = sessions.begin(sign_in, before)
    assert before != after
    assert sessions.current(before) is None
    assert sessions.begin(sign_in, "planted")[0] != "planted"
    assert sessions.current("planted") is None


@pytest.mark.parametrize("handle", [None, "", "unknown", "x" * 10_000, "käse"])
def test_a_cookie_that_is_no_session_is_nobody(sessions: Sessions, handle: str | None) -> None:
    """security.md HC-03."""
    assert sessions.current(handle) is None


def test_a_session_ends_when_its_time_is_over(made: Registries, sessions: Sessions) -> None:
    handle, session = sessions.begin(alice(made))
    made.clock.move(hours=HOURS, seconds=-1)
    assert sessions.current(handle) == session
    made.clock.move(seconds=1)
    assert sessions.current(handle) is None


def test_a_session_that_has_ended_is_not_brought_back_by_the_store(made: Registries, sessions: Sessions) -> None:
    """Decision 3: the end is a row; a store that was put back to an earlier time changes nothing."""
    handle, session = sessions.begin(alice(made))
    with made.db.write() as sql:
        assert sessions.end_in(sql, session.digest)
        assert not sessions.end_in(sql, session.digest)
        assert not sessions.use_in(sql, session.digest)
    assert sessions.records.peek(handle) == session
    assert sessions.current(handle) is None


def test_a_session_of_which_there_is_no_row_is_none(made: Registries, sessions: Sessions) -> None:
    """Decision 1: what the store says alone allows nothing."""
    handle = sessions.records.put(BrowserSession(alice(made), "0" * 32), 60)
    assert sessions.current(handle) is None


def test_the_same_person_stays_in_the_same_session(made: Registries, sessions: Sessions) -> None:
    """OpenID Connect Core §3.1.2.1 ``prompt=login``: a new cookie and sign-in; what apps know the session by stays."""
    sign_in = alice(made)
    before, first = sessions.begin(sign_in)
    after, second = sessions.begin(sign_in, before)
    assert (first.sid, before) == (second.sid, before)
    assert after != before
    with made.db.write() as session:
        other = made.users.add(session, "bob")
    _, third = sessions.begin(SignIn(other.sub, made.clock(), ("pwd",)), after)
    assert third.sid != first.sid


def test_another_providers_word_begins_another_session(made: Registries, sessions: Sessions) -> None:
    """Back-Channel Logout §2.7: one session never goes on by the word of two, whoever they speak of."""
    by_password = alice(made)
    at_hospital, at_region = replace(by_password, provider="hospital"), replace(by_password, provider="region")
    handle, sids = None, []
    for sign_in in (by_password, at_hospital, at_hospital, at_region, by_password):
        handle, session = sessions.begin(sign_in, handle)
        sids.append(session.sid)
    assert sids[1] == sids[2]
    assert len(set(sids)) == 4


def test_a_session_ends_when_it_is_ended(made: Registries, sessions: Sessions) -> None:
    handle, _ = sessions.begin(alice(made))
    sessions.forget(handle)
    assert sessions.current(handle) is None


def test_a_disabled_person_is_signed_out_and_stays_so(made: Registries, sessions: Sessions) -> None:
    """Decision 3: the row decides, not the store; switched on again, the sessions of before do not come back."""
    sign_in = alice(made)
    handle, _ = sessions.begin(sign_in)
    for enabled in (False, True):
        made.clock.move(seconds=1)
        with made.db.write() as session:
            made.users.set_enabled(session, sign_in.sub, enabled=enabled)
        assert sessions.current(handle) is None


def test_a_new_password_ends_the_sessions_of_before(made: Registries, sessions: Sessions) -> None:
    sign_in = alice(made)
    handle, _ = sessions.begin(sign_in)
    made.clock.move(seconds=1)
    with made.db.write() as session:
        made.passwords.set_password(session, sign_in.sub, "another")
    assert sessions.current(handle) is None


def test_a_session_that_began_under_a_fast_clock_ends_all_the_same(made: Registries, sessions: Sessions) -> None:
    """security.md R-15: of two machines one is ahead, or this one was put right."""
    sign_in = alice(made)
    made.clock.move(seconds=90)
    handle, session = sessions.begin(SignIn(sign_in.sub, made.clock(), sign_in.amr))
    made.clock.move(seconds=-80)
    assert sessions.current(handle) == session
    with made.db.write() as sql:
        made.passwords.set_password(sql, sign_in.sub, "another")
    assert sessions.current(handle) is None
    assert sessions.open(sign_in.sub) == []


def test_a_removed_person_has_no_session(made: Registries, sessions: Sessions) -> None:
    sign_in = alice(made)
    handle, _ = sessions.begin(sign_in)
    with made.db.write() as session:
        made.users.remove(session, sign_in.sub)
    assert sessions.current(handle) is None
