from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

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
    ],
    ids=["user", "app", "FHIR server", "patient", "no patient", "more letters", "more types", "one more scope"],
)
def test_another_question_is_asked(made: Registries, consents: Consents, other: dict[str, object]) -> None:
    """security.md AZ-59: not for a wider scope, nor for anybody else."""
    agree(made, consents)
    assert consents.remembered(replace(QUESTION, **other)) is None  # type: ignore[arg-type]  # members of the question


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
    agree(made, consents)
    asked = replace(QUESTION, client=client, redirect_uri=redirect_uri)
    assert (consents.remembered(asked) is not None) is provable
