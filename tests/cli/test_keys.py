from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def states(authz: Cli) -> list[str]:
    return [key["state"] for key in authz("keys", "list")]


def kid_of(authz: Cli, state: str) -> str:
    found: str = next(key["kid"] for key in authz("keys", "list") if key["state"] == state)
    return found


def test_keys_are_made_before_there_is_anything_else(empty: Cli) -> None:
    """Decision 7: on a new database, where no server could start yet."""
    empty("keys", "secrets")
    empty("db", "upgrade")
    made = empty("keys", "generate")
    assert [key["state"] for key in made] == ["active", "next"]
    assert [set(key) for key in made] == [{"kid", "state", "alg", "created_at", "activated_at", "retired_at"}] * 2
    assert sorted(empty("keys", "list"), key=lambda key: key["state"]) == made
    folder = Path(empty.environ["AUTHZ_KEYS_DIR"])
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == sorted([*(f"{key['kid']}.pem" for key in made), "secrets.json"])
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert empty("keys", "generate") == []


def test_without_a_secrets_file_nothing_works(empty: Cli) -> None:
    """Decision 6, KT-09: and none is made by itself."""
    error = empty.refused("keys", "list")
    assert error["error"] == "invalid_configuration"
    assert error["error_description"].endswith("secrets.json: No such file or directory")


def test_secrets_are_made_and_rotated_and_never_shown(empty: Cli) -> None:
    shown = empty("keys", "secrets")
    path = Path(empty.environ["AUTHZ_KEYS_DIR"]) / "secrets.json"
    assert shown == {"file": str(path)}
    (first,) = json.loads(path.read_text())["keys"]
    empty("keys", "secrets")
    assert json.loads(path.read_text())["keys"][1] == first
    empty("keys", "secrets")
    assert first not in json.loads(path.read_text())["keys"]


def test_new_secrets_are_on_the_trail(authz: Cli) -> None:
    """security.md AU-2: who replaces what seals everything is on record, as for a signing key."""
    told = authz("keys", "secrets")
    (found,) = [one for one in authz("audit", "search", "--event", "key.changed") if one["reason"] == "secrets"]
    assert found["detail"] == {"operator": found["detail"]["operator"], "file": told["file"]}


def test_a_next_key_just_published_signs_only_when_told_so(authz: Cli) -> None:
    """DJ-10."""
    following = kid_of(authz, "next")
    error = authz.refused("keys", "rotate")
    assert error["error"] == "invalid_request"
    assert re.match(r"the next key may sign from \d{4}-", error["error_description"])
    authz("keys", "rotate", "--now")
    assert sorted(states(authz)) == ["active", "next", "retired"]
    assert kid_of(authz, "active") == following


def test_a_retired_key_is_removed_with_its_file(authz: Cli) -> None:
    """DJ-10, KT-11: at once only when told so."""
    stolen = kid_of(authz, "active")
    assert "rotate first" in authz.refused("keys", "remove", stolen)["error_description"]
    authz("keys", "rotate", "--now")
    assert "may live until" in authz.refused("keys", "remove", stolen)["error_description"]
    assert authz("keys", "remove", stolen, "--now")["state"] == "removed"
    assert sorted(states(authz)) == ["active", "next"]
    assert not (Path(authz.environ["AUTHZ_KEYS_DIR"]) / f"{stolen}.pem").exists()


@pytest.mark.parametrize("kid", ["unknown", "../secrets", "", "-fiIX94wWoQXNEGIICCcKBp6Cr0hySxZyvpRpX3jNq4"])
def test_an_unknown_key_is_not_removed(authz: Cli, kid: str) -> None:
    assert authz.refused("keys", "remove", kid) == {
        "error": "invalid_request",
        "error_description": "there is no key of this kid",
    }
    assert (Path(authz.environ["AUTHZ_KEYS_DIR"]) / "secrets.json").exists()


def test_every_change_of_a_key_is_on_the_trail(authz: Cli) -> None:
    """security.md 4.1: key created, activated, retired, removed."""
    old = kid_of(authz, "active")
    following = kid_of(authz, "next")
    authz("keys", "rotate", "--now")
    authz("keys", "remove", old, "--now")
    made = kid_of(authz, "next")
    found = authz("audit", "search", "--event", "key.changed")
    changes = [(record["reason"], record["detail"]["kid"]) for record in found]
    assert sorted(changes) == sorted(
        [
            ("active", old),
            ("next", following),
            ("active", following),
            ("retired", old),
            ("next", made),
            ("removed", old),
        ]
    )
    assert all(record["detail"]["operator"] for record in found)
