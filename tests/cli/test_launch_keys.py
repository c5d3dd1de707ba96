"""Keys of signed launches: those EHRs sign with, and those they encrypt to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.launch.signing import ec_key, public, rsa_key

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


@pytest.fixture
def epic(hospital: Cli) -> Cli:
    hospital("ehr", "add", "--fhir-server", "main", "--client-id", "epic")
    return hospital


def test_an_ehr_gets_and_loses_the_keys_it_signs_launches_with(epic: Cli, tmp_path: Path) -> None:
    """REQ-74, REQ-34: from a file or stdin, public keys only; each change is on the trail."""
    jwks = json.dumps(public(ec_key(kid="one"), rsa_key(kid="two")))
    file = tmp_path / "keys.json"
    file.write_text(jwks)
    keys = {"client_id": "epic", "fhir_servers": ["main"], "keys": ["one", "two"], "enabled": True}
    assert epic("ehr", "set-keys", "epic", str(file)) == keys == epic("ehr", "show", "epic")
    assert epic("ehr", "set-keys", "epic", "-", stdin=jwks) == keys
    assert epic("ehr", "remove-keys", "epic") == {**keys, "keys": []}
    changes = [
        (one["reason"], one["detail"]["kids"])
        for one in epic("audit", "search", "--event", "ehr.changed")
        if "kids" in one["detail"]
    ]
    assert sorted(changes) == [("keys_removed", []), *[("keys_set", ["one", "two"])] * 2]


@pytest.mark.parametrize(
    ("jwks", "problem"),
    [
        ("no json", "<stdin>: is not JSON"),
        ("[]", 'must be an object with a member "keys", an array of 1 to 100 keys'),
        (
            json.dumps({"keys": [ec_key(kid="k").as_dict(private=True)]}),
            "key 1: is private or symmetric: register public keys only, and make a new one, this one is known now",
        ),
        (json.dumps(public(ec_key("P-256", "k"))), "none of the keys is for RS384 or ES384"),
    ],
    ids=["text", "array", "private", "unusable"],
)
def test_what_can_not_be_an_ehrs_keys_is_refused(epic: Cli, jwks: str, problem: str) -> None:
    refused = epic.refused("ehr", "set-keys", "epic", "-", stdin=jwks)
    assert refused == {"error": "invalid_value", "error_description": problem}
    assert epic("ehr", "show", "epic")["keys"] == []


def test_launch_keys_are_made_retired_and_removed(authz: Cli) -> None:
    """Decision 7: the first by the same command; a current one, and one that EHRs may still use, stay."""
    assert authz("keys", "launch", "list") == []
    (first,) = authz("keys", "launch", "rotate")
    assert first == {"kid": first["kid"], "state": "current", "created_at": first["created_at"], "retired_at": None}
    file = Path(authz.environ["AUTHZ_KEYS_DIR"]) / f"{first['kid']}.pem"
    assert (file.exists(), oct(file.stat().st_mode & 0o777)) == (True, "0o600")
    assert "rotate" in authz.refused("keys", "launch", "remove", first["kid"])["error_description"]
    retired, second = authz("keys", "launch", "rotate")
    assert [(key["kid"], key["state"]) for key in (retired, second)] == [
        (first["kid"], "retired"),
        (second["kid"], "current"),
    ]
    too_early = authz.refused("keys", "launch", "remove", first["kid"])
    assert too_early["error_description"].startswith("EHRs may encrypt to this key until ")
    assert authz("keys", "launch", "remove", first["kid"], "--now")["state"] == "removed"
    assert not file.exists()
    assert authz("keys", "launch", "list") == [second]
    assert authz.refused("keys", "launch", "remove", "none")["error"] == "not_found"
    assert [key["state"] for key in authz("keys", "list")] == ["active", "next"]
