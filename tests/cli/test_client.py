from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli

APP = ("--name", "Growth chart", "--client-id", "growth-chart", "--redirect-uri", "https://app.example/cb")
STORED = {
    "client_id": "growth-chart",
    "client_name": "Growth chart",
    "token_endpoint_auth_method": "client_secret_basic",
    "application_type": "web",
    "grant_types": ["authorization_code"],
    "response_types": ["code"],
    "redirect_uris": ["https://app.example/cb"],
    "fhir_servers": [],
    "skip_consent_in_ehr_launch": False,
    "any_loopback_port": False,
    "required_scope": "",
    "enabled": True,
}


def test_a_confidential_client_is_shown_with_its_secret_once(authz: Cli) -> None:
    """RFC 7591 §3.2.1; requirements.md rows 34, 62; REQ-34, REQ-62."""
    added = authz("client", "add", *APP)
    assert isinstance(added.pop("client_id_issued_at"), int)
    assert len(added.pop("client_secret")) == 43
    assert added.pop("client_secret_expires_at") == 0
    assert added == STORED
    shown = authz("client", "show", "growth-chart")
    del shown["client_id_issued_at"]
    assert shown == STORED
    assert [client["client_id"] for client in authz("client", "list")] == ["growth-chart"]


def test_a_public_client_has_no_secret(authz: Cli) -> None:
    """security.md RG-09."""
    added = authz("client", "add", *APP, "--auth-method", "none")
    del added["client_id_issued_at"]
    assert added == {**STORED, "token_endpoint_auth_method": "none"}
    assert authz.refused("client", "rotate-secret", "growth-chart")["error"] == "invalid_value"


def test_a_client_that_may_ask_for_refresh_may_refresh(authz: Cli) -> None:
    added = authz("client", "add", *APP, "--scope", "openid offline_access")
    assert added["grant_types"] == ["authorization_code", "refresh_token"]


def test_everything_about_a_client_can_be_said(hospital: Cli, tmp_path: Path) -> None:
    """SMART REG-01, REG-10, REQ-34, REQ-71, REG-04."""
    words = [*APP, "--type", "native", "--auth-method", "none", "--redirect-uri", "com.example.app:/cb"]
    words += ["--launch-uri", "https://app.example/launch", "--origin", "https://pages.example"]
    words += ["--scope", "launch openid fhirUser patient/*.rs", "--grant-type", "authorization_code"]
    words += ["--jwks-uri", "https://app.example/jwks", "--client-uri", "https://app.example/"]
    words += ["--logo-uri", "https://app.example/logo.png", "--policy-uri", "https://app.example/privacy"]
    words += ["--tos-uri", "https://app.example/terms", "--contact", "ops@app.example"]
    words += ["--post-logout-redirect-uri", "https://app.example/bye", "--backchannel-logout-session-required"]
    words += ["--backchannel-logout-uri", "https://app.example/signed-out"]
    words += ["--fhir-server", "main", "--skip-consent-in-ehr-launch", "--any-loopback-port"]
    words += ["--required-scope", "patient/Patient.rs", "--app-state-code", "https://app.example|prefs"]
    added = hospital("client", "add", *words)
    del added["client_id_issued_at"]
    assert added == {
        "client_id": "growth-chart",
        "client_name": "Growth chart",
        "token_endpoint_auth_method": "none",
        "application_type": "native",
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "redirect_uris": ["https://app.example/cb", "com.example.app:/cb"],
        "launch_uris": ["https://app.example/launch"],
        "allowed_origins": ["https://pages.example"],
        "scope": "launch openid fhirUser patient/*.rs",
        "jwks_uri": "https://app.example/jwks",
        "client_uri": "https://app.example/",
        "logo_uri": "https://app.example/logo.png",
        "policy_uri": "https://app.example/privacy",
        "tos_uri": "https://app.example/terms",
        "contacts": ["ops@app.example"],
        "post_logout_redirect_uris": ["https://app.example/bye"],
        "backchannel_logout_uri": "https://app.example/signed-out",
        "backchannel_logout_session_required": True,
        "fhir_servers": ["main"],
        "skip_consent_in_ehr_launch": True,
        "any_loopback_port": True,
        "required_scope": "patient/Patient.rs",
        "app_state_codes": ["https://app.example|prefs"],
        "enabled": True,
    }


def test_a_key_set_is_read_from_a_file(authz: Cli, tmp_path: Path) -> None:
    """SMART REG-05."""
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [{"kty": "oct", "k": "AAAA", "kid": "1"}]}))
    assert authz.refused("client", "add", *APP, "--jwks", str(file))["error"] == "invalid_client_metadata"
    file.write_text("{")
    assert authz.refused("client", "add", *APP, "--jwks", str(file)) == {
        "error": "invalid_value",
        "error_description": "--jwks: the file is not JSON",
    }


def test_an_update_changes_what_is_given_and_no_more(authz: Cli) -> None:
    authz("client", "add", *APP, "--scope", "openid", "--contact", "ops@app.example")
    changed = authz("client", "update", "growth-chart", "--name", "New name", "--contact", "")
    del changed["client_id_issued_at"]
    assert changed == {**STORED, "client_name": "New name", "scope": "openid"}


def test_a_secret_given_by_stdin_is_used(authz: Cli) -> None:
    added = authz("client", "add", *APP, "--client-secret-stdin", stdin="referral-demo-secret\n")
    assert added["client_secret"] == "referral-demo-secret"


def test_a_client_is_switched_off_on_and_removed(authz: Cli) -> None:
    authz("client", "add", *APP)
    off = {"client_id": "growth-chart", "enabled": False, "revoked_grants": 0}
    assert authz("client", "disable", "growth-chart") == off
    assert authz("client", "show", "growth-chart")["enabled"] is False
    assert authz("client", "enable", "growth-chart") == {"client_id": "growth-chart", "enabled": True}
    gone = {"client_id": "growth-chart", "removed": True, "revoked_grants": 0}
    assert authz("client", "remove", "growth-chart") == gone
    assert authz("client", "list") == []


def test_a_rotated_secret_is_shown_once(authz: Cli) -> None:
    """requirements.md row 62; REQ-34, REQ-62."""
    old = authz("client", "add", *APP)["client_secret"]
    rotated = authz("client", "rotate-secret", "growth-chart")
    assert rotated.pop("client_secret") != old
    assert rotated == {"client_id": "growth-chart", "client_secret_expires_at": 0}


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--redirect-uri", "http://evil.example/cb"), "invalid_redirect_uri"),
        (("--scope", "fhiruser"), "invalid_client_metadata"),
        (("--fhir-server", "unknown"), "not_found"),
        (("--any-loopback-port",), "invalid_value"),
        (("--scope", "patient/Patient.rs", "--required-scope", "patient/*.rs"), "invalid_value"),
        (("--scope", "foo:bar openid", "--required-scope", "foo"), "invalid_value"),
        (("--auth-method", "tls"), "invalid_command"),
        (("--unknown",), "invalid_command"),
    ],
)
def test_a_bad_client_is_refused_as_json_and_not_kept(authz: Cli, words: tuple[str, ...], error: str) -> None:
    """Errors are JSON on stderr with exit code 1; security.md RG-02."""
    assert authz.refused("client", "add", *APP, *words)["error"] == error
    assert authz("client", "list") == []


def test_an_unknown_client_is_said_to_be_unknown(authz: Cli) -> None:
    for command in ("show", "update", "disable", "enable", "remove", "rotate-secret"):
        assert authz.refused("client", command, "unknown") == {
            "error": "not_found",
            "error_description": "unknown: there is no client of this id",
        }
