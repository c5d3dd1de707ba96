"""SMART App Launch 2.2 scope grammar: every case of the digest's table 12.5 under its id, and our own beside them."""

from __future__ import annotations

import pytest

from authz.scopes import (
    ExtensionScope,
    LaunchScope,
    MessagingScope,
    NamedScope,
    Reason,
    ResourceScope,
    Scope,
    ScopeSet,
    UnknownScope,
    parse_scope,
)

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
ENCODED_CATEGORY = "http%3A%2F%2Fterminology.hl7.org%2FCodeSystem%2Fobservation-category%7Claboratory"

LETTERS_IN_ORDER = "letters must be in the order cruds, each at most once"
ONLY_LETTERS = "only letters of cruds (create, read, update, delete, search) are defined, or read, write, *"
LEVEL = "the level is one of patient, user and system, in lower case"
TYPE = "after the level stands a FHIR resource type as FHIR writes it, such as Observation, or *"
NO_LETTERS = "say what may be done: letters of cruds (create, read, update, delete, search), such as .rs"
LOWER_CASE = "what may be done is written in lower case"
NO_COMMAS = "scopes are separated by spaces, not by commas"
NAME_VALUE = "after ? stand search parameters as name=value, joined by &"
NO_VALUE = "a search parameter without a value would not limit anything"
EXPERIMENTAL = "modifiers, chaining, _has and _filter are experimental"
BAD_VALUE = "between commas stands a value, and a backslash only before one of , $ | and itself"
BAD_ESCAPE = "a percent sign must be followed by two hexadecimal digits"
INVISIBLE = "control characters and invisible characters are not allowed"
NOT_A_TOKEN = "a scope is printable ASCII without spaces, double quotes and backslashes"
NOT_SMART = "not a scope of SMART; one of your own is a URI or starts with two underscores"


def resource(level: str, type_: str, letters: str, **query: str) -> ResourceScope:
    """A scope with at most one constraint for each parameter; ``|`` is part of a value, a comma separates values."""
    constraints = frozenset((name, frozenset(values.split(","))) for name, values in query.items())
    return ResourceScope(level, type_, frozenset(letters), constraints)


VALID: dict[str, tuple[str, Scope, str]] = {
    "S01": ("patient/Observation.rs", resource("patient", "Observation", "rs"), "patient/Observation.rs"),
    "S02": ("user/*.cruds", resource("user", "*", "cruds"), "user/*.cruds"),
    "S03": ("system/*.rs", resource("system", "*", "rs"), "system/*.rs"),
    "S04": ("patient/Observation.c", resource("patient", "Observation", "c"), "patient/Observation.c"),
    "S06": ("system/Encounter.cud", resource("system", "Encounter", "cud"), "system/Encounter.cud"),
    "S07": ("patient/Observation.cs", resource("patient", "Observation", "cs"), "patient/Observation.cs"),
    "S08": ("patient/Observation.rd", resource("patient", "Observation", "rd"), "patient/Observation.rd"),
    "S21": ("patient/NotAResource.rs", resource("patient", "NotAResource", "rs"), "patient/NotAResource.rs"),
    "S23": ("patient/Observation.read", resource("patient", "Observation", "rs"), "patient/Observation.rs"),
    "S24": ("patient/Observation.write", resource("patient", "Observation", "cud"), "patient/Observation.cud"),
    "S24-star": ("patient/Observation.*", resource("patient", "Observation", "cruds"), "patient/Observation.cruds"),
    "S26": ("system/*.read", resource("system", "*", "rs"), "system/*.rs"),
    "S29": ("patient/Observation.crud", resource("patient", "Observation", "crud"), "patient/Observation.crud"),
    "S31": (
        f"patient/Observation.rs?category={CATEGORY}",
        resource("patient", "Observation", "rs", category=CATEGORY),
        f"patient/Observation.rs?category={CATEGORY}",
    ),
    "S32": (
        f"patient/Observation.rs?category={ENCODED_CATEGORY}",
        resource("patient", "Observation", "rs", category=CATEGORY),
        f"patient/Observation.rs?category={CATEGORY}",
    ),
    "S33": (
        "patient/Observation.rs?status=final&category=a",
        resource("patient", "Observation", "rs", category="a", status="final"),
        "patient/Observation.rs?category=a&status=final",
    ),
    "S34": (
        "patient/Observation.rs?category=b,a",
        resource("patient", "Observation", "rs", category="a,b"),
        "patient/Observation.rs?category=a,b",
    ),
    "S41": (
        "patient/Observation.rs?category=a?b",
        resource("patient", "Observation", "rs", category="a?b"),
        "patient/Observation.rs?category=a?b",
    ),
    "S53": ("launch", LaunchScope(None), "launch"),
    "S54-patient": ("launch/patient", LaunchScope("patient"), "launch/patient"),
    "S54-encounter": ("launch/encounter", LaunchScope("encounter"), "launch/encounter"),
    "S56": ("launch/imagingstudy", LaunchScope("imagingstudy"), "launch/imagingstudy"),
    "S57": (
        "launch/list?role=https://example.org/med-list-at-home",
        LaunchScope("list", "https://example.org/med-list-at-home"),
        "launch/list?role=https://example.org/med-list-at-home",
    ),
    "S57-encoded": (
        "launch/list?role=https%3A%2F%2Fexample.org%2F%3Fa%26b",
        LaunchScope("list", "https://example.org/?a&b"),
        "launch/list?role=https://example.org/?a%26b",
    ),
    "S58": (
        "launch/relatedperson?role=friend",
        LaunchScope("relatedperson", "friend"),
        "launch/relatedperson?role=friend",
    ),
    "S62": (
        "launch/patient?role=https://ex.org/mother",
        LaunchScope("patient", "https://ex.org/mother"),
        "launch/patient?role=https://ex.org/mother",
    ),
    "S63": ("launch/foo", LaunchScope("foo"), "launch/foo"),
    "S64-openid": ("openid", NamedScope("openid"), "openid"),
    "S64-fhirUser": ("fhirUser", NamedScope("fhirUser"), "fhirUser"),
    "S67": ("profile", NamedScope("profile"), "profile"),
    "S68-offline": ("offline_access", NamedScope("offline_access"), "offline_access"),
    "S68-online": ("online_access", NamedScope("online_access"), "online_access"),
    "S69": ("__profilePhoto.manage", ExtensionScope("__profilePhoto.manage"), "__profilePhoto.manage"),
    "S69-uri": (
        "https://ex.org/scopes/a.b%20c",
        ExtensionScope("https://ex.org/scopes/a.b%20c"),
        "https://ex.org/scopes/a.b%20c",
    ),
    "S69-not-a-resource": ("__patient/Patient.rs", ExtensionScope("__patient/Patient.rs"), "__patient/Patient.rs"),
    "S78": (
        "patient/Observation.rs?category=a,patient/Patient.rs",
        resource("patient", "Observation", "rs", category="a,patient/Patient.rs"),
        "patient/Observation.rs?category=a,patient/Patient.rs",
    ),
    "S79": (
        "patient/Observation.rs?category=a&category=b",
        ResourceScope(
            "patient",
            "Observation",
            frozenset("rs"),
            frozenset({("category", frozenset({"a"})), ("category", frozenset({"b"}))}),
        ),
        "patient/Observation.rs?category=a&category=b",
    ),
    "PROC-03-plus-is-no-space": (
        "patient/Observation.rs?code=a+b",
        resource("patient", "Observation", "rs", code="a+b"),
        "patient/Observation.rs?code=a+b",
    ),
    "PROC-03-decoded-once": (
        "patient/Observation.rs?code=%2541",
        resource("patient", "Observation", "rs", code="%41"),
        "patient/Observation.rs?code=%2541",
    ),
    "PROC-03-non-ascii": (
        "patient/Observation.rs?code=%C3%A9%20%26",
        resource("patient", "Observation", "rs", code="é &"),
        "patient/Observation.rs?code=%C3%A9%20%26",
    ),
    "PROC-04-escaped-comma": (
        "patient/Observation.rs?code=a%5C,b,c",
        ResourceScope("patient", "Observation", frozenset("rs"), frozenset({("code", frozenset({"a\\,b", "c"}))})),
        "patient/Observation.rs?code=a%5C,b,c",
    ),
    "PROC-05-implied-constraint": (
        "patient/Observation.rs?category=a,b&category=a",
        resource("patient", "Observation", "rs", category="a"),
        "patient/Observation.rs?category=a",
    ),
    "SWM-ui": ("messaging/ui", MessagingScope("ui"), "messaging/ui"),
    "SWM-scratchpad": ("messaging/scratchpad", MessagingScope("scratchpad"), "messaging/scratchpad"),
    "SWM-fhir": ("messaging/fhir", MessagingScope("fhir"), "messaging/fhir"),
    "SWM-status": ("messaging/status.handshake", MessagingScope("status", "handshake"), "messaging/status.handshake"),
    "SWM-legacy": (
        "messaging/ui.launchActivity",
        MessagingScope("ui", "launchActivity"),
        "messaging/ui.launchActivity",
    ),
}

INVALID: dict[str, tuple[str, str, Reason]] = {
    "S09": ("patient/Observation.sr", LETTERS_IN_ORDER, Reason.MALFORMED),
    "S09-all": ("patient/Observation.durcs", LETTERS_IN_ORDER, Reason.MALFORMED),
    "S11": ("patient/Observation.rr", LETTERS_IN_ORDER, Reason.MALFORMED),
    "S12": ("patient/Observation.rx", ONLY_LETTERS, Reason.MALFORMED),
    "S13": ("patient/Observation.RS", LOWER_CASE, Reason.MALFORMED),
    "S14": ("patient/Observation.", NO_LETTERS, Reason.MALFORMED),
    "S16": ("patient/*", NO_LETTERS, Reason.MALFORMED),
    "S17": ("*/Observation.rs", LEVEL, Reason.MALFORMED),
    "S18": ("Patient/Observation.rs", LEVEL, Reason.MALFORMED),
    "S19": ("patient/observation.rs", TYPE, Reason.MALFORMED),
    "S22": ("patient.Observation.read", "write a slash after the level: patient/Observation.rs", Reason.MALFORMED),
    "S22-own": ("patient.rs", NOT_SMART, Reason.UNSUPPORTED),
    "S22-other": ("org.example.read", NOT_SMART, Reason.UNSUPPORTED),
    "S27": ("patient/Observation.search", ONLY_LETTERS, Reason.MALFORMED),
    "S28": ("patient/Observation.Read", LOWER_CASE, Reason.MALFORMED),
    "S36": ("patient/Observation.rs?", NAME_VALUE, Reason.MALFORMED),
    "S36-ampersand": ("patient/Observation.rs?category=a&&", NAME_VALUE, Reason.MALFORMED),
    "S37": ("patient/Observation.rs?category", NAME_VALUE, Reason.MALFORMED),
    "S38": ("patient/Observation.rs?category=", NO_VALUE, Reason.MALFORMED),
    "S38-alternative": ("patient/Observation.rs?category=a,,b", BAD_VALUE, Reason.MALFORMED),
    "S39": ("patient/Observation.rs?=x", NAME_VALUE, Reason.MALFORMED),
    "S44": ("patient/Observation.rs?code:in=http://vs.example.org/x", EXPERIMENTAL, Reason.EXPERIMENTAL),
    "S44-encoded": ("patient/Observation.rs?code%3Ain=http://vs.example.org/x", EXPERIMENTAL, Reason.EXPERIMENTAL),
    "S44-chained": ("patient/Observation.rs?patient.birthdate=1990", EXPERIMENTAL, Reason.EXPERIMENTAL),
    "S46": ("patient/Observation.rs?_filter=code%20eq%20x", EXPERIMENTAL, Reason.EXPERIMENTAL),
    "S46-has": ("patient/Patient.rs?_has=Observation", EXPERIMENTAL, Reason.EXPERIMENTAL),
    "S47": ("patient/Patient.rs?_has:Observation:patient:code=1", EXPERIMENTAL, Reason.EXPERIMENTAL),
    "S48": (
        "patient/Observation.rs?_include=Observation:subject",
        "_include shapes a search result, it does not limit what may be read",
        Reason.RESULT_PARAMETER,
    ),
    "S48-iterate": (
        "patient/Observation.rs?_include:iterate=Observation:subject",
        "_include:iterate shapes a search result, it does not limit what may be read",
        Reason.RESULT_PARAMETER,
    ),
    "S49": (
        "patient/Observation.rs?_count=10",
        "_count shapes a search result, it does not limit what may be read",
        Reason.RESULT_PARAMETER,
    ),
    "S51": (
        "patient/Observation.read?category=x",
        "read takes no search parameters, letters do: Observation.rs?name=value",
        Reason.MALFORMED,
    ),
    "S52": (
        "patient/Observation.*?category=x",
        "* takes no search parameters, letters do: Observation.rs?name=value",
        Reason.MALFORMED,
    ),
    "S59": (
        "launch/list?role=https://a&role=https://b",
        "one role for each scope: ask for several roles with several scopes",
        Reason.MALFORMED,
    ),
    "S61": ("launch/list?code=x", "after the type only ?role= and one role is defined", Reason.MALFORMED),
    "S61-empty": ("launch/list?role=", "after the type only ?role= and one role is defined", Reason.MALFORMED),
    "S61-escape": ("launch/list?role=%zz", BAD_ESCAPE, Reason.MALFORMED),
    "SCP-22": ("launch/ImagingStudy", "after launch/ stands a FHIR resource type, all in lower case", Reason.MALFORMED),
    "SCP-22-none": ("launch/", "after launch/ stands a FHIR resource type, all in lower case", Reason.MALFORMED),
    "SCP-22-case": ("Launch/patient", "launch is lower case", Reason.MALFORMED),
    "S66": ("fhiruser", "did you mean fhirUser? Scopes are case-sensitive", Reason.MALFORMED),
    "S66-openid": ("OpenID", "did you mean openid? Scopes are case-sensitive", Reason.MALFORMED),
    "S69-nothing": ("__", "a scope of your own needs a name after the two underscores", Reason.MALFORMED),
    "S71": (
        "http://smarthealthit.org/fhir/scopes/patient/*.rs",
        "ask for the part after http://smarthealthit.org/fhir/scopes/",
        Reason.UNSUPPORTED,
    ),
    "S72": ("profilePhoto", NOT_SMART, Reason.UNSUPPORTED),
    "S72-uri-with-bad-escape": ("https://ex.org/%zz", NOT_SMART, Reason.UNSUPPORTED),
    "S73-quote": ('patient/Observation.rs?code="a"', NOT_A_TOKEN, Reason.MALFORMED),
    "S73-backslash": ("patient/Observation.rs?code=a\\,b", NOT_A_TOKEN, Reason.MALFORMED),
    "S73-non-ascii": ("patient/Observation.rs?code=é", NOT_A_TOKEN, Reason.MALFORMED),
    "S73-surrogate": ("openid\ud800", NOT_A_TOKEN, Reason.MALFORMED),
    "S73-null": ("openid\x00", NOT_A_TOKEN, Reason.MALFORMED),
    "S76": ("patient/Observation.rs,patient/Patient.rs", NO_COMMAS, Reason.MALFORMED),
    "PROC-03-bad-escape": ("patient/Observation.rs?code=%4", BAD_ESCAPE, Reason.MALFORMED),
    "PROC-03-not-utf-8": ("patient/Observation.rs?code=%ff", "percent-encoded text must be UTF-8", Reason.MALFORMED),
    "PROC-03-line-break": ("patient/Observation.rs?code=a%0D%0Ab", INVISIBLE, Reason.MALFORMED),
    "PROC-03-direction": ("patient/Observation.rs?code=%E2%80%AE", INVISIBLE, Reason.MALFORMED),
    "PROC-04-stray-backslash": ("patient/Observation.rs?code=a%5Cb", BAD_VALUE, Reason.MALFORMED),
    "AZ-53-prefix": ("patient/Observation.rsx", ONLY_LETTERS, Reason.MALFORMED),
    "AZ-53-no-type": ("patient/.rs", TYPE, Reason.MALFORMED),
    "AZ-53-path": ("patient/../x.rs", TYPE, Reason.MALFORMED),
    "SWM-alone": ("messaging", "write messaging/ and a group, such as messaging/ui", Reason.MALFORMED),
    "SWM-case": ("Messaging/ui", "write messaging/ and a group, such as messaging/ui", Reason.MALFORMED),
    "SWM-star": ("messaging/*", "the groups of messages are ui, scratchpad, fhir and status", Reason.UNSUPPORTED),
    "SWM-group-star": ("messaging/ui.*", "the messages of ui are: done, launchActivity", Reason.UNSUPPORTED),
    "SWM-group-dot": ("messaging/ui.", "the messages of ui are: done, launchActivity", Reason.UNSUPPORTED),
}


@pytest.mark.parametrize(("text", "expected", "normal_form"), VALID.values(), ids=VALID)
def test_a_valid_scope_is_understood_and_keeps_its_spelling(text: str, expected: Scope, normal_form: str) -> None:
    """SMART 2.2 "Scopes"; digest 12.3 and 12.5: V, E and accepted ? rows; SWM digest 2.3.

    SCP-13, SCP-18, SCP-22, AMB-15, Q-13, REQ-10, REQ-19, REQ-78.
    """
    scope = parse_scope(text)
    assert (scope, str(scope), scope.normal_form) == (expected, text, normal_form)


@pytest.mark.parametrize(("text", "reason", "code"), INVALID.values(), ids=INVALID)
def test_an_invalid_scope_is_unknown_and_says_why(text: str, reason: str, code: Reason) -> None:
    """SMART 2.2: undefined interactions MAY be ignored (SCP-09); digest 12.5: X rows; PROC-03, PROC-06.

    SCP-08, SCP-15, SCP-23, AMB-14, Q-16, Q-17, Q-18, REQ-54, REQ-D11.
    """
    assert parse_scope(text) == UnknownScope(text, reason, code)


def test_a_trailing_ampersand_of_the_smart_2_0_diagram_is_stripped() -> None:
    """Digest 12.3: tolerate and strip it."""
    scope = parse_scope("patient/Observation.rs?category=a&")
    assert (scope, str(scope)) == (
        resource("patient", "Observation", "rs", category="a"),
        "patient/Observation.rs?category=a",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "patient/Observation.rs?category=a b",
            (
                resource("patient", "Observation", "rs", category="a"),
                UnknownScope("b", NOT_SMART, Reason.UNSUPPORTED),
            ),
            id="S42 S43",
        ),
        pytest.param("openid fhirUser", (NamedScope("openid"), NamedScope("fhirUser")), id="S64"),
        pytest.param("  openid   fhirUser ", (NamedScope("openid"), NamedScope("fhirUser")), id="S74"),
        pytest.param(
            "openid\r\nfhirUser\tlaunch", (NamedScope("openid"), NamedScope("fhirUser"), LaunchScope(None)), id="S77"
        ),
        pytest.param("openid launch openid", (NamedScope("openid"), LaunchScope(None)), id="PROC-01 first order"),
        pytest.param(" ", (), id="nothing"),
        pytest.param(
            "openid\x0bfhirUser\xa0launch",
            (UnknownScope("openid\x0bfhirUser\xa0launch", NOT_A_TOKEN),),
            id="other white space separates nothing",
        ),
    ],
)
def test_a_scope_parameter_is_a_list_separated_by_white_space(text: str, expected: tuple[Scope, ...]) -> None:
    """RFC 6749 §3.3; digest PROC-01."""
    assert tuple(ScopeSet.parse(text)) == expected


def test_a_scope_parameter_is_written_with_single_spaces() -> None:
    """RFC 6749 §3.3; digest S77: always emit single SP."""
    assert str(ScopeSet.parse(" openid\r\n\tpatient/*.read  foo ")) == "openid patient/*.read foo"


def test_a_scope_swallowed_by_a_comma_is_pointed_out() -> None:
    """Digest S78: a trap that is valid; warn."""
    trap, harmless = ScopeSet.parse(
        "patient/Observation.rs?code=a,patient/Patient.rs patient/Observation.rs?code=a,b"
    ).resources
    assert trap.hint == "a value looks like a scope: scopes are separated by spaces, not by commas"
    assert harmless.hint == ""


def test_a_scope_made_without_text_is_written_in_normal_form() -> None:
    """SMART 2.2 "FHIR Resource Scope Syntax": letters in order; what a token cannot hold is encoded."""
    assert str(resource("patient", "Observation", "sr", status='fi"nal', category="b,a")) == (
        "patient/Observation.rs?category=a,b&status=fi%22nal"
    )


def test_the_old_and_the_new_spelling_are_equal() -> None:
    """SMART 2.2 "Scopes" for 1.0: .read is .rs, .write is .cud, .* is .cruds (SCP-10); VER-05, REQ-D2."""
    old = ScopeSet.parse("patient/Condition.read patient/Observation.read user/*.write user/Patient.*").resources
    new = ScopeSet.parse("patient/Condition.rs patient/Observation.rs user/*.cud user/Patient.cruds").resources
    assert old == new
    assert set(old) == set(new)


@pytest.mark.parametrize(
    "name",
    [
        *("_sort", "_count", "_include", "_revinclude", "_summary", "_elements", "_total", "_contained", "_format"),
        *("_containedType", "_pretty", "_maxresults", "_graph", "_score"),
    ],
)
def test_no_parameter_that_shapes_a_result_limits_anything(name: str) -> None:
    """PROC-06: alone or beside one that does."""
    for text in (f"patient/Observation.rs?{name}=x", f"patient/Observation.rs?category=a&{name}=x"):
        scope = parse_scope(text)
        assert isinstance(scope, UnknownScope)
        assert scope.code is Reason.RESULT_PARAMETER
