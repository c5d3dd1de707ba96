from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

URL = "https://fhir.example/r4/Practitioner/prac-1"


def clinician(authz: Cli) -> dict[str, Any]:
    words = ("--fhir-user", "Practitioner/prac-1", "--fhir-server", "main", "--display-name", "Dr. Marsh")
    added: dict[str, Any] = authz("user", "add", "Clinician", *words, "--password-stdin", stdin="a good password\n")
    return added


def test_a_person_is_added_with_what_they_are_at_the_fhir_server(hospital: Cli) -> None:
    """requirements.md row 60: the user record holds a FHIR user reference."""
    added = clinician(hospital)
    assert len(added["sub"]) == 32
    assert added == {
        "sub": added["sub"],
        "name": "clinician",
        "display_name": "Dr. Marsh",
        "fhirUser": URL,
        "fhir_users": {"main": URL},
        "represents": [],
        "has_password": True,
        "has_second_factor": False,
        "role": None,
        "sandbox": False,
        "enabled": True,
    }
    assert hospital("user", "show", "CLINICIAN") == added == hospital("user", "show", added["sub"])
    assert hospital("user", "list") == [added]


def test_removed_and_added_again_a_person_has_a_new_sub(hospital: Cli) -> None:
    """requirements.md row 46, decision 19; REQ-46."""
    first = clinician(hospital)["sub"]
    assert hospital("user", "remove", "clinician") == {"sub": first, "removed": True, "revoked_grants": 0}
    assert clinician(hospital)["sub"] != first


def test_the_only_fhir_server_needs_no_name(hospital: Cli) -> None:
    assert hospital("user", "add", "a", "--fhir-user", URL)["fhir_users"] == {"main": URL}
    hospital("fhir-server", "add", "other", "--base-url", "https://other.example/r4")
    refusal = hospital.refused("user", "add", "b", "--fhir-user", "Patient/1")
    assert refusal == {"error": "invalid_value", "error_description": "say which FHIR server by --fhir-server"}


def test_a_parent_may_act_for_a_child(hospital: Cli) -> None:
    """Decision 16."""
    hospital("user", "add", "parent", "--fhir-user", "RelatedPerson/rel-1")
    child = ("--patient", "child-1")
    added = hospital("user", "represent", "parent", *child, "--relationship", "parent", "--until", "2030-01-01")
    represented = {"fhir_server": "main", "patient": "child-1", "relationship": "parent", "source": "here"}
    assert added["represents"] == [{**represented, "expires_at": "2030-01-01T00:00:00+00:00"}]
    again = hospital("user", "represent", "parent", "--patient", "Patient/child-1", "--relationship", "parent")
    assert again["represents"] == [{**represented, "expires_at": None}]
    assert hospital("user", "stop-representing", "parent", *child)["represents"] == []
    assert hospital.refused("user", "stop-representing", "parent", *child)["error"] == "not_found"
    bad = ("user", "represent", "parent", "--patient", "a/b", "--relationship", "parent")
    assert hospital.refused(*bad)["error"] == "invalid_value"


def test_a_person_is_changed_switched_off_and_on(hospital: Cli) -> None:
    person = clinician(hospital)
    changed = hospital("user", "update", "clinician", "--display-name", "H. Marsh", "--fhir-user", "Practitioner/2")
    url = "https://fhir.example/r4/Practitioner/2"
    person |= {"display_name": "H. Marsh", "fhirUser": url, "fhir_users": {"main": url}}
    assert changed == person
    assert hospital("user", "disable", "clinician") == {**person, "enabled": False, "revoked_grants": 0}
    assert hospital("user", "enable", "clinician") == person


def test_a_password_is_set_by_stdin(hospital: Cli) -> None:
    hospital("user", "add", "a")
    command = ("user", "set-password", "a", "--password-stdin")
    assert hospital(*command, stdin="a good password\n")["has_password"] is True
    assert hospital.refused(*command, stdin="\n") == {
        "error": "invalid_value",
        "error_description": "a password is 1 to 1024 bytes of UTF-8",
    }


def test_a_bad_person_is_refused_and_not_kept(hospital: Cli) -> None:
    assert hospital.refused("user", "add", "a", "--fhir-user", "Observation/1")["error"] == "invalid_value"
    assert hospital.refused("user", "add", " ")["error"] == "invalid_value"
    assert hospital.refused("user", "add", "a", "--password-stdin", stdin="")["error"] == "invalid_value"
    assert hospital("user", "list") == []
    clinician(hospital)
    assert hospital.refused("user", "add", "CLINICIAN")["error"] == "already_exists"
    taken = hospital.refused("user", "add", "b", "--fhir-user", "Practitioner/prac-1")
    assert taken["error"] == "already_exists"
    for command in ("show", "update", "disable", "enable", "remove"):
        assert hospital.refused("user", command, "unknown")["error"] == "not_found"


def test_an_administrator_is_made_and_unmade(hospital: Cli) -> None:
    """Issue 4: the role is for people with a second factor, which is another command."""
    added = hospital("user", "add", "ada", "--role", "administrator", "--password-stdin", stdin="a good password\n")
    assert (added["role"], added["has_second_factor"]) == ("administrator", False)
    assert hospital("user", "update", "ada", "--display-name", "Ada")["role"] == "administrator"
    assert hospital("user", "update", "ada", "--role", "none")["role"] is None
    assert hospital("user", "update", "ada", "--role", "administrator")["role"] == "administrator"
    assert hospital.refused("user", "add", "bob", "--role", "king")["error"] == "invalid_command"
    last = hospital("audit", "search", "--event", "user.changed")[-1]
    assert (last["sub"], last["reason"], last["detail"]["changed"]) == (added["sub"], "updated", ["role"])


def test_a_second_factor_is_shown_once_and_removed(hospital: Cli) -> None:
    """RFC 6238; what is shown is nowhere else, not on the audit trail either."""
    person = clinician(hospital)
    shown = hospital("user", "totp", "clinician")
    assert set(shown) == {"sub", "name", "otpauth_uri", "recovery_codes"}
    assert shown["otpauth_uri"].startswith("otpauth://totp/")
    assert len(shown["recovery_codes"]) == 10
    assert hospital("user", "show", "clinician") == {**person, "has_second_factor": True, "recovery_codes_left": 10}
    removed = {"sub": person["sub"], "name": "clinician", "removed": True}
    assert hospital("user", "totp", "clinician", "--remove") == removed
    assert hospital("user", "totp", "clinician", "--remove") == {**removed, "removed": False}
    assert hospital("user", "show", "clinician") == person
    changes = [event["reason"] for event in hospital("audit", "search", "--event", "user.changed")]
    assert changes == ["second_factor_set", "second_factor_removed"]
    assert shown["recovery_codes"][0] not in str(hospital("audit", "search"))


def test_whoever_has_no_password_gets_no_second_factor(hospital: Cli) -> None:
    hospital("user", "add", "launched")
    assert hospital.refused("user", "totp", "launched") == {
        "error": "invalid_value",
        "error_description": "launched: has no password, so no second factor is asked for",
    }


def test_for_whom_somebody_acts_is_explained(hospital: Cli) -> None:
    """Issue 6.3: by whose word, until when, and when the FHIR server last said so; the FHIR server is not asked."""
    hospital("user", "add", "ann", "--fhir-user", "RelatedPerson/r-1")
    by_hand = ("user", "represent", "ann", "--relationship", "mother", "--patient")
    hospital(*by_hand, "child-1", "--until", "2020-01-31")
    hospital(*by_hand, "child-2")
    (server,) = hospital("user", "explain", "ann")["fhir_servers"]
    said = {"relationship": "mother", "source": "here", "confirmed_at": None}
    assert server["represents"] == [
        said | {"patient": "child-1", "expires_at": "2020-01-31T00:00:00+00:00", "counts": False},
        said | {"patient": "child-2", "expires_at": None, "counts": True},
    ]
