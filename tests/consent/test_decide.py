from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authz.consent.decide import ConsentQuestion, Consents, is_provable
from authz.consent.withdraw import withdraw_all
from authz.scopes import ScopeSet
from tests.policy.test_access import CLIENT
from tests.registries import Registries, registries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = 86400
QUESTION = ConsentQuestion(
    "sub-1",
    CLIENT,
    "https://app.example/cb",
    "main",
    "A",
    ScopeSet.parse("openid patient/Observation.rs offline_access"),
)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Registries]:
    with registries(tmp_path) as found:
        yield found


@pytest.fixture
def consents(made: Registries) -> Consents:
    return Consents(made.db, made.clock, 90 * DAY)


def agree(made: Registries, consents: Consents, granted: ScopeSet = QUESTION.scope) -> str:
    with made.db.write() as session:
        return consents.record(session, QUESTION, granted)


def test_the_same_question_is_not_asked_twice_until_the_decision_expires(made: Registries, consents: Consents) -> None:
    assert consents.remembered(QUESTION) is None
    first = agree(made, consents)
    assert consents.remembered(QUESTION) == first
    assert consents.remembered(replace(QUESTION, scope=ScopeSet.parse("patient/Observation.r"))) == first
    made.clock.move(days=89)
    assert consents.remembered(QUESTION) == first
    made.clock.move(days=1)
    assert consents.remembered(QUESTION) is None


@pytest.mark.parametrize(
    "other",
    [
        {"sub": "sub-2"},
        {"client": replace(CLIENT, client_id="other")},
        {"fhir_server": "other"},
        {"patient": "B"},
        {"patient": None},
        {"scope": ScopeSet.parse("patient/Observation.cruds")},
        {"scope": ScopeSet.parse("patient/*.rs")},
        {"scope": ScopeSet.parse("patient/Observation.rs fhirUser")},
        {"client": replace(CLIENT, client_name="Another name")},
        {"client": replace(CLIENT, about={"client_name#fr": "Un autre nom"})},
        {"client": replace(CLIENT, about={"client_uri": "https://another-maker.example"})},
        {"redirect_uri": "https://another.example/cb"},
    ],
    ids=[
        "user",
        "app",
        "FHIR server",
        "patient",
        "no patient",
        "more letters",
        "more types",
        "one more scope",
        "the app has another name",
        "the app has another name in French",
        "the app says it is of another maker",
        "the answer goes elsewhere",
    ],
)
def test_another_question_is_asked(made: Registries, consents: Consents, other: dict[str, object]) -> None:
    """security.md AZ-59, decision 0052: nothing wider, nobody else, and not what the app has become."""
    agree(made, consents)
    assert consents.remembered(replace(QUESTION, **other)) is None  # type: ignore[arg-type]  # members of the question


def test_keys_links_and_logo_of_the_same_app_ask_nobody_again(made: Registries, consents: Consents) -> None:
    """Decision 0052: what the person was not told as the app's name, maker or address."""
    first = agree(made, consents)
    same = replace(
        CLIENT, jwks_uri="https://app.example/new", logo="0123456789abcdef", about={"tos_uri": "https://x.example"}
    )
    other_path = replace(QUESTION, client=same, redirect_uri="https://app.example/another")
    assert consents.remembered(other_path) == first


def test_the_port_of_a_loopback_address_is_no_other_app(made: Registries, consents: Consents) -> None:
    """RFC 8252 §7.3: it is another one each time; for an app that proves itself by a key."""
    client = replace(CLIENT, token_endpoint_auth_method="private_key_jwt")
    asked = replace(QUESTION, client=client, redirect_uri="http://127.0.0.1:4000/cb")
    with made.db.write() as session:
        first = consents.record(session, asked, asked.scope)
    assert consents.remembered(replace(asked, redirect_uri="http://127.0.0.1:5000/cb")) == first


ATOMS = (
    "patient/Observation.r",
    "patient/Observation.s",
    "patient/Condition.r",
    "patient/Condition.s",
    "offline_access",
)
REQUESTS = st.sets(st.sampled_from(ATOMS), min_size=1)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(REQUESTS, REQUESTS), max_size=4), REQUESTS)
def test_nothing_is_silent_but_by_the_last_word_about_each_part(
    made: Registries, consents: Consents, decisions: list[tuple[set[str], set[str]]], wanted: set[str]
) -> None:
    """Decision 0052: whatever was decided, in whatever order; and the last decision, if it covers, is enough."""
    question = replace(QUESTION, sub=f"sub-{secrets.token_hex(8)}")
    last_word: dict[str, bool] = {}
    for asked, ticked in decisions:
        made.clock.move(seconds=1)
        with made.db.write() as session:
            consents.record(session, replace(question, scope=scopes(asked)), scopes(asked & ticked))
        last_word |= {atom: atom in ticked for atom in asked}
    is_silent = consents.remembered(replace(question, scope=scopes(wanted))) is not None
    if is_silent:
        assert all(last_word.get(atom) for atom in wanted)
    if decisions and wanted <= decisions[-1][0] & decisions[-1][1]:
        assert is_silent


def scopes(atoms: set[str]) -> ScopeSet:
    return ScopeSet.parse(" ".join(sorted(atoms)))


def test_what_was_left_out_last_is_not_taken_from_an_older_decision(made: Registries, consents: Consents) -> None:
    """Decision 0052: also where the broader decision stands and has not expired."""
    agree(made, consents)
    made.clock.move(days=1)
    online = ScopeSet.parse("openid patient/Observation.rs")
    later = agree(made, consents, online)
    assert consents.remembered(QUESTION) is None
    assert consents.remembered(replace(QUESTION, scope=ScopeSet.parse("offline_access"))) is None
    assert consents.remembered(replace(QUESTION, scope=online)) == later


def test_what_was_refused_is_asked_again(made: Registries, consents: Consents) -> None:
    """oauth.md 23.4: offline access is remembered only if it was granted."""
    online = ScopeSet.parse("openid patient/Observation.rs")
    agree(made, consents, online)
    assert consents.remembered(QUESTION) is None
    assert consents.remembered(replace(QUESTION, scope=online)) is not None


def test_a_withdrawn_decision_is_forgotten(made: Registries, consents: Consents) -> None:
    agree(made, consents)
    with made.db.write() as session:
        assert withdraw_all(session, made.clock(), sub="sub-1") == 1
    assert consents.remembered(QUESTION) is None


@pytest.mark.parametrize(
    ("redirect_uri", "method", "provable"),
    [
        ("https://app.example/cb", "none", True),
        ("com.example.app:/cb", "none", False),
        ("http://127.0.0.1:4000/cb", "none", False),
        ("com.example.app:/cb", "private_key_jwt", True),
        ("http://127.0.0.1:4000/cb", "client_secret_basic", True),
    ],
)
def test_an_app_that_anybody_can_pretend_to_be_asks_every_time(
    made: Registries, consents: Consents, redirect_uri: str, method: str, *, provable: bool
) -> None:
    """security.md LC-17, RFC 8252 §8.6."""
    client = replace(CLIENT, token_endpoint_auth_method=method)
    assert is_provable(client, redirect_uri) is provable
    asked = replace(QUESTION, client=client, redirect_uri=redirect_uri)
    with made.db.write() as session:
        consents.record(session, asked, asked.scope)
    assert (consents.remembered(asked) is not None) is provable
