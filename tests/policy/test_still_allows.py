"""Why an app that was allowed something is refused when it wants to go on (decision 20)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from authz.errors import InvalidGrant
from authz.policy.policy import Held, Policy
from authz.scopes import ScopeSet
from authz.users.user import User
from tests.policy.test_access import CLIENT, SERVER

if TYPE_CHECKING:
    from authz.clients.client import Client
    from authz.fhir_servers.server import FhirServer
    from authz.policy.rights import RightsQuestion
    from authz.policy.sensitive import SensitivityQuestion

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
PERSON = User("s", "doctor", "Dr", enabled=True, sessions_valid_from=SINCE, has_password=True)
TESTER = replace(PERSON, is_sandbox=True)
HELD = Held(CLIENT, "main", "s", "A", has_launch=True, scope=ScopeSet.parse("launch patient/*.rs offline_access"))


@dataclass
class Hospital:
    """What is true today: its people, its FHIR servers, its own rules; and what those were asked."""

    server: FhirServer | None = SERVER
    user: User | None = PERSON
    fhir_user_: str | None = "Practitioner/dr"
    may: bool = True
    protects: bool = False
    asked: list[Any] = field(default_factory=list)

    def get(self, name: str) -> FhirServer | None:
        return self.server if name == "main" else None

    def by_sub(self, sub: str) -> User | None:
        return self.user if sub == "s" else None

    def fhir_user(self, sub: str, fhir_server: str) -> str | None:
        return self.fhir_user_ if (sub, fhir_server) == ("s", "main") else None

    def allows(self, question: RightsQuestion) -> bool:
        self.asked.append(question)
        return self.may

    def is_sensitive(self, question: SensitivityQuestion) -> bool:
        self.asked.append(question)
        return self.protects


def keeps(hospital: Hospital, held: Held = HELD) -> str:
    return str(Policy(cast("Any", hospital), cast("Any", hospital), hospital, hospital).still_allows(held))


def refused(hospital: Hospital, held: Held = HELD) -> InvalidGrant:
    with pytest.raises(InvalidGrant) as found:
        keeps(hospital, held)
    return found.value


def without(*features: str, **changes: Any) -> Hospital:
    return Hospital(replace(SERVER, without=frozenset(features), **changes))


def test_what_is_allowed_as_before_is_kept() -> None:
    """Decision 20: never more than was granted, in its own spelling."""
    assert keeps(Hospital()) == "launch patient/*.rs offline_access"


def test_the_hospital_is_asked_about_this_person_patient_and_app() -> None:
    """Decision 20, REQ-87: its rules hear all they need, and what would be kept."""
    hospital = Hospital()
    keeps(hospital, replace(HELD, scope=ScopeSet.parse("launch patient/*.rs __other"), is_vouched=True))
    rights, sensitive = hospital.asked
    assert (rights.user, rights.fhir_user, rights.fhir_server) == (PERSON, "Practitioner/dr", "main")
    assert (rights.patient, rights.client, rights.ehr_vouches) == ("A", CLIENT, False)
    assert (sensitive.user, sensitive.fhir_user, sensitive.fhir_server) == (PERSON, "Practitioner/dr", SERVER)
    assert (sensitive.patient, sensitive.client, str(sensitive.scope)) == ("A", CLIENT, "launch patient/*.rs")


@pytest.mark.parametrize(("then", "now"), [(True, True), (True, False), (False, True), (False, False)])
def test_the_ehrs_word_counts_while_the_hospital_takes_it(*, then: bool, now: bool) -> None:
    """AZ-78: it counted when the app was opened, and still does today."""
    hospital = Hospital(replace(SERVER, vouched_representatives=now))
    keeps(hospital, replace(HELD, is_vouched=then))
    assert hospital.asked[0].ehr_vouches is (then and now)


def test_without_a_patient_there_is_no_right_to_a_patient() -> None:
    """CTX-10: the hospital's rules are about a patient."""
    hospital = Hospital(may=False)
    assert keeps(hospital, replace(HELD, patient=None, scope=ScopeSet.parse("user/*.rs"))) == "user/*.rs"
    assert [question.patient for question in hospital.asked] == [None]


@pytest.mark.parametrize(
    ("hospital", "held"),
    [
        (Hospital(server=None), HELD),
        (Hospital(user=None), HELD),
        (Hospital(), replace(HELD, fhir_server="other")),
        (Hospital(), replace(HELD, sub="t")),
    ],
)
def test_nothing_is_kept_of_who_is_gone(hospital: Hospital, held: Held) -> None:
    """Decision 20: RFC 6749 §5.2 invalid_grant."""
    assert refused(hospital, held).description == "the user or the FHIR server is gone"


def test_what_was_granted_as_another_is_not_kept() -> None:
    """Decision 20, REF-14: a token names who the person is, not who they were; who was nobody claims to be nobody."""
    now = "https://fhir.example/r4/Practitioner/dr"
    assert keeps(Hospital(), replace(HELD, fhir_user=now)) == keeps(Hospital(), replace(HELD, fhir_user=None))
    for hospital in (Hospital(fhir_user_="Practitioner/else"), Hospital(fhir_user_=None)):
        gone = refused(hospital, replace(HELD, fhir_user=now))
        assert gone.description == "the user is no longer the person in the records who granted this"


@pytest.mark.parametrize(
    ("hospital", "held"),
    [
        (without("ehr-launch"), HELD),
        (without("standalone"), replace(HELD, has_launch=False)),
        (without("offline-access"), replace(HELD, is_offline=True)),
    ],
)
def test_what_the_hospital_switched_off_ends(hospital: Hospital, held: Held) -> None:
    """Decision 23: the way in by which it was granted, and access that outlasts the session."""
    assert refused(hospital, held).description == "this FHIR server no longer offers what was granted"


@pytest.mark.parametrize(
    ("hospital", "held", "kept"),
    [
        (without("standalone"), HELD, "launch patient/*.rs offline_access"),
        (without("ehr-launch"), replace(HELD, has_launch=False), "patient/*.rs offline_access"),
        (without("offline-access"), HELD, "launch patient/*.rs"),
    ],
)
def test_what_else_is_switched_off_ends_nothing(hospital: Hospital, held: Held, kept: str) -> None:
    """Decision 23: only what was used."""
    assert keeps(hospital, held) == kept


def of(**changes: Any) -> Held:
    client: Client = replace(CLIENT, **changes)
    return replace(HELD, client=client)


def test_an_app_that_is_for_others_now_is_refused() -> None:
    """SMART ``fhir_user_types``: who may use an app is asked again."""
    assert refused(Hospital(), of(user_types=frozenset({"Patient"}))).description == (
        "the app is no longer for users of this kind"
    )
    assert keeps(Hospital(), of(user_types=frozenset({"Practitioner"}))) == "launch patient/*.rs offline_access"


def test_an_app_whose_approval_was_taken_away_is_for_tests_only() -> None:
    """Decision 0070: nobody real; with a test account and its patient it goes on, for as long as somebody is there."""
    unapproved = of(is_approved=False)
    assert refused(Hospital(), unapproved).description == (
        "the app is not approved yet: only test accounts can use it, and only for test patients"
    )
    assert refused(Hospital(user=TESTER), unapproved).description == (
        "the app is not approved yet: only test accounts can use it, and only for test patients"
    )
    tests = replace(SERVER, sandbox_patients=frozenset({"A"}))
    assert keeps(Hospital(tests, TESTER), unapproved) == "launch patient/*.rs"


def test_a_test_account_keeps_no_record_of_a_real_patient() -> None:
    """Decision 0070: its password may be published."""
    assert refused(Hospital(user=TESTER)).description == "a test account has the records of test patients only"
    tests = replace(SERVER, sandbox_patients=frozenset({"A"}))
    assert keeps(Hospital(tests, TESTER)) == "launch patient/*.rs offline_access"
    user_level = replace(HELD, scope=ScopeSet.parse("user/*.rs patient/*.rs"))
    assert keeps(Hospital(tests, TESTER), user_level) == "patient/*.rs"


def test_who_may_no_longer_share_a_record_is_told_so() -> None:
    """Decision 20, REQ-109."""
    assert refused(Hospital(may=False)).description == "the user may no longer share the records of this patient"


def test_where_nothing_is_left_the_verdicts_say_why() -> None:
    """Decision 20: an empty scope is no grant (RFC 6749 §3.3); support reads what became of each scope."""
    gone = refused(Hospital(), replace(HELD, scope=ScopeSet.parse("__other")))
    assert gone.description == "nothing of what was granted is allowed any more"
    assert gone.verdicts == (
        {
            "requested": "__other",
            "outcome": "dropped",
            "granted": [],
            "reason": "not_registered",
            "detail": "the app is not registered for it",
        },
    )


def test_what_is_protected_by_now_needs_a_reason_again() -> None:
    """REQ-87: what staff open with a reason is not renewed."""
    assert refused(Hospital(protects=True)).description == (
        "these records are protected now: the user has to open the app again and say why"
    )
    own = Hospital(fhir_user_="Patient/A", protects=True)
    assert keeps(own, replace(HELD, has_launch=False)) == "patient/*.rs offline_access"


def test_what_was_opened_with_a_reason_is_kept_while_it_is_short() -> None:
    """REQ-87: whoever said why is not asked again; nothing that lasts is kept of it."""
    hospital = Hospital(protects=True)
    assert keeps(hospital, replace(HELD, has_reason=True)) == "launch patient/*.rs"
    assert len(hospital.asked) == 1, "about the user's rights"


def test_the_context_of_the_grant_is_that_of_the_refresh() -> None:
    """SCP-22, CTX-11, SMART Web Messaging "Scopes": what the launch had open, its visit and its window."""
    scope = ScopeSet.parse("launch/imagingstudy launch/encounter messaging/ui")
    server = replace(SERVER, ehr_origins=("https://ehr.example",))
    held = replace(
        HELD,
        scope=scope,
        context_types=frozenset({"ImagingStudy"}),
        web_messaging_origin="https://ehr.example",
    )
    assert keeps(Hospital(server), held) == "launch/imagingstudy launch/encounter messaging/ui"
    assert keeps(Hospital(server), replace(held, context_types=frozenset())) == "launch/encounter messaging/ui"
    assert keeps(Hospital(server), replace(held, web_messaging_origin=None)) == "launch/imagingstudy launch/encounter"
    standalone = replace(HELD, has_launch=False, encounter="E", scope=ScopeSet.parse("launch/encounter"))
    assert keeps(Hospital(), standalone) == "launch/encounter"
    assert refused(Hospital(), replace(standalone, encounter=None)).verdicts[0]["reason"] == "no_such_context"
