"""``authz registration``: the reviewer's work at the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from authz.cli.context import operator
from tests.cli.test_client_scopes import cli
from tests.vendor import METADATA, Vendor

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli
    from tests.world import World

SCOPE = "launch user/*.rs patient/*.rs"


@pytest.fixture
def office(world: World) -> Cli:
    command = cli(world)
    command("fhir-server", "update", "main", "--registration", "open")
    return command


@pytest.fixture
def client_id(world: World, office: Cli) -> str:
    return str(Vendor(world.transport).register(scope=SCOPE)["client_id"])


def test_an_app_is_listed_shown_and_approved_with_changes(world: World, office: Cli, client_id: str) -> None:
    """REQ-116: nothing is hidden from the reviewer."""
    created = world.clock().isoformat()
    summary = {
        "client_id": client_id,
        "client_name": "Vendor App",
        "lane": "provider",
        "state": "sandbox",
        "needs_decision": False,
        "has_proposal": False,
        "source": "open",
        "source_id": "",
        "created_at": created,
        "approves_at": None,
        "decided_at": None,
        "reason": "",
        "enabled": True,
    }
    assert office("registration", "list") == office("registration", "list", "--state", "sandbox") == [summary]
    assert office("registration", "list", "--undecided") == []
    shown = office("registration", "show", client_id)
    history = {"at": created, "actor": "vendor", "what": "registered", "note": "", "changes": {}}
    metadata = {**METADATA, "scope": SCOPE, "application_type": "web", "response_types": ["code"]}
    assert shown == {
        **summary,
        "seen": shown["seen"],
        "fhir_servers": ["main"],
        "required_scope": "",
        "metadata": metadata,
        "software_id": None,
        "proposed": {},
        "report": None,
        "earlier": [],
        "history": [history],
    }
    words = ("--scope", "user/*.rs", "--user-type", "Practitioner", "--fhir-server", "other", "--note", "for staff")
    approved = office("registration", "approve", client_id, *words, "--seen", str(shown["seen"]))
    assert (approved["state"], approved["fhir_servers"]) == ("approved", ["other"])
    assert (approved["metadata"]["scope"], approved["metadata"]["fhir_user_types"]) == ("user/*.rs", ["Practitioner"])
    line = approved["history"][-1]
    assert (line["actor"], line["note"]) == (f"administrator:{operator()}", "for staff")
    late = office.refused("registration", "decline", client_id, "--reason", "no", "--seen", str(shown["seen"]))
    assert late["error"] == "already_decided"


@pytest.mark.parametrize(("command", "state"), [("decline", "declined"), ("hold", "held")])
def test_an_app_is_stopped_with_a_reason(office: Cli, client_id: str, command: str, state: str) -> None:
    answer = office("registration", command, client_id, "--reason", "no privacy policy")
    assert answer == {"client_id": client_id, "state": state, "revoked_grants": 0}
    shown = office("registration", "show", client_id)
    assert (shown["state"], shown["reason"]) == (state, "no privacy policy")
    assert office.refused("registration", command, "nobody", "--reason", "x")["error"] == "not_found"


def test_a_proposed_change_is_decided_about(world: World, office: Cli, client_id: str) -> None:
    office("registration", "approve", client_id, "--seen", str(office("registration", "show", client_id)["seen"]))
    proposals = world.services.registration.proposals
    metadata = office("registration", "show", client_id)["metadata"]
    for word, name in (("refuse-change", "First"), ("approve-change", "Second")):
        proposals.propose(client_id, {**metadata, "client_name": name})
        shown = office("registration", "show", client_id)
        assert shown["proposed"] == {"client_name": {"before": "Vendor App", "after": name}}
        seen = ("--seen", str(shown["seen"]))
        reason = ("--reason", "no") if word == "refuse-change" else ("--note", "yes", *seen)
        answer = office("registration", word, client_id, *reason)
        assert answer["client_name"] == ("Vendor App" if word == "refuse-change" else "Second")
        assert answer["proposed"] == {}


def test_nothing_unseen_is_approved(world: World, office: Cli, client_id: str) -> None:
    """RG-23: what the vendor proposed, or changed, after the reviewer looked is not what was approved."""
    for command in ("approve", "approve-change"):
        code, _, told = office.run("registration", command, client_id)
        assert code != 0
        assert "--seen" in told
    office("registration", "approve", client_id, "--seen", str(office("registration", "show", client_id)["seen"]))
    proposals = world.services.registration.proposals
    metadata = office("registration", "show", client_id)["metadata"]
    proposals.propose(client_id, {**metadata, "client_name": "Harmless"})
    seen = str(office("registration", "show", client_id)["seen"])
    proposals.propose(client_id, {**metadata, "redirect_uris": ["https://evil.example/cb"]})
    refused = office.refused("registration", "approve-change", client_id, "--seen", seen)
    assert refused["error"] == "already_decided"
    assert office("registration", "show", client_id)["metadata"]["redirect_uris"] == METADATA["redirect_uris"]


def test_initial_access_tokens_are_issued_listed_and_revoked(world: World, office: Cli) -> None:
    """RG-01: the token is shown once."""
    words = ("--quota", "2", "--days", "7", "--lane", "patient", "--fhir-server", "main", "--approves")
    before = datetime.now(UTC)
    issued = office("registration", "token", "issue", "Acme", *words)
    token = issued.pop("initial_access_token")
    assert len(token) == 43
    days = datetime.fromisoformat(issued["expires_at"]) - before
    assert issued == {
        "id": issued["id"],
        "label": "Acme",
        "fhir_server": "main",
        "lanes": ["patient"],
        "approves": True,
        "used": 0,
        "quota": 2,
        "expires_at": issued["expires_at"],
        "revoked_at": None,
    }
    assert days.days == 7
    office("fhir-server", "update", "main", "--registration", "invited")
    assert Vendor(world.transport).register(token)["registration_state"] == "approved"
    assert office("registration", "token", "list") == [issued | {"used": 1}]
    revoked = office("registration", "token", "revoke", issued["id"])
    assert revoked["revoked_at"] is not None
    assert office.refused("registration", "token", "revoke", "nothing")["error"] == "not_found"
    events = office("audit", "search", "--event", "registration.changed")
    assert sorted(event["reason"] for event in events) == ["token_issued", "token_revoked"]


def test_issuers_of_software_statements_are_added_listed_and_removed(office: Cli, tmp_path: Path) -> None:
    """RFC 7591 §2.3."""
    words = ("--jwks-uri", "https://a.example/jwks", "--lane", "patient", "--scope", "patient/*.rs", "--approves")
    added = office("registration", "issuer", "add", "https://a.example", *words)
    assert added == {
        "iss": "https://a.example",
        "jwks": None,
        "jwks_uri": "https://a.example/jwks",
        "lanes": ["patient"],
        "approves": True,
        "scope": "patient/*.rs",
    }
    assert office("registration", "issuer", "list") == [added]
    bad = tmp_path / "bad.json"
    bad.write_text("nonsense")
    refused = office.refused("registration", "issuer", "add", "https://b.example", "--jwks", str(bad))
    assert refused == {"error": "invalid_value", "error_description": "--jwks: the file is not JSON"}
    bad.write_text(json.dumps({"keys": []}))
    assert (
        office.refused("registration", "issuer", "add", "https://b.example", "--jwks", str(bad))["error"]
        == "invalid_value"
    )
    assert office("registration", "issuer", "remove", "https://a.example") == {
        "iss": "https://a.example",
        "removed": True,
    }
    assert office("registration", "issuer", "list") == []


def test_a_vendor_who_lost_their_token_gets_another(world: World, office: Cli, client_id: str) -> None:
    """RFC 7592 §3: the new one is told once, and is good at once; the old one is not."""
    answer = office("registration", "renew-token", client_id)
    token = answer.pop("registration_access_token")
    assert answer == {"client_id": client_id}
    url = f"{world.issuer}/register/{client_id}"
    assert world.transport.send("GET", url, {"Authorization": f"Bearer {token}"}).status == 200
    assert token not in json.dumps(office("registration", "show", client_id))
    assert office.refused("registration", "renew-token", "nobody")["error"] == "not_found"


def test_what_apps_are_registered_for_and_do_not_use_is_reported(world: World, office: Cli) -> None:
    """REQ-55: never requested, requested and not granted, not used for so long."""
    handle = str(world.ehr.launch("public", "Practitioner/dr", patient="A")["launch"])
    world.public.tokens(handle, "launch openid patient/Observation.rs launch/encounter")
    lines = {line["scope"]: line for line in office("registration", "unused") if line["client_id"] == "public"}
    assert not {"launch", "openid", "patient/*.cruds"} & lines.keys()
    assert lines["user/*.cruds"] == {
        "client_id": "public",
        "scope": "user/*.cruds",
        "requested": False,
        "last_granted": None,
    }
    code, out, _ = office.run("registration", "unused", "--days", "1")
    assert (code, out.split("\n")[0].split()) == (0, ["client_id", "scope", "requested", "last_granted"])


def test_the_sheet_of_an_app_is_shown_by_either_spelling(office: Cli) -> None:
    """Endpoints, scopes, context and contacts for the partner."""
    office("client", "update", "public", "--contact", "ops@app.example")
    sheets: list[dict[str, Any]] = office("client", "show", "public", "--sheet")
    assert sheets == office("client", "sheet", "public")
    (main,) = (sheet for sheet in sheets if sheet["fhir_server"] == "main")
    assert (main["contacts"], main["context"]) == (
        ["ops@app.example"],
        ["launch", "launch/patient", "launch/encounter"],
    )
