"""The sentence an app's developer reads about each scope that was not granted as asked (digest 12.6, Q-11)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from authz.policy.access import AccessQuestion, decide
from authz.policy.sandbox import choosable, is_confined, is_test, why_not
from authz.scopes import Reason, ScopeSet
from tests.policy.test_access import ALONE, AT_HOME, CLIENT, DOCTOR, LISTENING, NATIVE, NO_PATIENT, SERVER, SILENT
from tests.policy.test_access import UNHEARD as NO_WINDOW

if TYPE_CHECKING:
    from authz.scopes import Verdict

LEVEL = "in this flow the level is one of: patient/, user/"
NO_TYPE = "the FHIR server has no such resource type"
NOT_SEARCHED = "the FHIR server does not limit access by this search parameter"
NOT_REGISTERED = "the app is not registered for it"
RIGHTS = "the user may not pass on more than this"
STATE = "apps keep their state in Basic here: ask with ?code= for a coding registered for this app"
UNAPPROVED = replace(DOCTOR, client=replace(CLIENT, is_approved=False))
TESTING = replace(UNAPPROVED, by_test_account=True, fhir_server=replace(SERVER, sandbox_patients=frozenset({"A"})))


def verdict(question: AccessQuestion, scope: str) -> Verdict:
    (found,) = decide(replace(question, requested=ScopeSet.parse(scope))).verdicts
    return found


def at(question: AccessQuestion, **changes: Any) -> AccessQuestion:
    return replace(question, fhir_server=replace(question.fhir_server, **changes))


def by(question: AccessQuestion, **changes: Any) -> AccessQuestion:
    return replace(question, client=replace(question.client, **changes))


CASES: list[tuple[AccessQuestion, str, Reason, str]] = [
    (DOCTOR, "patient/Nonsense.rs", Reason.UNSUPPORTED, NO_TYPE),
    (DOCTOR, "launch/nonsense", Reason.UNSUPPORTED, NO_TYPE),
    (DOCTOR, "system/*.rs", Reason.LEVEL_NOT_ALLOWED, LEVEL),
    (
        at(DOCTOR, without=frozenset({"scopes-v1"})),
        "patient/*.read",
        Reason.UNSUPPORTED,
        "write it as SMART 2 does: .rs for .read, .cud for .write",
    ),
    (
        at(DOCTOR, without=frozenset({"offline-access"})),
        "offline_access",
        Reason.POLICY,
        "access ends with the session at this FHIR server",
    ),
    (SILENT, "messaging/ui", Reason.UNSUPPORTED, "web messaging is not offered here"),
    (
        LISTENING,
        "messaging/status",
        Reason.UNSUPPORTED,
        "shaking hands needs no scope of its own: ask for what is to follow",
    ),
    (NATIVE, "messaging/ui", Reason.UNSUPPORTED, "messages are for apps in a browser"),
    (NO_WINDOW, "messaging/ui", Reason.NO_EHR_WINDOW, "the EHR must name its window in the launch"),
    (ALONE, "launch", Reason.NO_LAUNCH, "it needs the parameter launch, from the EHR"),
    (DOCTOR, AT_HOME, Reason.NO_SUCH_CONTEXT, "the EHR had nothing of this type open"),
    (DOCTOR, "__other", Reason.NOT_REGISTERED, NOT_REGISTERED),
    (
        by(DOCTOR, grant_types=frozenset({"authorization_code"})),
        "online_access",
        Reason.NOT_REGISTERED,
        "the app is not registered for refresh tokens",
    ),
    (ALONE, "patient/*.cruds", Reason.USER_RIGHTS, RIGHTS),
    (
        replace(DOCTOR, is_vouched=True),
        "offline_access",
        Reason.USER_RIGHTS,
        "the EHR vouches for the user in this session only",
    ),
    (
        replace(DOCTOR, is_protected=True),
        "online_access",
        Reason.POLICY,
        "access to protected records is short and not renewed",
    ),
    (
        replace(DOCTOR, is_protected=True),
        "offline_access",
        Reason.POLICY,
        "access to protected records is short and not renewed",
    ),
    (NO_PATIENT, "patient/*.rs", Reason.NO_PATIENT_CONTEXT, "there is no patient in context"),
    (DOCTOR, "fhirUser", Reason.UNSUPPORTED, "it needs openid and a user with a FHIR resource"),
    (replace(DOCTOR, agreed=ScopeSet()), "openid", Reason.UNTICKED, "the user unticked it"),
    (
        replace(DOCTOR, agreed=ScopeSet.parse("patient/Observation.r")),
        "patient/Observation.rs",
        Reason.UNTICKED,
        "the user unticked it",
    ),
    (DOCTOR, "patient/Observation.rs?date=gt2020", Reason.UNSUPPORTED, NOT_SEARCHED),
    (
        UNAPPROVED,
        "patient/*.rs",
        Reason.NOT_APPROVED,
        "the app is not approved yet: only test accounts can use it, and only for test patients",
    ),
    (
        TESTING,
        "user/*.rs",
        Reason.NOT_APPROVED,
        "the app is not approved yet: until then it gets the records of test patients, while somebody uses it",
    ),
    (
        replace(DOCTOR, by_test_account=True),
        "patient/*.rs",
        Reason.USER_RIGHTS,
        "a test account has the records of test patients only",
    ),
    (at(DOCTOR, app_state=True), "patient/Basic.rs", Reason.NOT_REGISTERED, f"{STATE} (none)"),
    (
        by(at(DOCTOR, app_state=True), app_state_codes=frozenset({"https://b.example|2", "https://a.example|1"})),
        "patient/Basic.rs",
        Reason.NOT_REGISTERED,
        f"{STATE} (https://a.example|1, https://b.example|2)",
    ),
]


@pytest.mark.parametrize(("question", "scope", "reason", "sentence"), CASES)
def test_the_developer_is_told_why(question: AccessQuestion, scope: str, reason: Reason, sentence: str) -> None:
    """Digest 12.6: one code for programs, one sentence for people."""
    found = verdict(question, scope)
    assert (found.reason, found.detail) == (reason, sentence)


def test_what_passes_with_a_reason_or_by_the_ehrs_word_passes_otherwise() -> None:
    """REQ-87, AZ-78: only what lasts is bound."""
    for question in (replace(DOCTOR, is_protected=True), replace(DOCTOR, is_vouched=True)):
        assert verdict(question, "patient/*.rs").outcome == "granted"
    assert verdict(replace(DOCTOR, is_vouched=True), "online_access").outcome == "granted"


def test_where_smart_1_is_switched_off_smart_2_is_not() -> None:
    """Decision 23: the spelling alone is refused."""
    question = at(DOCTOR, without=frozenset({"scopes-v1", "offline-access"}))
    for scope in ("patient/*.rs", "openid", "launch", "online_access"):
        assert verdict(question, scope).outcome == "granted"


def test_an_app_gets_at_its_own_state_only() -> None:
    """SMART APS-08..10: every coding asked for is its own; other types and other scopes are not meant."""
    own = frozenset({"https://a.example|1", "https://b.example|2"})
    question = by(at(DOCTOR, app_state=True, constraints=frozenset({"code", "category"})), app_state_codes=own)
    for scope, outcome in {
        "patient/Basic.rs?code=https://a.example|1": "granted",
        "patient/Basic.cruds?code=https://a.example|1,https://b.example|2": "granted",
        "patient/Basic.rs?code=https://a.example|1&category=x": "granted",
        "patient/Basic.rs?code=https://a.example|1,https://c.example|3": "dropped",
        "patient/Basic.rs?code=https://c.example|3": "dropped",
        "patient/Basic.rs?category=https://a.example|1": "dropped",
        "patient/Basic.rs": "dropped",
        "patient/Condition.rs": "granted",
        "openid": "granted",
    }.items():
        assert verdict(question, scope).outcome == outcome, scope
    assert verdict(by(DOCTOR, app_state_codes=own), "patient/Basic.rs").outcome == "granted"


def test_with_whom_an_app_may_be_used_is_said_in_a_sentence() -> None:
    """Decision 0070."""
    assert why_not(CLIENT) == "a test account has the records of test patients only"
    assert why_not(UNAPPROVED.client) == (
        "the app is not approved yet: only test accounts can use it, and only for test patients"
    )


def test_who_is_confined_chooses_among_test_patients() -> None:
    """Decision 0070: an app that nobody approved, and a test account; nowhere where everybody is invented."""
    server = replace(SERVER, sandbox_patients=frozenset({"A", "C"}))
    invented = replace(SERVER, is_sandbox=True)
    everybody, tests = ("A", "B", "C"), ("A", "C")
    unapproved = UNAPPROVED.client
    for client, at_, by_test_account, found in (
        (CLIENT, server, False, everybody),
        (CLIENT, server, True, tests),
        (unapproved, server, False, tests),
        (unapproved, server, True, tests),
        (unapproved, invented, True, everybody),
    ):
        assert choosable(client, at_, everybody, by_test_account=by_test_account) == found
        assert is_confined(client, at_, by_test_account=by_test_account) is (found == tests)


@pytest.mark.parametrize(
    ("by_test_account", "patient", "is_all_test"),
    [(True, "A", True), (True, None, True), (True, "B", False), (False, "A", False), (False, None, False)],
)
def test_nobody_real_has_a_part_in_a_test(patient: str | None, *, by_test_account: bool, is_all_test: bool) -> None:
    """Decision 0070: neither the person nor the patient; at a FHIR server of invented people nobody is."""
    server = replace(SERVER, sandbox_patients=frozenset({"A"}))
    assert is_test(server, by_test_account=by_test_account, patient=patient) is is_all_test
    assert is_test(replace(SERVER, is_sandbox=True), by_test_account=by_test_account, patient=patient) is True
