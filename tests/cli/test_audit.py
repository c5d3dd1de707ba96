from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def test_every_change_is_on_the_trail(hospital: Cli) -> None:
    """security.md 4.1: client, user, proxy relation, configuration and secrets; REQ-34."""
    hospital("ehr", "add", "--fhir-server", "main", "--client-id", "epic")
    hospital("client", "add", "--name", "App", "--client-id", "app", "--redirect-uri", "https://a.example/")
    hospital("client", "update", "app", "--name", "New")
    hospital("client", "rotate-secret", "app")
    hospital("client", "disable", "app")
    hospital("client", "enable", "app")
    hospital("client", "remove", "app")
    hospital("user", "add", "parent")
    hospital("user", "set-password", "parent", "--password-stdin", stdin="a good password\n")
    hospital("user", "represent", "parent", "--patient", "child-1", "--relationship", "parent")
    hospital("user", "stop-representing", "parent", "--patient", "child-1")
    hospital("user", "disable", "parent")
    hospital("user", "remove", "parent")
    hospital("ehr", "remove", "epic")
    hospital("fhir-server", "remove", "main")
    found = [(entry["event"], entry["reason"]) for entry in hospital("audit", "search")]
    expected = [
        ("fhir_server.changed", "added"),
        ("ehr.changed", "added"),
        ("client.changed", "added"),
        ("client.changed", "updated"),
        ("client.changed", "secret_rotated"),
        ("client.changed", "disabled"),
        ("client.changed", "enabled"),
        ("client.changed", "removed"),
        ("user.created", "added"),
        ("user.changed", "password_set"),
        ("user.changed", "represents"),
        ("user.changed", "represents_no_more"),
        ("user.changed", "disabled"),
        ("user.changed", "removed"),
        ("ehr.changed", "removed"),
        ("fhir_server.changed", "removed"),
    ]
    assert sorted(set(expected) - set(found)) == []
