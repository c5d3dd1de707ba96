from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authz.fhir_servers.branding import PNG_START
from authz.fhir_servers.search_settings import SearchSettings
from authz.fhir_servers.server import CONSTRAINTS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli

BASE = "https://fhir.example/r4"
DEFAULT_CEILINGS = {
    "Patient": "patient/*.rs",
    "RelatedPerson": "patient/*.rs",
    "Person": "patient/*.rs",
    "Practitioner": "patient/*.cruds user/*.cruds",
    "PractitionerRole": "patient/*.cruds user/*.cruds",
}
MAIN: dict[str, Any] = {
    "name": "main",
    "base_url": BASE,
    "upstream_url": "",
    "aliases": [],
    "fhir_versions": ["4.0.1"],
    "ehr_origins": [],
    "introspection_client_id": "rs-main",
    "scope_ceilings": DEFAULT_CEILINGS,
    "reauthenticate": False,
    "vouched_users": True,
    "vouched_representatives": False,
    "representation_links": False,
    "redis_launches": False,
    "staff_picker": False,
    "launch_picker": False,
    "patient_search": SearchSettings().as_dict(),
    "app_state": False,
    "associated_endpoints": [],
    "branding": {"organization": "", "accent": "", "logo": ""},
    "developer_url": "",
    "without": [],
    "constraints": sorted(CONSTRAINTS),
    "registration": "closed",
    "sandbox_notes": "",
    "sandbox": False,
    "sandbox_patients": [],
    "sensitive_patients": [],
    "sensitive_scopes": [],
    "enabled": True,
}


def test_a_fhir_server_is_added_with_a_credential_shown_once(authz: Cli) -> None:
    """requirements.md rows 34, 62."""
    added = authz("fhir-server", "add", "main", "--base-url", BASE, "--introspection-client-id", "rs-main")
    secret = added.pop("introspection_client_secret")
    assert len(secret) == 43
    assert added == MAIN
    assert authz("fhir-server", "show", "main") == MAIN
    assert authz("fhir-server", "list") == [MAIN]


def test_a_secret_may_be_given_by_stdin(authz: Cli) -> None:
    command = ("fhir-server", "add", "main", "--base-url", BASE, "--introspection-secret-stdin")
    assert (
        authz(*command, stdin="main-fhir-server-secret\n")["introspection_client_secret"] == "main-fhir-server-secret"
    )
    for weak in ("short\n", "\n", "with\x00control-characters\n", "é" * 20):
        refusal = authz.refused(*command[:2], "other", "--base-url", "https://o.example", command[-1], stdin=weak)
        assert refusal["error"] == "invalid_value"


def test_every_rule_of_a_fhir_server_can_be_said(authz: Cli) -> None:
    """Decisions 4, 15, 16, 34; SMART AUTHZ-11."""
    words = ["fhir-server", "add", "main", "--base-url", BASE, "--introspection-client-id", "rs-main"]
    words += ["--upstream-url", "http://127.0.0.1:8080/fhir"]
    words += ["--alias", "https://legacy.example/", "--fhir-version", "R4B", "--fhir-version", "5.0.0"]
    words += ["--ehr-origin", "https://ehr.example", "--ceiling", "Patient=patient/*.cruds"]
    words += ["--developer-url", "https://developers.example", "--organization", "St. Mary", "--accent", "#8a1538"]
    words += ["--app-state", "--associated-endpoint", "https://state.example/fhir=smart-app-state"]
    words += ["--without", "standalone", "--without", "backend-services"]
    words += ["--constraint", "date", "--constraint", "_security"]
    words += ["--sensitive-patient", "B", "--sensitive-scope", "patient/Condition.rs"]
    words += [
        "--reauthenticate",
        "--no-vouched-users",
        "--vouched-representatives",
        "--representation-links",
        "--redis-launches",
    ]
    words += ["--staff-picker", "--launch-picker"]
    words += ["--patient-search", "name=family", "--patient-search", "minimum_letters=3"]
    words += ["--patient-search", "birthdate=", "--patient-search", "mrn_system=http://hospital.example/mrn"]
    added = authz(*words)
    del added["introspection_client_secret"]
    assert added == {
        **MAIN,
        "upstream_url": "http://127.0.0.1:8080/fhir",
        "aliases": ["https://legacy.example/"],
        "fhir_versions": ["4.3.0", "5.0.0"],
        "ehr_origins": ["https://ehr.example"],
        "scope_ceilings": {**DEFAULT_CEILINGS, "Patient": "patient/*.cruds"},
        "app_state": True,
        "associated_endpoints": [{"url": "https://state.example/fhir", "capabilities": ["smart-app-state"]}],
        "branding": {"organization": "St. Mary", "accent": "#8a1538", "logo": ""},
        "developer_url": "https://developers.example",
        "without": ["backend-services", "standalone"],
        "constraints": sorted({*CONSTRAINTS, "date", "_security"}),
        "sensitive_patients": ["B"],
        "sensitive_scopes": ["patient/Condition.rs", "user/Condition.rs"],
        "reauthenticate": True,
        "vouched_users": False,
        "vouched_representatives": True,
        "representation_links": True,
        "redis_launches": True,
        "staff_picker": True,
        "launch_picker": True,
        "patient_search": {
            **MAIN["patient_search"],
            "name": "family",
            "birthdate": "",
            "mrn_system": "http://hospital.example/mrn",
            "minimum_letters": 3,
        },
    }


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("page_size=0", "page_size: a number from 1 to 50"),
        ("minimum_letters=many", "minimum_letters: a number from 1 to 10"),
        ("name=a b", "name: must be the name of a search parameter, or empty"),
        ("colour=blue", "colour: patients are searched by"),
        ("mrn_system=a|b", "mrn_system: must be a URI"),
        ("name", "--patient-search looks like name=family"),
    ],
)
def test_a_search_that_can_not_be_is_refused_with_the_reason(authz: Cli, said: str, why: str) -> None:
    """What an administrator writes is checked before people meet it."""
    refusal = authz.refused("fhir-server", "add", "main", "--base-url", BASE, "--patient-search", said)
    assert why in refusal["error_description"]


def test_an_update_changes_what_is_given_and_no_more(authz: Cli) -> None:
    authz("fhir-server", "add", "main", "--base-url", BASE, "--introspection-client-id", "rs-main", "--reauthenticate")
    origin = ("--ehr-origin", "https://ehr.example")
    changed = authz("fhir-server", "update", "main", *origin, "--no-reauthenticate")
    assert changed == {**MAIN, "ehr_origins": ["https://ehr.example"]}
    assert authz("fhir-server", "update", "main", "--ehr-origin", "") == MAIN
    inside = authz("fhir-server", "update", "main", "--upstream-url", "http://127.0.0.1:8080/fhir")
    assert inside == {**MAIN, "upstream_url": "http://127.0.0.1:8080/fhir"}
    assert authz("fhir-server", "update", "main", "--upstream-url", "") == MAIN
    moved = authz("fhir-server", "update", "main", "--base-url", "https://new.example/r4")
    assert moved == {**MAIN, "base_url": "https://new.example/r4"}


def test_a_fhir_server_is_switched_off_on_and_removed(authz: Cli) -> None:
    authz("fhir-server", "add", "main", "--base-url", BASE, "--introspection-client-id", "rs-main")
    assert authz("fhir-server", "disable", "main") == {"name": "main", "enabled": False, "revoked_grants": 0}
    assert authz("fhir-server", "show", "main") == {**MAIN, "enabled": False}
    assert authz("fhir-server", "enable", "main") == {"name": "main", "enabled": True}
    assert authz("fhir-server", "remove", "main") == {"name": "main", "removed": True, "revoked_grants": 0}
    assert authz("fhir-server", "list") == []


def test_a_bad_fhir_server_is_refused_as_json(authz: Cli) -> None:
    """Errors are JSON on stderr with exit code 1."""
    assert authz.refused("fhir-server", "add", "main", "--base-url", "http://fhir.example") == {
        "error": "invalid_value",
        "error_description": "http://fhir.example: http is for loopback only; use https",
    }
    assert authz.refused("fhir-server", "add", "main", "--base-url", BASE, "--ceiling", "Patient")["error"] == (
        "invalid_value"
    )
    for command in ("show", "update", "disable", "enable", "remove", "rotate-secret"):
        assert authz.refused("fhir-server", command, "unknown") == {
            "error": "not_found",
            "error_description": "unknown: there is no FHIR server of this name",
        }


def test_an_ehr_is_bound_to_its_fhir_servers(hospital: Cli) -> None:
    """It may create launches, end sessions and check handles there."""
    added = hospital("ehr", "add", "--fhir-server", "main", "--client-id", "epic")
    assert len(added.pop("client_secret")) == 43
    epic = {"client_id": "epic", "fhir_servers": ["main"], "keys": [], "enabled": True}
    assert added == epic
    assert hospital("ehr", "list") == [epic]
    hospital("fhir-server", "add", "other", "--base-url", "https://other.example/r4")
    wider = hospital("ehr", "update", "epic", "--fhir-server", "main", "--fhir-server", "other")
    assert wider == {**epic, "fhir_servers": ["main", "other"]} == hospital("ehr", "show", "epic")
    assert hospital("ehr", "disable", "epic") == {"client_id": "epic", "enabled": False, "revoked_grants": 0}
    assert hospital("ehr", "enable", "epic") == {"client_id": "epic", "enabled": True}
    assert hospital("ehr", "remove", "epic") == {"client_id": "epic", "removed": True, "revoked_grants": 0}
    assert hospital.refused("ehr", "show", "epic")["error"] == "not_found"


def test_an_ehr_without_a_fhir_server_is_refused(hospital: Cli) -> None:
    assert hospital.refused("ehr", "add")["error"] == "invalid_command"
    assert hospital.refused("ehr", "add", "--fhir-server", "unknown")["error"] == "not_found"
    assert hospital("ehr", "list") == []


def test_secrets_are_rotated(hospital: Cli) -> None:
    """requirements.md row 62."""
    hospital("ehr", "add", "--fhir-server", "main", "--client-id", "epic")
    rotated = hospital("ehr", "rotate-secret", "epic", "--overlap-seconds", "0")
    assert (rotated["client_id"], len(rotated["client_secret"])) == ("epic", 43)
    rotated = hospital("fhir-server", "rotate-secret", "main")
    assert (rotated["name"], len(rotated["introspection_client_secret"])) == ("main", 43)
    assert hospital.refused("ehr", "rotate-secret", "epic", "--overlap-seconds", "-1")["error"] == "invalid_command"


def test_a_logo_is_put_on_a_fhir_servers_pages_and_taken_away(hospital: Cli, tmp_path: Path) -> None:
    file = tmp_path / "logo.png"
    file.write_bytes(PNG_START + b"\x00\x00\x00\rIHDR" + b"\x00\x00\x01\x00" * 2 + b"\x00" * 20)
    logo = hospital("fhir-server", "logo", "main", "--file", str(file))["branding"]["logo"]
    assert len(logo) == 16
    assert hospital("fhir-server", "show", "main")["branding"]["logo"] == logo
    assert hospital("fhir-server", "logo", "main", "--remove")["branding"]["logo"] == ""
    file.write_bytes(b"GIF89a")
    assert hospital.refused("fhir-server", "logo", "main", "--file", str(file)) == {
        "error": "invalid_value",
        "error_description": "the logo: must be a PNG",
    }
    for wrong in ((), ("--remove", "--file", str(file))):
        assert hospital.refused("fhir-server", "logo", "main", *wrong)["error"] == "invalid_value"


def test_a_fhir_server_is_opened_for_apps_that_register_themselves(authz: Cli) -> None:
    """Decision 13, MGT-04: closed by default; by the whole of three words."""
    authz("fhir-server", "add", "main", "--base-url", BASE, "--registration", "invited")
    assert authz("fhir-server", "show", "main")["registration"] == "invited"
    assert authz("fhir-server", "update", "main", "--registration", "open")["registration"] == "open"
    assert authz("fhir-server", "update", "main", "--organization", "X")["registration"] == "open"
    code, _, err = authz.run("fhir-server", "update", "main", "--registration", "ajar")
    assert (code, "ajar" in err) == (2, True)
