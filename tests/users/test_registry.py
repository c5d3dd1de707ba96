from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from flask import current_app
from hypothesis import given
from hypothesis import strategies as st

from authz.errors import AlreadyExists, InvalidValue, NotFound
from authz.users.registry import Representation, User
from authz.users.user import login_name

if TYPE_CHECKING:
    from tests.registries import Registries

PERSON = "Practitioner/prac-1"


def add(made: Registries, name: str = "alice", display: str = "Alice") -> User:
    with made.db.write() as session:
        return made.users.add(session, name, display)


@pytest.mark.parametrize("name", ["alice", "Alice", "ALICE", " alice ", "\uff41lice"])
def test_all_spellings_of_a_login_name_are_one_person(made: Registries, name: str) -> None:
    """security.md LC-02."""
    assert made.users.by_name(name) is None
    user = add(made)
    assert made.users.by_name(name) == user
    with pytest.raises(AlreadyExists):
        add(made, name)


@pytest.mark.parametrize("name", ["", " ", "a\0", "a\nb", "a\u202eb", "\ud800", "a" * 256])
def test_a_name_that_can_not_be_seen_is_nobodys(made: Registries, name: str) -> None:
    assert made.users.by_name(name) is None
    with pytest.raises(InvalidValue):
        add(made, name)


@given(st.text(max_size=300))
def test_the_normal_form_of_a_login_name_is_stable(text: str) -> None:
    normal = login_name(text)
    assert normal is None or login_name(normal) == normal


def test_a_sub_is_opaque_short_and_never_given_again(made: Registries) -> None:
    """requirements.md row 46: never reassigned, at most 255 ASCII characters; deleted and made again: a new one.

    REQ-46, OID-13, OID-08.
    """
    first = add(made)
    assert first.sub.isascii()
    assert len(first.sub) == 32
    with made.db.write() as session:
        made.users.remove(session, first.sub)
    assert made.users.by_sub(first.sub) is None
    again = add(made)
    assert again.sub != first.sub


def test_a_person_is_a_resource_at_each_fhir_server(made: Registries) -> None:
    """requirements.md row 60; OID-13."""
    made.add_fhir_server()
    made.add_fhir_server("other")
    user, somebody = add(made), add(made, "bob")
    with made.db.write() as session:
        made.users.link(session, user.sub, "main", "Practitioner/old")
        made.users.link(session, user.sub, "main", PERSON)
        made.users.link(session, user.sub, "other", "Practitioner/9")
    assert made.users.fhir_users(user.sub) == {"main": PERSON, "other": "Practitioner/9"}
    assert made.users.fhir_user(user.sub, "other") == "Practitioner/9"
    assert made.users.fhir_user(somebody.sub, "main") is None
    assert made.users.by_fhir_user("main", PERSON) == user
    assert made.users.by_fhir_user("main", "Practitioner/old") is None
    assert made.users.by_fhir_user("other", PERSON) is None
    with pytest.raises(AlreadyExists), made.db.write() as session:
        made.users.link(session, somebody.sub, "main", PERSON)


def test_whom_an_ehr_vouches_for_is_created_once_and_audited(made: Registries) -> None:
    """Decisions 15 and 19: one stable sub for each person of a FHIR server."""
    made.add_fhir_server()
    made.add_fhir_server("other")
    with made.db.write() as session:
        first = made.users.vouch(session, "main", PERSON)
    with made.db.write() as session:
        again = made.users.vouch(session, "main", PERSON)
        elsewhere = made.users.vouch(session, "other", PERSON)
    assert first == again == made.users.by_sub(first.sub)
    assert elsewhere.sub != first.sub
    assert (first.name, first.display_name, first.has_password) == (None, PERSON, False)
    assert made.events() == [("user.created", "vouched"), ("user.created", "vouched")]


def test_a_person_with_a_login_is_the_same_when_vouched_for(made: Registries) -> None:
    """Decision 19: the same sub by launch vouching and by password."""
    made.add_fhir_server()
    user = add(made)
    with made.db.write() as session:
        made.users.link(session, user.sub, "main", PERSON)
        assert made.users.vouch(session, "main", PERSON) == user


def test_a_disabled_person_is_not_made_anew_by_vouching(made: Registries) -> None:
    made.add_fhir_server()
    with made.db.write() as session:
        user = made.users.vouch(session, "main", PERSON)
        made.users.set_enabled(session, user.sub, enabled=False)
        assert not made.users.vouch(session, "main", PERSON).enabled


def test_two_launches_at_once_make_one_person(made: Registries) -> None:
    """Decision 19."""
    made.add_fhir_server()
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # werkzeug's proxy has it
    barrier, subs = threading.Barrier(6), []

    def launch() -> None:
        with app.app_context():
            barrier.wait()
            with made.db.write() as session:
                subs.append(made.users.vouch(session, "main", PERSON).sub)

    threads = [threading.Thread(target=launch) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(subs) == 6
    assert len(set(subs)) == 1
    assert [user.sub for user in made.users.all()] == [subs[0]]


def test_a_parent_acts_for_children_until_that_ends(made: Registries) -> None:
    made.add_fhir_server()
    made.add_fhir_server("other")
    user = add(made)
    end = made.clock() + timedelta(days=1)
    with made.db.write() as session:
        made.users.represent(session, user.sub, "main", Representation("child-2", "parent", end))
        made.users.represent(session, user.sub, "main", Representation("child-1", "guardian"))
        made.users.represent(session, user.sub, "main", Representation("child-1", "parent"))
    assert made.users.represented(user.sub, "main") == ("child-1", "child-2")
    assert made.users.represented(user.sub, "other") == ()
    made.clock.move(days=1)
    assert made.users.representations(user.sub, "main") == (Representation("child-1", "parent"),)
    with made.db.write() as session:
        assert made.users.stop_representing(session, user.sub, "main", "child-1")
        assert not made.users.stop_representing(session, user.sub, "main", "child-1")
    assert made.users.represented(user.sub, "main") == ()


def test_switching_a_person_off_or_on_ends_sign_ins_of_before(made: Registries) -> None:
    """Decision 3: checked at authorize and refresh."""
    user = add(made)
    made.clock.move(hours=1)
    with made.db.write() as session:
        off = made.users.set_enabled(session, user.sub, enabled=False)
    assert (off.enabled, off.sessions_valid_from) == (False, made.clock())
    made.clock.move(hours=1)
    with made.db.write() as session:
        on = made.users.set_enabled(session, user.sub, enabled=True)
    assert (on.enabled, on.sessions_valid_from) == (True, made.clock())


@pytest.mark.parametrize("enabled", [True, False])
def test_who_is_on_or_off_already_is_left_as_they_are(made: Registries, enabled: bool) -> None:  # noqa: FBT001  a parameter of pytest
    """Decision 3: a second order to switch on ends no sign-in that has begun since the first."""
    user = add(made)
    with made.db.write() as session:
        made.users.set_enabled(session, user.sub, enabled=False)
        before = made.users.set_enabled(session, user.sub, enabled=enabled)
    made.clock.move(hours=1)
    with made.db.write() as session:
        assert made.users.set_enabled(session, user.sub, enabled=enabled) == before


def test_a_person_goes_with_all_they_are(made: Registries) -> None:
    made.add_fhir_server()
    user = add(made)
    with made.db.write() as session:
        made.users.link(session, user.sub, "main", PERSON)
        made.users.represent(session, user.sub, "main", Representation("child-1", "parent"))
        made.users.remove(session, user.sub)
    assert made.users.by_fhir_user("main", PERSON) is None
    assert made.users.represented(user.sub, "main") == ()
    with pytest.raises(NotFound), made.db.write() as session:
        made.users.remove(session, user.sub)


@pytest.mark.parametrize("display", ["a\nb", " ", "a" * 256, "\u202eevil"])
def test_a_display_name_is_visible(made: Registries, display: str) -> None:
    user = add(made)
    with pytest.raises(InvalidValue), made.db.write() as session:
        made.users.rename(session, user.sub, display)
    with made.db.write() as session:
        assert made.users.rename(session, user.sub, " José ").display_name == "José"
