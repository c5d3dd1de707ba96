"""What the developer of an app reads of limits, hints and messages (digest 12.6)."""

from __future__ import annotations

import pytest

from authz.errors import InvalidScope
from authz.scopes import (
    Limit,
    MessagingScope,
    Reason,
    ScopeSet,
    Verdict,
    judge,
    keep_one_refresh_scope,
    message_scope,
    only_constraints_on,
    only_levels,
    only_types,
    parse_scope,
    resource_types,
)

PROFILE = "did you mean fhirUser? That was its name in SMART 1.0; profile gives a person's name"
COMMA = "a value looks like a scope: scopes are separated by spaces, not by commas"
TYPES = only_types({"Observation", "ImagingStudy"})
LEVELS = only_levels("patient", "user")
PARAMETERS = only_constraints_on({"category", "code"})


@pytest.mark.parametrize(
    ("limit", "scope", "left"),
    [
        (TYPES, "patient/Observation.rs", True),
        (TYPES, "patient/*.rs", True),
        (TYPES, "patient/Condition.rs", False),
        (TYPES, "launch", True),
        (TYPES, "launch/imagingstudy", True),
        (TYPES, "launch/condition", False),
        (TYPES, "openid", True),
        (LEVELS, "patient/*.rs", True),
        (LEVELS, "user/*.rs", True),
        (LEVELS, "system/*.rs", False),
        (LEVELS, "launch", True),
        (PARAMETERS, "patient/Observation.rs", True),
        (PARAMETERS, "patient/Observation.rs?category=a&code=b", True),
        (PARAMETERS, "patient/Observation.rs?category=a&date=b", False),
        (PARAMETERS, "openid", True),
    ],
)
def test_a_limit_takes_a_scope_whole_or_leaves_it(limit: Limit, scope: str, *, left: bool) -> None:
    """PROC-06, AZ-51: to drop a constraint alone would grant more than was asked for."""
    assert str(limit.apply(ScopeSet.parse(scope))) == (scope if left else "")


def test_each_limit_has_its_code_and_its_sentence() -> None:
    """Digest 12.6."""
    assert (TYPES.reason, TYPES.detail) == (Reason.UNSUPPORTED, "the FHIR server has no such resource type")
    assert (LEVELS.reason, LEVELS.detail) == (
        Reason.LEVEL_NOT_ALLOWED,
        "in this flow the level is one of: patient/, user/",
    )
    assert (PARAMETERS.reason, PARAMETERS.detail) == (
        Reason.UNSUPPORTED,
        "the FHIR server does not limit access by this search parameter",
    )


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("profile", PROFILE),
        ("profile openid", PROFILE),
        ("profile fhirUser", ""),
        ("email", ""),
        ("patient/Observation.rs?category=a,patient/Condition.rs", COMMA),
        ("patient/Observation.rs?category=a,user/x", COMMA),
        ("patient/Observation.rs?category=patients/x", ""),
        ("patient/Observation.rs", ""),
    ],
)
def test_a_likely_mistake_is_granted_and_pointed_out(asked: str, hint: str) -> None:
    """Digest S78 and SMART 1.0: valid, and hardly what was meant."""
    verdict = judge(ScopeSet.parse(asked), []).verdicts[0]
    assert verdict == Verdict(asked.split(" ", maxsplit=1)[0], (asked.split(" ", maxsplit=1)[0],), None, hint)


@pytest.mark.parametrize(
    ("message", "scope"),
    [
        ("ui.done", MessagingScope("ui", "done")),
        ("ui.launchActivity", MessagingScope("ui", "launchActivity")),
        ("scratchpad.create", MessagingScope("scratchpad", "create")),
        ("fhir.http", MessagingScope("fhir", "http")),
        ("status.handshake", MessagingScope("status", "handshake")),
        ("ui", None),
        ("ui.", None),
        ("ui.other", None),
        ("other.done", None),
        ("", None),
    ],
)
def test_a_message_has_one_narrowest_scope(message: str, scope: MessagingScope | None) -> None:
    """SMART Web Messaging 1.0.0 "Scopes": no other message passes."""
    assert message_scope(message) == scope


@pytest.mark.parametrize(
    ("text", "sentence", "code"),
    [
        ("messaging", "write messaging/ and a group, such as messaging/ui", Reason.MALFORMED),
        ("Messaging/ui", "write messaging/ and a group, such as messaging/ui", Reason.MALFORMED),
        ("messaging/x", "the groups of messages are ui, scratchpad, fhir and status", Reason.UNSUPPORTED),
        ("messaging/ui.x", "the messages of ui are: done, launchActivity", Reason.UNSUPPORTED),
        (
            "messaging/scratchpad.x",
            "the messages of scratchpad are: create, read, update, delete",
            Reason.UNSUPPORTED,
        ),
        ("launch/patient?a=b?role=x", "after the type only ?role= and one role is defined", Reason.MALFORMED),
        (
            "launch/patient?x?role=a&role=b",
            "one role for each scope: ask for several roles with several scopes",
            Reason.MALFORMED,
        ),
        ("Launch/patient", "launch is lower case", Reason.MALFORMED),
        ("launch/Patient", "after launch/ stands a FHIR resource type, all in lower case", Reason.MALFORMED),
        ("launch/Patient?x?y", "after launch/ stands a FHIR resource type, all in lower case", Reason.MALFORMED),
        ("__", "a scope of your own needs a name after the two underscores", Reason.MALFORMED),
        (
            "http://smarthealthit.org/fhir/scopes/launch",
            "ask for the part after http://smarthealthit.org/fhir/scopes/",
            Reason.UNSUPPORTED,
        ),
        ('a"b', "a scope is printable ASCII without spaces, double quotes and backslashes", Reason.MALFORMED),
        (
            "foo",
            "not a scope of SMART; one of your own is a URI or starts with two underscores",
            Reason.UNSUPPORTED,
        ),
    ],
)
def test_what_is_not_understood_is_said_in_one_sentence(text: str, sentence: str, code: Reason) -> None:
    """RFC 6749 §3.3, digest 12.6: ignored, and explained."""
    (verdict,) = judge(ScopeSet((parse_scope(text),)), []).verdicts
    assert verdict == Verdict(text, (), code, sentence)


def test_what_takes_too_much_to_say_is_refused_with_what_to_do() -> None:
    """PROC-10: 200 scopes and 8000 bytes, and not one more."""
    assert len(ScopeSet.parse(" ".join(f"__{number}" for number in range(200)))) == 200
    with pytest.raises(InvalidScope) as refused:
        ScopeSet.parse(" ".join(f"__{number}" for number in range(201)))
    assert refused.value.description == "more than 200 scopes: ask for fewer, or for * instead of many types"
    assert len(str(ScopeSet.parse("__" + "x" * 7998))) == 8000
    with pytest.raises(InvalidScope) as refused:
        ScopeSet.parse("__" + "x" * 7999)
    assert refused.value.description == "scope is longer than 8000 bytes"


def test_the_refresh_scope_that_was_not_taken_says_which_was() -> None:
    """SCP-34."""
    judgement = keep_one_refresh_scope(judge(ScopeSet.parse("online_access openid offline_access"), []))
    assert str(judgement.granted) == "openid offline_access"
    assert judgement.verdicts[0] == Verdict(
        "online_access", (), Reason.SUPERSEDED, "offline_access is granted, which outlasts it"
    )
    assert [verdict.outcome for verdict in judgement.verdicts] == ["dropped", "granted", "granted"]


def test_the_types_of_several_versions_are_those_of_each() -> None:
    """FHIR R4, R4B and R5: what one of them has and another has not."""
    assert resource_types([]) == frozenset()
    assert {"Media", "MedicinalProduct"} <= resource_types(["R4"])
    assert "MedicinalProduct" not in resource_types(["R4B", "R5"])
    assert {"Media", "Transport", "Citation"} <= resource_types(["R4B", "R5"])
    assert "Media" not in resource_types(["R5"])
    with pytest.raises(KeyError):
        resource_types(["R3"])
