from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from authz.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "compose"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


@pytest.mark.node
def test_the_compose_file_has_no_finding() -> None:
    """dclint, with all its rules; a warning is a finding."""
    linter = ROOT / "tests" / "clients" / "node_modules" / "dclint" / "bin" / "dclint.cjs"
    command = ["node", str(linter), "--max-warnings", "0", str(FOLDER)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "")


@pytest.mark.parametrize("name", SERVICES)
def test_each_container_has_only_what_it_needs(name: str) -> None:
    """A read-only root, no capability, no way to more rights, an image pinned by more than ``latest``."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[\w./-]+:[\w.-]+", service["image"])
    assert not service["image"].endswith(":latest")
    assert not {"privileged", "cap_add", "network_mode", "pid"} & set(service)


def test_the_fhir_server_is_reached_through_nginx_alone() -> None:
    """Whoever gets past the proxy is asked for no token: only nginx publishes, its networks lead nowhere."""
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["nginx"]
    networks = SERVICES["fhir"]["networks"]
    assert [name for name in networks if not COMPOSE["networks"][name].get("internal")] == []
    beside = {name for name, service in SERVICES.items() if set(service["networks"]) & set(networks)}
    assert beside == {"fhir", "fhir-postgres", "nginx", "authz"}  # authz asks it whose a resource is


def test_the_server_believes_the_network_that_it_shares_with_nginx_alone() -> None:
    """``/forward-auth`` answers trusted proxies only; nginx asks by a name that exists on that network only."""
    edge = COMPOSE["networks"]["edge"]["ipam"]["config"][0]["subnet"]
    assert SERVICES["authz"]["environment"]["AUTHZ_TRUSTED_PROXIES"] == edge
    assert {name for name, service in SERVICES.items() if "edge" in service["networks"]} == {"authz", "nginx"}
    address = SERVICES["nginx"]["environment"]["AUTHZ_ADDRESS"]
    assert [f"{alias}:9000" for alias in SERVICES["authz"]["networks"]["edge"]["aliases"]] == [address]


def test_the_settings_of_the_compose_file_are_settings(tmp_path: Path) -> None:
    """Every variable is one that the server knows and takes."""
    given = {**SERVICES["authz"]["environment"]}
    for name, value in {"DATABASE": "postgresql://authz:x@postgres/authz", "REDIS": "redis://:x@redis/0"}.items():
        (tmp_path / name).write_text(value)
        given[f"AUTHZ_{name}_URL_FILE"] = str(tmp_path / name)
    settings = Settings.load(given)
    assert settings.database_url.endswith("@postgres/authz")
    assert [str(network) for network in settings.outbound_networks] == [
        COMPOSE["networks"]["fhir"]["ipam"]["config"][0]["subnet"]
    ]


def test_nothing_serves_before_what_it_needs() -> None:
    """The schema is there before the server, the server before nginx; each waits for a state, not for a start."""
    waits = {
        (name, other): condition["condition"]
        for name, service in SERVICES.items()
        for other, condition in service.get("depends_on", {}).items()
    }
    assert waits == {
        ("authz", "migrate"): "service_completed_successfully",
        ("authz", "redis"): "service_healthy",
        ("migrate", "postgres"): "service_healthy",
        ("fhir", "fhir-postgres"): "service_healthy",
        ("nginx", "authz"): "service_healthy",
        ("nginx", "fhir"): "service_started",  # its image has no program that could ask
    }


def test_no_secret_stands_in_the_compose_file() -> None:
    """Passwords and the addresses that hold them are files, which the repository ignores."""
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "deploy/compose/secrets/" in ignored
    assert {Path(secret["file"]).parts[0] for secret in COMPOSE["secrets"].values()} == {"secrets"}
    environments = [service.get("environment", {}) for service in SERVICES.values()]
    names = [name for values in environments for name in values if re.search(r"PASSWORD|SECRET|_URL", name)]
    assert [name for name in names if not name.endswith("_FILE")] == []


def test_nginx_is_given_every_name_of_its_templates() -> None:
    """A name that is not filled in would be nginx's own empty variable."""
    templates = "".join(path.read_text() for path in (ROOT / "deploy" / "nginx").glob("*.template"))
    given = {name for name in SERVICES["nginx"]["environment"] if not name.startswith("NGINX_")}
    assert given == set(re.findall(r"\$\{([A-Z_]+)\}", templates))
