"""What an app that nobody has approved may get: of nobody real anything at all, of test patients a little."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.policy.access import AccessQuestion, decide
from authz.policy.sandbox import is_test
from authz.scopes import MessagingScope, Reason, ResourceScope, ScopeSet
from tests.policy.test_access import CLIENT, DOCTOR, SERVER, verdicts
from tests.policy.test_grant_properties import ALL, MIXED

UNAPPROVED = replace(CLIENT, is_approved=False)
TESTS = replace(SERVER, sandbox_patients=frozenset({"A"}))
INVENTED = replace(SERVER, is_sandbox=True)
TESTER = replace(DOCTOR, client=UNAPPROVED, fhir_server=TESTS, by_test_account=True)
EVERYTHING = "launch openid fhirUser online_access patient/*.rs user/*.rs launch/patient"
ASKED = "launch openid fhirUser online_access offline_access patient/*.rs user/*.rs launch/patient __own"


@st.composite
def questions(draw: st.DrawFn) -> AccessQuestion:
    server = draw(st.sampled_from([SERVER, TESTS, INVENTED]))
    return AccessQuestion(
        client=replace(UNAPPROVED, scope=ALL),
        fhir_server=server,
        requested=draw(MIXED),
        fhir_user=draw(st.sampled_from(["Patient/A", "Practitioner/dr", "RelatedPerson/rel", None])),
        patient=draw(st.sampled_from(["A", "B", None])),
        has_launch=draw(st.booleans()),
        by_test_account=draw(st.booleans()),
    )


@given(questions())
def test_an_app_that_is_not_approved_gets_nothing_of_anybody_real(question: AccessQuestion) -> None:
    """RG-06, requirements.md D14: not even who somebody is."""
    server = question.fhir_server
    if not is_test(server, by_test_account=question.by_test_account, patient=question.patient):
        assert not decide(question).granted


@given(questions())
def test_it_never_gets_more_than_it_would_if_it_were_approved(question: AccessQuestion) -> None:
    approved = decide(replace(question, client=replace(question.client, is_approved=True))).granted
    assert approved.covers(decide(question).granted.without("online_access"))


@given(questions())
def test_no_test_lasts_or_reaches_beyond_the_patient_in_context(question: AccessQuestion) -> None:
    """Item 3 of the lanes: no offline access, no system/, no messaging/, user/ only where everybody is invented."""
    granted = decide(question).granted
    levels = {scope.level for scope in granted if isinstance(scope, ResourceScope)}
    assert levels <= ({"patient", "user"} if question.fhir_server.is_sandbox else {"patient"})
    assert not any(isinstance(scope, MessagingScope) for scope in granted)
    assert not {"offline_access", "__x"} & set(map(str, granted))


@pytest.mark.parametrize(
    ("question", "granted"),
    [
        (TESTER, "launch openid fhirUser online_access patient/*.rs launch/patient"),
        (
            replace(TESTER, fhir_server=INVENTED),
            "launch openid fhirUser online_access patient/*.rs user/*.rs launch/patient",
        ),
        (replace(TESTER, patient=None), "launch openid fhirUser online_access launch/patient"),
        (replace(TESTER, patient="B"), ""),
        (replace(TESTER, by_test_account=False), ""),
        (replace(TESTER, fhir_server=INVENTED, by_test_account=False, patient="B"), EVERYTHING),
    ],
)
def test_what_is_left_of_a_request(question: AccessQuestion, granted: str) -> None:
    """REQ-47: with the reason by which the vendor finds out."""
    found = verdicts(question, ASKED)
    assert " ".join(text for text, _ in found.values() if text) == granted
    left_out = {scope: reason for scope, (text, reason) in found.items() if not text}
    without_patient = {"patient/*.rs"} if question.patient is None else set()
    assert {s for s, reason in left_out.items() if reason is not Reason.NOT_APPROVED} == without_patient


def test_an_approved_app_is_bound_to_no_test_account_but_a_test_account_to_test_patients() -> None:
    """Its password may be published: nothing beyond the test patient, whatever the app may do."""
    asked = replace(DOCTOR, requested=ScopeSet.parse(ASKED), fhir_server=TESTS)
    assert decide(asked) == decide(replace(asked, fhir_server=INVENTED, by_test_account=True))
    found = decide(replace(asked, by_test_account=True))
    assert str(found.granted) == str(decide(asked).granted.without("user/*.rs"))
    assert {v.reason for v in found.verdicts if str(v.requested) == "user/*.rs"} == {Reason.USER_RIGHTS}
    assert not decide(replace(asked, by_test_account=True, patient="B")).granted
