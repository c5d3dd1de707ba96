from __future__ import annotations

import sys
import threading
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from authz.clients.client import Client
from authz.policy.hook import AT_ONCE, NoAnswer
from authz.policy.rights import HookedRights, RightsQuestion, StatedRights, user_rights
from authz.settings import ConfigurationError
from authz.users.user import Representation
from tests.registries import Registries, registries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Registries]:
    with registries(tmp_path) as found:
        found.add_fhir_server("main")
        yield found


def question(made: Registries, fhir_user: str | None, patient: str) -> RightsQuestion:
    user = made.users.by_name("alice")
    if user is None:
        with made.db.write() as session:
            user = made.users.add(session, "alice")
            made.users.represent(session, user.sub, "main", Representation("child", "parent"))
    client, _ = made.add_client()
    assert isinstance(client, Client)
    return RightsQuestion(user, fhir_user, "main", patient, client)


@pytest.mark.parametrize(
    ("fhir_user", "patient", "allowed"),
    [
        ("Patient/A", "A", True),
        ("Patient/A", "B", False),
        ("Patient/A", "child", True),
        ("RelatedPerson/r", "child", True),
        ("Person/p", "child", True),
        ("RelatedPerson/r", "A", False),
        ("RelatedPerson/r", "r", False),
        (None, "A", False),
        ("Practitioner/dr", "A", True),
        ("PractitionerRole/dr", "A", True),
    ],
)
def test_whose_records_a_person_may_share(
    made: Registries, fhir_user: str | None, patient: str, *, allowed: bool
) -> None:
    """SMART CTX-13, decision 16: one's own, those one represents; of staff the EHR decides; REQ-109, REQ-115."""
    assert StatedRights(made.users).allows(question(made, fhir_user, patient)) is allowed


@pytest.mark.parametrize(
    ("fhir_user", "allowed"), [("RelatedPerson/r", True), ("Person/p", True), ("Patient/A", False), (None, False)]
)
def test_the_word_of_the_ehr_makes_a_representative_in_its_launch(
    made: Registries, fhir_user: str | None, *, allowed: bool
) -> None:
    """Decision 16, CTX-13: of a patient nobody's word makes another patient's."""
    asked = question(made, fhir_user, "B")
    assert not StatedRights(made.users).allows(asked)
    assert StatedRights(made.users).allows(replace(asked, ehr_vouches=True)) is allowed


class Says:
    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.asked: list[RightsQuestion] = []

    def allows(self, question: RightsQuestion) -> bool:
        self.asked.append(question)
        return self.answer  # type: ignore[return-value]  # a site's hook may return anything


class Fails:
    def allows(self, question: RightsQuestion) -> bool:
        raise RuntimeError(question.patient)


class Hangs:
    def __init__(self) -> None:
        self.go_on = threading.Event()

    def allows(self, question: RightsQuestion) -> bool:
        return self.go_on.wait() and question.patient == "A"


def test_the_hospitals_hook_can_only_narrow(made: Registries) -> None:
    """Decision 20: both must agree, and only True is a yes; REQ-68, REQ-85, REQ-106, REQ-109."""
    stated = StatedRights(made.users)
    own, other = question(made, "Patient/A", "A"), question(made, "Patient/A", "B")
    hook = Says(answer=True)
    assert HookedRights(stated, hook).allows(own) is True
    assert HookedRights(stated, hook).allows(other) is False
    assert hook.asked == [own]
    for answer in (False, None, 1, "yes"):
        assert HookedRights(stated, Says(answer)).allows(own) is False


def test_a_hook_that_fails_gives_no_answer(made: Registries) -> None:
    """Decision 20, 0054: no yes, and no lasting no either."""
    with pytest.raises(NoAnswer, match="the user_rights hook failed"):
        HookedRights(StatedRights(made.users), Fails()).allows(question(made, "Patient/A", "A"))


def test_a_hook_that_is_late_gives_no_answer(made: Registries) -> None:
    """Decision 20, 0054: also when every worker already waits for one."""
    hook = Hangs()
    rights = HookedRights(StatedRights(made.users), hook, seconds=0.01)
    asked = question(made, "Patient/A", "A")
    for _ in range(AT_ONCE + 2):
        with pytest.raises(NoAnswer, match="did not answer in time"):
            rights.allows(asked)
    hook.go_on.set()


def test_who_is_refused_anyway_is_not_asked_about(made: Registries) -> None:
    """Decision 20: what this server knows refuses also while the hook is away."""
    assert HookedRights(StatedRights(made.users), Fails()).allows(question(made, "Patient/A", "B")) is False


def test_the_setting_names_what_makes_the_hook(made: Registries, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("hospital_rules")
    module.make = lambda: Says(answer=False)  # type: ignore[attr-defined]  # a module is open
    monkeypatch.setitem(sys.modules, "hospital_rules", module)
    assert user_rights("", made.users) == StatedRights(made.users)
    assert user_rights("hospital_rules:make", made.users).allows(question(made, "Patient/A", "A")) is False


@pytest.mark.parametrize("setting", ["no_such_module:make", "json:no_such_name", "json", ":x", "."])
def test_a_hook_that_is_not_there_stops_the_start(made: Registries, setting: str) -> None:
    """Decision 20: a missing hook must not mean yes."""
    with pytest.raises(ConfigurationError):
        user_rights(setting, made.users)
