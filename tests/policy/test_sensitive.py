"""Which records staff open only with a reason: breaking the glass (REQ-87)."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from types import ModuleType

import pytest

from authz.fhir_servers.sensitive import data
from authz.policy.hook import NoAnswer
from authz.policy.sensitive import (
    PURPOSES,
    HookedSensitivity,
    SensitivityQuestion,
    StatedSensitivity,
    needs_reason,
    sensitivity,
)
from authz.scopes import ScopeSet
from authz.users.user import User
from tests.policy.test_access import CLIENT, SERVER

GUARDED = replace(
    SERVER,
    sensitive_patients=frozenset({"vip"}),
    sensitive_scopes=ScopeSet.parse("patient/Observation.rs?category=psychiatry user/Consent.rs"),
)
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
DOCTOR = User(
    "s", "doctor", "Dr", enabled=True, sessions_valid_from=datetime(2026, 1, 1, tzinfo=UTC), has_password=True
)
ASKED = SensitivityQuestion(DOCTOR, "Practitioner/dr", GUARDED, "A", CLIENT, ScopeSet.parse("patient/Condition.rs"))


class Says:
    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.asked: list[SensitivityQuestion] = []

    def is_sensitive(self, question: SensitivityQuestion) -> bool:
        self.asked.append(question)
        return self.answer  # type: ignore[return-value]  # a site's hook may return anything


@pytest.mark.parametrize(
    ("patient", "scope", "is_sensitive"),
    [
        ("vip", "", True),
        ("A", "patient/Condition.rs", False),
        (None, "patient/Condition.rs", False),
        ("A", "patient/*.rs", True),
        ("A", "patient/Observation.r?category=psychiatry", True),
        ("A", "patient/Observation.cud", True),
        ("A", "user/Observation.rs", False),
        (None, "user/Consent.r", True),
        ("A", "openid launch patient/Condition.rs", False),
        ("A", "patient/Condition.rs patient/Observation.s", True),
    ],
)
def test_what_the_settings_name_is_protected(patient: str | None, scope: str, *, is_sensitive: bool) -> None:
    """REQ-87: these patients, and whoever could get some of these data, whatever else is asked for."""
    asked = replace(ASKED, patient=patient, scope=ScopeSet.parse(scope))
    assert StatedSensitivity().is_sensitive(asked) is is_sensitive


@pytest.mark.parametrize(
    "asked", ["patient/Observation.u", "user/Observation.c", "patient/*.d", "patient/Observation.rs"]
)
def test_data_are_protected_whatever_is_done_with_them(asked: str) -> None:
    """REQ-87: a scope of the settings names the data, also for who only writes: a patch shows what it changes."""
    guarded = replace(SERVER, sensitive_scopes=data(["patient/Observation.rs?category=psychiatry"]))
    question = replace(ASKED, fhir_server=guarded, scope=ScopeSet.parse(asked))
    assert StatedSensitivity().is_sensitive(question)
    assert not StatedSensitivity().is_sensitive(replace(question, scope=ScopeSet.parse("patient/Condition.cruds")))


def test_either_the_settings_or_the_hook_may_say_yes() -> None:
    """REQ-87, decision 54: only False is a no; what the settings say is not asked again."""
    hook = Says(answer=False)
    assert HookedSensitivity(hook).is_sensitive(ASKED) is False
    assert HookedSensitivity(hook).is_sensitive(replace(ASKED, patient="vip")) is True
    assert hook.asked == [ASKED]
    for answer in (True, None, 0, ""):
        assert HookedSensitivity(Says(answer)).is_sensitive(ASKED) is True


def test_a_hook_that_does_not_answer_is_named() -> None:
    """Decision 54: nothing opens without a reason; it waits for as long as it is told to."""

    class Fails:
        def is_sensitive(self, question: SensitivityQuestion) -> bool:
            raise RuntimeError(question.patient)

    class Hangs:
        def is_sensitive(self, question: SensitivityQuestion) -> bool:
            return go_on.wait(10) and question.patient == "A"

    go_on = threading.Event()
    with pytest.raises(NoAnswer) as refused:
        HookedSensitivity(Fails()).is_sensitive(ASKED)
    assert str(refused.value) == "the sensitivity hook failed"
    with pytest.raises(NoAnswer) as refused:
        HookedSensitivity(Hangs(), seconds=0.01).is_sensitive(ASKED)
    assert str(refused.value) == "the sensitivity hook did not answer in time"
    go_on.set()


@pytest.mark.parametrize(
    ("fhir_user", "is_asked"),
    [
        ("Practitioner/dr", True),
        ("PractitionerRole/dr", True),
        ("Patient/vip", False),
        ("RelatedPerson/r", False),
        ("Person/p", False),
        (None, False),
    ],
)
def test_only_staff_have_to_say_why(fhir_user: str | None, *, is_asked: bool) -> None:
    """REQ-87: patients and who acts for them open their own, so the hospital's rules are not even asked."""
    hook = Says(answer=True)
    asked = replace(ASKED, fhir_user=fhir_user)
    assert needs_reason(hook, asked) is is_asked
    assert hook.asked == ([asked] if is_asked else [])
    assert needs_reason(Says(answer=False), asked) is False


def test_the_setting_names_what_makes_the_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decision 20: ``package.module:callable``; without it the settings of the FHIR server are all."""
    module = ModuleType("hospital_rules")
    module.make = lambda: Says(answer=True)  # type: ignore[attr-defined]  # a module is open
    monkeypatch.setitem(sys.modules, "hospital_rules", module)
    assert sensitivity("") == StatedSensitivity()
    assert sensitivity("hospital_rules:make").is_sensitive(ASKED) is True


def test_the_reasons_are_hl7_codes() -> None:
    """HL7 v3 PurposeOfUse: what an audit trail can be searched by."""
    assert PURPOSES == {"ETREAT": "Emergency treatment", "BTG": "Another pressing reason"}
