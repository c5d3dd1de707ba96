from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import pytest

from authz.audit.event import Event, EventName
from authz.doctor.bundle import shown
from authz.settings import Settings
from tests.cli.test_audit_commands import happen
from tests.servers import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli


def read(file: Path) -> dict[str, Any]:
    with ZipFile(file) as bundle:
        return {name: json.loads(bundle.read(name)) for name in bundle.namelist()}


def test_a_bundle_says_what_whoever_helps_would_ask(hospital: Cli, tmp_path: Path) -> None:
    """Versions, settings, findings, stores, keys and what happened how often; for its owner's eyes only."""
    happen(hospital, Event(EventName.LOGIN_FAILED, "refused", "wrong_password", sub="ZZ9PHI", patient="ZZ9PHI"))
    file = tmp_path / "bundle.zip"
    told = hospital("support-bundle", str(file))
    assert told["parts"] == ["about", "settings", "findings", "database", "store", "keys", "events"]
    assert file.stat().st_mode & 0o777 == 0o600
    found = read(file)
    assert found["about.json"]["packages"]["Flask"]
    assert found["settings.json"]["issuer"] == "http://127.0.0.1:9000"
    assert found["database.json"]["rows"]["fhir_server"] == 1
    assert found["database.json"]["revision"] == found["database.json"]["newest"]
    assert found["store.json"]["problems"] == []
    assert [key["state"] for key in found["keys.json"]] == ["active", "next"]
    assert {"event": "login.failed", "outcome": "refused", "reason": "wrong_password", "number": 1} in found[
        "events.json"
    ]
    assert "ZZ9" not in json.dumps(found)


def test_what_the_doctor_found_names_no_key_in_an_address(hospital: Cli, tmp_path: Path) -> None:
    """The path and the query of an app's key set may be a key, as those of the settings are."""
    where = f"https://127.0.0.1:{free_port()}/keys/ZZ9PATH?k=ZZ9QUERY"
    words = ["--client-id", "canary", "--auth-method", "private_key_jwt", "--jwks-uri", where, "--scope", "system/*.rs"]
    hospital("client", "add", "--name", "Canary", "--grant-type", "client_credentials", *words)
    assert "ZZ9PATH" in json.dumps(hospital.run("doctor", "--json")[1])
    hospital("support-bundle", str(tmp_path / "bundle.zip"))
    found = read(tmp_path / "bundle.zip")["findings.json"]
    assert "client.jwks_uri" in {one["id"] for one in found}
    assert "ZZ9" not in json.dumps(found)


def test_nothing_is_overwritten(authz: Cli, tmp_path: Path) -> None:
    file = tmp_path / "bundle.zip"
    file.write_text("mine")
    assert authz.refused("support-bundle", str(file))["error_description"] == f"{file} is there already"
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("database_url", "postgresql+psycopg://authz:ZZ9@db:5432/authz?sslmode=require&password=ZZ9",
         "postgresql+psycopg://***@db:5432/authz?sslmode=***&password=***"),
        ("redis_url", "rediss://:ZZ9@cache:6379/0", "rediss://***@cache:6379/0"),
        ("redis_url", "redis+sentinel://user:ZZ9@a:26379,b:26379/mymaster/0", "redis+sentinel://***@a:26379,b:26379/mymaster/0"),
        ("registration_webhook", "https://chat.example/hook?key=ZZ9", "https://chat.example/***?key=***"),
        ("registration_webhook", "https://chat.example/services/ZZ9", "https://chat.example/***"),
        ("audit_export", "https://siem.example:8088/ZZ9/raw", "https://siem.example:8088/***"),
        # SQLAlchemy takes everything up to the @ for the password
        ("database_url", "postgresql://authz:ab/ZZ9@db:5432/authz", "postgresql://***@db:5432/authz"),
        ("database_url", "postgresql://authz:ab#ZZ9@db/authz", "postgresql://***@db/authz"),
        ("database_url", "postgresql://authz:ab?ZZ9@db/authz?sslmode=require", "postgresql://***@db/authz?sslmode=***"),
        ("database_url", "postgresql://authz:a@db/authz?options=ZZ9@ZZ9/ZZ9", "postgresql://***"),
        ("database_url", "sqlite:////var/lib/authz/authz.sqlite3", "sqlite:////var/lib/authz/authz.sqlite3"),
        ("audit_export_token", "ZZ9", "set"),
        ("audit_export_token", "", ""),
        ("access_token_seconds", 300, "300"),
    ],
)  # fmt: skip
def test_a_setting_is_shown_without_what_is_secret_in_it(name: str, value: Any, told: str) -> None:
    """security.md 4.2."""
    assert shown(Settings(issuer="https://auth.example", **{name: value}), name) == told
    assert "ZZ9" not in told


def test_the_issuer_is_shown_as_everybody_knows_it() -> None:
    assert shown(Settings(issuer="https://hospital.example/auth"), "issuer") == "https://hospital.example/auth"
