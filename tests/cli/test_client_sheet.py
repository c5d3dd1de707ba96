from __future__ import annotations

from typing import TYPE_CHECKING

from tests.world import ISSUER

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

APP = ("--name", "Referral", "--client-id", "referral", "--redirect-uri", "https://rms.example/cb")


def test_a_partner_is_told_everything_at_registration(hospital: Cli) -> None:
    """REQ-30, REQ-39: endpoints, scopes and context for each FHIR server, without any discovery."""
    hospital("fhir-server", "add", "lab", "--base-url", "https://lab.example/r4")
    scope = "launch openid fhirUser patient/Patient.read"
    hospital("client", "add", *APP, "--launch-uri", "https://rms.example/launch", "--scope", scope)
    lab, main = sorted(hospital("client", "sheet", "referral"), key=lambda sheet: str(sheet["fhir_server"]))
    assert {"launch-ehr", "context-ehr-patient", "sso-openid-connect"} <= set(main.pop("capabilities"))
    assert main == {
        "fhir_server": "main",
        "iss": "https://fhir.example/r4",
        "client_id": "referral",
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["authorization_code"],
        "redirect_uris": ["https://rms.example/cb"],
        "launch_uris": ["https://rms.example/launch"],
        "scope": scope,
        "context": ["launch"],
        "contacts": [],
        "issuer": ISSUER,
        "jwks_uri": f"{ISSUER}/jwks",
        **{
            f"{name}_endpoint": f"{ISSUER}/{path}"
            for name, path in {
                "authorization": "authorize",
                "token": "token",
                "userinfo": "userinfo",
                "introspection": "introspect",
                "revocation": "revoke",
                "management": "my-apps",
            }.items()
        },
    }
    assert (lab["fhir_server"], lab["iss"]) == ("lab", "https://lab.example/r4")


def test_it_is_printed_for_people_as_well(hospital: Cli) -> None:
    hospital("fhir-server", "add", "lab", "--base-url", "https://lab.example/r4")
    hospital("client", "add", *APP, "--fhir-server", "lab")
    code, out, _ = hospital.run("client", "sheet", "referral")
    lines = dict(line.split(maxsplit=1) for line in out.splitlines() if len(line.split()) > 1)
    assert (code, lines["fhir_server"], lines["token_endpoint"]) == (0, "lab", f"{ISSUER}/token")
    assert hospital.refused("client", "sheet", "nobody")["error"] == "not_found"
