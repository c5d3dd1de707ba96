"""The hospital's providers at the command line: added, changed, switched off, and who is whom by a list."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from authz.keyring.secrets import Secrets
from tests.world import ISSUER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli

ADD = ("sign-in-provider", "add", "hospital", "--issuer", "https://idp.example/oidc", "--client-id", "authz")
SECRET = "a-secret-of-the-idp"
ADDED: dict[str, Any] = {
    "name": "hospital",
    "label": "hospital",
    "issuer": "https://idp.example/oidc",
    "client_id": "authz",
    "auth_method": "client_secret_basic",
    "scopes": ["openid", "profile"],
    "fhir_servers": [],
    "fhir_user_claim": "",
    "name_claim": "name",
    "acr_values": [],
    "enabled": True,
    "redirect_uri": f"{ISSUER}/sign-in/hospital/callback",
    "backchannel_logout_uri": f"{ISSUER}/back-channel-logout/hospital",
    "jwks_uri": f"{ISSUER}/jwks",
}


def test_a_provider_is_added_changed_and_removed(hospital: Cli) -> None:
    """Issue 6.1: what has to be registered there is told; each change is on the trail; the secret never is shown."""
    assert hospital(*ADD, "--secret-stdin", stdin=f"{SECRET}\n") == ADDED
    assert hospital("sign-in-provider", "list") == [ADDED]
    changed = hospital(
        *("sign-in-provider", "update", "hospital", "--label", "Hospital ID", "--auth-method", "private_key_jwt"),
        *("--acr", "mfa", "--scope", "openid", "--fhir-server", "main", "--fhir-user-claim", "fhirUser"),
    )
    assert changed == ADDED | {
        "label": "Hospital ID",
        "auth_method": "private_key_jwt",
        "acr_values": ["mfa"],
        "scopes": ["openid"],
        "fhir_servers": ["main"],
        "fhir_user_claim": "fhirUser",
    }
    assert hospital("sign-in-provider", "disable", "hospital") == {
        "name": "hospital",
        "enabled": False,
        "ended_sessions": 0,
    }
    assert hospital("sign-in-provider", "enable", "hospital") == {"name": "hospital", "enabled": True}
    removed = {"name": "hospital", "removed": True, "ended_sessions": 0}
    assert hospital("sign-in-provider", "remove", "hospital") == removed
    assert hospital("sign-in-provider", "list") == []
    trail = hospital("audit", "search", "--event", "sign_in_provider.changed")
    assert [one["reason"] for one in sorted(trail, key=lambda one: one["at"])] == [
        *("added", "updated", "disabled", "enabled", "removed")
    ]
    assert SECRET not in str(trail)


def test_what_a_provider_can_not_be_is_said_all_at_once(hospital: Cli) -> None:
    refused = hospital.refused(
        *("sign-in-provider", "add", "Hospital", "--issuer", "http://idp.example", "--client-id", "a b"),
        *("--scope", "profile"),
    )
    assert refused == {
        "error": "invalid_value",
        "error_description": "Hospital: a name is small letters, digits and hyphens;"
        " http://idp.example: http is for loopback only; use https;"
        " the client id is 1 to 255 visible ASCII characters;"
        " a secret is needed for client_secret_basic and client_secret_post, and has no place with private_key_jwt;"
        " the scopes must have openid",
    }
    hospital(*ADD, "--secret-stdin", stdin=f"{SECRET}\n")
    assert hospital.refused(*ADD, "--secret-stdin", stdin=f"{SECRET}\n")["error"] == "already_exists"
    assert hospital.refused("sign-in-provider", "update", "nobody", "--label", "x")["error"] == "not_found"


def test_the_secret_is_kept_encrypted(hospital: Cli, tmp_path: Path) -> None:
    """Decision 6: it has to be sent, so it can't be hashed; the database alone does not give it away."""
    hospital(*ADD, "--secret-stdin", stdin=f"{SECRET}\n")
    assert Secrets.load(tmp_path / "keys" / "secrets.json").keys
    files = [file for file in tmp_path.rglob("*sqlite3*") if file.is_file()]
    assert files
    assert not any(SECRET.encode() in file.read_bytes() for file in files)


def test_the_rules_of_a_fhir_server_are_shown_and_changed(hospital: Cli) -> None:
    """Issue 6.2, decision 19: never by an e-mail address; accounts of our own go only if there is another way."""
    unsaid = {"local_accounts": True, "map_claim": "sub", "searches": [], "person_links": False}
    rules = ("sign-in-provider", "rules", "--fhir-server", "main")
    assert hospital(*rules) == {"fhir_server": "main", **unsaid}
    refused = hospital.refused(*rules, "--no-local-accounts")
    assert refused["error_description"] == "nobody could sign in at main: add a provider first"
    hospital(*ADD, "--secret-stdin", stdin=f"{SECRET}\n")
    search = "Practitioner?identifier=http://staff.example|{employee_number}"
    changed = hospital(*rules, "--no-local-accounts", "--search", search, "--person-links", "--map-claim", "upn")
    assert changed == {
        "fhir_server": "main",
        "local_accounts": False,
        "map_claim": "upn",
        "searches": [f"hospital:{search}"],
        "person_links": True,
    }
    for wrong in ("Practitioner?email={email}", "Observation?x={y}", "Practitioner", "Practitioner?a={b c}"):
        assert hospital.refused(*rules, "--search", wrong)["error"] == "invalid_value", wrong
    assert hospital.refused(*rules, "--map-claim", "email")["error"] == "invalid_value"


def test_of_several_providers_a_search_says_whose_people_it_finds(hospital: Cli) -> None:
    """Decision 19: of one there is nothing to ask; another one that comes later does not get its searches."""
    rules = ("sign-in-provider", "rules", "--fhir-server", "main")
    search = "Practitioner?identifier=http://staff.example|{employee_number}"
    hospital(*ADD, "--secret-stdin", stdin=f"{SECRET}\n")
    hospital(*rules, "--search", search)
    hospital(*ADD[:2], "portal", *ADD[3:], "--secret-stdin", stdin=f"{SECRET}\n")
    assert hospital(*rules)["searches"] == [f"hospital:{search}"]
    unsaid = hospital.refused(*rules, "--search", search)
    assert unsaid["error_description"] == f"{search}: say for the people of which provider it is: hospital:{search}"
    assert hospital.refused(*rules, "--search", f"nobody:{search}")["error"] == "not_found"
    both = [f"portal:{search}", f"hospital:{search}"]
    assert hospital(*rules, "--search", both[0], "--search", both[1])["searches"] == both
    hospital("sign-in-provider", "remove", "portal")
    assert hospital(*rules)["searches"] == [both[1]]


def test_the_list_says_who_is_which_resource(hospital: Cli) -> None:
    """Issue 6.2: the static map, for the people of one provider at one FHIR server."""
    hospital(*ADD, "--secret-stdin", stdin=f"{SECRET}\n")
    at = ("--fhir-server", "main")
    line = {"provider": "hospital", "value": "e-17", "reference": "Practitioner/p-17"}
    mapped = hospital("sign-in-provider", "map", "hospital", "e-17", "Practitioner/p-17", *at)
    assert mapped == {"fhir_server": "main", **line}
    assert hospital("sign-in-provider", "mapped", *at) == [line]
    again = hospital("sign-in-provider", "map", "hospital", "e-17", "https://fhir.example/r4/Practitioner/p-18", *at)
    assert again["reference"] == "Practitioner/p-18"
    assert hospital.refused("sign-in-provider", "map", "other", "e-17", "Practitioner/1", *at)["error"] == "not_found"
    assert hospital("sign-in-provider", "unmap", "hospital", "e-17", *at)["removed"] is True
    assert hospital.refused("sign-in-provider", "unmap", "hospital", "e-17", *at)["error"] == "not_found"
    hospital("sign-in-provider", "map", "hospital", "e-17", "Practitioner/p-17", *at)
    hospital("sign-in-provider", "remove", "hospital")
    assert hospital("sign-in-provider", "mapped", *at) == []


def test_who_a_person_is_is_explained_step_by_step(hospital: Cli) -> None:
    """Issue 6.2: each step and its result; a FHIR server that does not answer is said, and nothing is changed."""
    hospital(*ADD, "--secret-stdin", "--fhir-user-claim", "fhirUser", stdin=f"{SECRET}\n")
    sub = hospital("user", "add", "dana")["sub"]
    told = hospital("user", "identify", "dana", "hospital", "idp-dana")
    assert told == {"sub": sub, "provider": "hospital", "issuer": "https://idp.example/oidc", "subject": "idp-dana"}
    search = "Practitioner?identifier=http://staff.example|{employee_number}"
    hospital("sign-in-provider", "rules", "--search", search)

    def explained() -> tuple[list[Any], Any, list[tuple[Any, ...]]]:
        found = hospital("user", "explain", "dana", "--fhir-server", "main")
        assert found["sub"] == sub
        (at,) = found["fhir_servers"]
        known = [(one["provider"], one["subject"], one["claims"]) for one in found["known_as"]]
        steps = [(one["step"], one["asked"], one["found"], one["remark"]) for one in at["steps"]]
        return known, at["recorded"], steps

    untold = "the provider does not tell this claim"
    assert explained() == (
        [("hospital", "idp-dana", {})],
        None,
        [
            ("claim", "fhirUser", [], untold),
            ("map", "sub", [], "not on the list"),
            ("search", f"hospital:{search}", [], "the provider does not tell all of these claims"),
            ("answer", "", [], ""),
        ],
    )
    hospital("sign-in-provider", "map", "hospital", "idp-dana", "Practitioner/p-17", "--fhir-server", "main")
    hospital("user", "update", "dana", "--fhir-user", "Practitioner/p-9", "--fhir-server", "main")
    assert explained()[1:] == (
        "Practitioner/p-9",
        [
            ("claim", "fhirUser", [], untold),
            ("map", "sub", ["Practitioner/p-17"], ""),
            ("answer", "", ["Practitioner/p-17"], ""),
        ],
    )


def test_as_whom_somebody_is_known_is_one_persons(hospital: Cli) -> None:
    """Decision 19: nobody is two at one provider, and no two are one."""
    hospital(*ADD, "--secret-stdin", stdin=f"{SECRET}\n")
    for name in ("dana", "erin"):
        hospital("user", "add", name)
    hospital("user", "identify", "dana", "hospital", "idp-dana")
    assert hospital.refused("user", "identify", "erin", "hospital", "idp-dana")["error"] == "already_exists"
    assert hospital.refused("user", "identify", "dana", "hospital", "idp-other")["error"] == "already_exists"
    assert hospital.refused("user", "identify", "dana", "nobody", "idp-dana")["error"] == "not_found"
    assert hospital("user", "unidentify", "dana")["forgotten"] == 1
    hospital("user", "identify", "erin", "hospital", "idp-dana")


def test_a_provider_that_does_not_answer_is_an_error_of_the_check(hospital: Cli) -> None:
    hospital(
        *("sign-in-provider", "add", "local", "--issuer", "http://127.0.0.1:1", "--client-id", "authz"),
        *("--auth-method", "private_key_jwt"),
    )
    code, out, _ = hospital.run("sign-in-provider", "check", "local", "--json")
    (finding,) = json.loads(out)
    assert (code, finding["what"], finding["level"]) == (1, "discovery", "error")
    assert "no connection" in finding["text"]
