from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
OBJECTS: dict[tuple[str, str, str], dict[str, Any]] = {
    (path.parent.name, found["kind"], found["metadata"]["name"]): found
    for path in sorted(FOLDER.rglob("*.yaml"))
    if path.name != "kustomization.yaml"
    for found in yaml.safe_load_all(path.read_text())
}
VERSIONS = ("1.32", kubernetes_validate.latest_version())
PODS = {
    name: OBJECTS["base", *name]["spec"]["template"]["spec"]
    for name in [("Deployment", "authz"), ("Job", "authz-migration")]
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", OBJECTS, ids=" ".join)
def test_each_object_is_one_that_kubernetes_takes(name: tuple[str, str, str], version: str) -> None:
    """Kubernetes' own schemas, strictly: a misspelt field is refused and not left out."""
    kubernetes_validate.validate(OBJECTS[name], version, strict=True)


def test_the_kustomizations_name_every_file() -> None:
    """A file that is not named is not applied; the examples of secrets must not be."""
    base = yaml.safe_load((FOLDER / "base" / "kustomization.yaml").read_text())
    assert set(base["resources"]) == {path.name for path in (FOLDER / "base").glob("*.yaml")} - {"kustomization.yaml"}
    example = yaml.safe_load((FOLDER / "example" / "kustomization.yaml").read_text())
    assert example["resources"] == ["../base"]
    assert [patch["path"] for patch in example["patches"]] == ["settings.yaml"]


@pytest.mark.parametrize("name", PODS, ids=" ".join)
def test_each_pod_meets_the_restricted_standard(name: tuple[str, str]) -> None:
    """Kubernetes' Pod Security Standard "restricted", and a root file system that can't be written to."""
    pod = PODS[name]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False  # AUTHZ_PORT would be read as a setting
    assert [container["securityContext"] for container in pod["containers"]] == [
        {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    ]


@pytest.mark.parametrize("name", PODS, ids=" ".join)
def test_secrets_are_files_of_a_mode_that_the_server_takes(name: tuple[str, str]) -> None:
    """Decision 7: 0440, owned by root, read by the pod's own group."""
    secrets = [volume["secret"] for volume in PODS[name]["volumes"] if "secret" in volume]
    assert secrets
    assert {secret["defaultMode"] for secret in secrets} == {0o440}
    assert {("example", "Secret", secret["secretName"]) for secret in secrets} <= set(OBJECTS)
    values = [value for one in OBJECTS.values() for value in one.get("stringData", {}).values()]
    assert [value for value in values if "CHANGE-ME" not in value] == []


def test_a_pod_has_the_time_to_end_what_it_began() -> None:
    """The pause before SIGTERM and gunicorn's own patience fit into what Kubernetes grants before SIGKILL."""
    pod = PODS["Deployment", "authz"]
    gunicorn = runpy.run_path(str(ROOT / "config" / "gunicorn.conf.py"))
    pause = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] >= pause + gunicorn["graceful_timeout"] + 5


def test_only_the_migration_has_the_password_of_the_tables_owner() -> None:
    """security.md AU-3: who serves must not be able to change the trail."""
    mounted = {
        name: {volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
        for name, pod in PODS.items()
    }
    assert mounted["Deployment", "authz"] == {"authz", "authz-keys"}
    assert mounted["Job", "authz-migration"] == {"authz", "authz-keys", "authz-owner"}


def test_traffic_leaves_by_rule_only() -> None:
    """DNS, PostgreSQL, Redis, the FHIR server, and public addresses on 443: nothing else, and no metadata service."""
    policy = OBJECTS["base", "NetworkPolicy", "authz"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    ports = [sorted({port["port"] for port in rule["ports"]}) for rule in policy["egress"]]
    assert ports == [[53], [5432], [6379], [8080], [443]]
    assert "169.254.0.0/16" in policy["egress"][-1]["to"][0]["ipBlock"]["except"]


def test_the_world_asks_nobody_what_a_token_may() -> None:
    """security.md IN-01, RFC 7662 §4: to this server the ingress is a trusted proxy, whoever stands behind it."""
    (rule,) = OBJECTS["base", "Ingress", "authz"]["spec"]["rules"]
    (closed,) = [path for path in rule["http"]["paths"] if path["path"] == "/forward-auth"]
    service = OBJECTS["base", "Service", closed["backend"]["service"]["name"]]["spec"]
    assert closed["pathType"] == "Prefix"
    assert "selector" not in service
    assert "externalName" not in service
