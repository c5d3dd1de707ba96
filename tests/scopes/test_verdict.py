from __future__ import annotations

import json

from authz.scopes import Judgement, Limit, NamedScope, Reason, Scope, ScopeSet, Verdict, judge, without_repetition

REGISTERED = Limit(
    Reason.NOT_REGISTERED, ScopeSet.parse("launch openid patient/*.rs offline_access"), "not registered for this client"
)
CONSENTED = Limit(Reason.UNTICKED, ScopeSet.parse("launch openid patient/Patient.rs"), "the user did not agree")


def test_each_requested_scope_gets_a_verdict_with_the_first_limit_that_changed_it() -> None:
    """Digest 12.6 and Q-11: when dropping scopes, show why; REQ-D12: never more than asked; REQ-D12."""
    requested = ScopeSet.parse("openid patient/*.* offline_access user/*.rs patient/Patient.rd fhiruser")
    assert judge(requested, [REGISTERED, CONSENTED]) == Judgement(
        ScopeSet.parse("openid patient/Patient.read patient/Patient.r"),
        (
            Verdict("openid", ("openid",)),
            Verdict("patient/*.*", ("patient/Patient.read",), Reason.NOT_REGISTERED, "not registered for this client"),
            Verdict("offline_access", (), Reason.UNTICKED, "the user did not agree"),
            Verdict("user/*.rs", (), Reason.NOT_REGISTERED, "not registered for this client"),
            Verdict(
                "patient/Patient.rd", ("patient/Patient.r",), Reason.NOT_REGISTERED, "not registered for this client"
            ),
            Verdict("fhiruser", (), Reason.MALFORMED, "did you mean fhirUser? Scopes are case-sensitive"),
        ),
    )


def test_a_verdict_is_granted_narrowed_or_dropped() -> None:
    """Digest SCP-16: the granted set may be equal or narrower, and the client must inspect it."""
    judgement = judge(ScopeSet.parse("launch patient/*.rs user/*.rs"), [CONSENTED])
    assert [verdict.outcome for verdict in judgement.verdicts] == ["granted", "narrowed", "dropped"]


def test_without_limits_everything_understood_is_granted() -> None:
    """Digest N13: unknown scopes are ignored (RFC 6749 §3.3)."""
    judgement = judge(ScopeSet.parse("openid foo system/*.rs?_count=1 patient/Patient.rs?name:exact=x"), [])
    assert str(judgement.granted) == "openid"
    assert [verdict.reason for verdict in judgement.verdicts] == [
        None,
        Reason.UNSUPPORTED,
        Reason.RESULT_PARAMETER,
        Reason.EXPERIMENTAL,
    ]


def test_a_limit_may_be_a_test_of_each_scope() -> None:
    """House law 3: policy stands to the right of scopes and brings its own rules."""

    def is_a_name(scope: Scope) -> bool:
        return isinstance(scope, NamedScope)

    judgement = judge(ScopeSet.parse("openid launch"), [Limit(Reason.NO_LAUNCH, is_a_name, "no launch parameter")])
    assert judgement.verdicts == (
        Verdict("openid", ("openid",)),
        Verdict("launch", (), Reason.NO_LAUNCH, "no launch parameter"),
    )


def test_a_valid_trap_is_granted_with_a_warning() -> None:
    """Digest S78: one scope whose second alternative is patient/Patient.rs; nothing for Patient."""
    text = "patient/Observation.rs?category=a,patient/Patient.rs"
    assert judge(ScopeSet.parse(text), []).verdicts == (
        Verdict(text, (text,), None, "a value looks like a scope: scopes are separated by spaces, not by commas"),
    )


def test_what_left_nothing_of_a_scope_is_the_reason_not_what_narrowed_it_before() -> None:
    """Digest Q-11: a scope that the rights narrow and the person unticks was unticked."""
    reads = Limit(Reason.USER_RIGHTS, ScopeSet.parse("patient/*.rs"), "reading only")
    (verdict,) = judge(ScopeSet.parse("patient/Condition.cruds"), [reads, CONSENTED]).verdicts
    assert verdict == Verdict("patient/Condition.cruds", (), Reason.UNTICKED, "the user did not agree")


def test_further_constraints_are_left_out_where_another_scope_says_it() -> None:
    """Digest SCP-11, N12: what was asked for in these very words stays, said twice or not."""
    limit = Limit(Reason.UNTICKED, ScopeSet.parse("patient/Observation.rs?category=b"), "unticked")
    asked = "patient/Observation.rs patient/Observation.rs?category=a patient/Observation.s"
    judgement = without_repetition(judge(ScopeSet.parse(asked), [limit]))
    assert str(judgement.granted) == "patient/Observation.rs?category=b patient/Observation.s?category=b"
    assert [verdict.granted for verdict in judgement.verdicts] == [
        ("patient/Observation.rs?category=b",),
        (),
        ("patient/Observation.s?category=b",),
    ]
    alone = judge(ScopeSet.parse("patient/Observation.rs?category=a"), [limit])
    assert without_repetition(alone) == alone


def test_a_judgement_is_json() -> None:
    """House 6: what an administrator and a developer read, and what the audit trail keeps."""
    judgement = judge(ScopeSet.parse("patient/*.read offline_access openid"), [CONSENTED])
    assert json.loads(json.dumps(judgement.as_dict())) == {
        "granted": "patient/Patient.read openid",
        "verdicts": [
            {
                "requested": "patient/*.read",
                "outcome": "narrowed",
                "granted": ["patient/Patient.read"],
                "reason": "unticked",
                "detail": "the user did not agree",
            },
            {
                "requested": "offline_access",
                "outcome": "dropped",
                "granted": [],
                "reason": "unticked",
                "detail": "the user did not agree",
            },
            {"requested": "openid", "outcome": "granted", "granted": ["openid"], "reason": None, "detail": ""},
        ],
    }
