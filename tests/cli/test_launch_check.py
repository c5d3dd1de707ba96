"""``authz launch check``: an EHR's launch is looked at as a whole, and nothing is made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli

GOOD: dict[str, Any] = {
    "client_id": "growth-chart",
    "fhir_server": "https://fhir.example/r4",
    "user": "Practitioner/prac-1",
    "patient": "child-1",
    "fhirContext": [{"reference": "ServiceRequest/1"}],
    "appContext": '{"card": 1}',
    "__own": True,
}


@pytest.fixture
def clinic(hospital: Cli) -> Cli:
    """A hospital with an app that an EHR may open, one that it may not, and an EHR of another FHIR server."""
    urls = ("--redirect-uri", "https://app.example/cb", "--launch-uri", "https://app.example/launch")
    for name, scope in (("growth-chart", "launch patient/*.rs"), ("alone", "patient/*.rs")):
        identity = ("--client-id", name, "--name", "An app", "--auth-method", "none")
        hospital("client", "add", *identity, *urls, "--scope", scope)
    hospital("fhir-server", "add", "other", "--base-url", "https://other.example/r4")
    hospital("ehr", "add", "--fhir-server", "main", "--client-id", "epic")
    hospital("ehr", "add", "--fhir-server", "other", "--client-id", "elsewhere")
    return hospital


def check(clinic: Cli, launch: object, *words: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and what was shown as JSON."""
    text = launch if isinstance(launch, str) else json.dumps(launch)
    code, out, err = clinic.run("launch", "check", "-", "--json", *words, stdin=text)
    assert err == ""
    found: dict[str, Any] = json.loads(out)
    return code, found


def made(clinic: Cli) -> list[Any]:
    return [*clinic("user", "list"), *clinic("audit", "search", "--event", "launch.created")]


@pytest.mark.parametrize("words", [(), ("--ehr", "epic")])
def test_a_good_launch_is_shown_as_the_app_would_get_it_and_not_made(clinic: Cli, words: tuple[str, ...]) -> None:
    code, shown = check(clinic, GOOD, *words)
    gets = {name: GOOD[name] for name in ("patient", "fhirContext", "appContext", "__own")}
    assert (code, shown) == (0, {"ok": True, "problems": [], "app_gets": gets})
    assert made(clinic) == []


def test_everything_that_is_wrong_is_said_at_once(clinic: Cli) -> None:
    """Section 10, LA-03, LA-05, FCX-01, FCX-06: schema and registries, each in words and by name."""
    launch = {
        "client_id": "nobody",
        "fhir_server": "https://fhir.example/r4",
        "user": "nobody",
        "patient": "Patient/1",
        "need_patient_banner": "false",
        "fhirContext": [{"reference": "Nonsense/1"}],
        "web_messaging_origin": "https://evil.example",
        "auth_time": 253_402_300_799,
        "a.b": 1,
        "exp": 1,
    }
    code, shown = check(clinic, launch)
    not_a_member = "not a member of a launch, and a name of your own is a URI or starts with two underscores"
    assert code == 1
    assert sorted(shown.pop("problems")) == sorted(
        [
            "patient: must be the logical id of a Patient",
            "need_patient_banner: must be true or false, a JSON boolean",
            f"a.b: {not_a_member}",
            f"exp: {not_a_member}",
            "auth_time: is in the future",
            "client_id: no such app at this FHIR server",
            "web_messaging_origin: not registered for this FHIR server",
            "fhirContext[0]: Nonsense is no resource type of this FHIR server",
            "user: no such person here",
        ]
    )
    assert shown == {"ok": False}
    assert made(clinic) == []


PROBLEMS: list[tuple[str, dict[str, Any], str]] = [
    ("app alone", {"client_id": "alone"}, "client_id: the app is not registered for scope launch, so it could not use"),
    ("FHIR server", {"fhir_server": "https://evil.example/r4"}, "fhir_server: no such FHIR server"),
    ("no FHIR server", {"fhir_server": None}, "fhir_server: must be a base URL"),
    ("launch URL", {"launch_url": "https://evil.example/"}, "launch_url: not registered for this app"),
    ("stranger", {"user": "Patient/other"}, "patient: not the user's own record, nor of somebody the user is known"),
    ("mother as context", {"fhirContext": [{"reference": "Patient/m"}]}, "fhirContext[0]: the launch's own patient"),
]


@pytest.mark.parametrize(("changes", "problem"), [case[1:] for case in PROBLEMS], ids=[case[0] for case in PROBLEMS])
def test_one_thing_that_is_wrong_is_the_only_one_said(clinic: Cli, changes: dict[str, Any], problem: str) -> None:
    """LAU-01, TSK-03, CTX-13, FCX-06."""
    code, shown = check(clinic, GOOD | changes)
    assert code == 1
    (said,) = shown["problems"]
    assert said.startswith(problem)


def test_an_ehr_speaks_for_its_own_fhir_servers_only(clinic: Cli) -> None:
    """LA-02."""
    code, shown = check(clinic, GOOD, "--ehr", "elsewhere")
    assert (code, shown["problems"]) == (1, ["fhir_server: this credential is not for that FHIR server"])
    assert clinic.refused("launch", "check", "-", "--ehr", "nobody", stdin="{}")["error"] == "not_found"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "it can not be read: not JSON: line 1, column 2"),
        ('{"a":1,"a":2}', "it can not be read: a member occurs twice in one object"),
        ("[]", "a launch is a JSON object"),
    ],
)
def test_what_is_no_launch_at_all_is_said_too(clinic: Cli, text: str, problem: str) -> None:
    assert check(clinic, text) == (1, {"ok": False, "problems": [problem]})


def test_people_read_sentences(clinic: Cli, tmp_path: Path) -> None:
    """From a file, without ``--json``."""
    file = tmp_path / "launch.json"
    file.write_text(json.dumps(GOOD | {"patient": ""}))
    refused = "This launch would be refused:\n- patient: must be the logical id of a Patient\n"
    assert clinic.run("launch", "check", str(file)) == (1, refused, "")
    file.write_text(json.dumps({name: GOOD[name] for name in ("client_id", "fhir_server", "user", "patient")}))
    taken = "This launch would be taken. The app would get:\npatient  child-1\n"
    assert clinic.run("launch", "check", str(file)) == (0, taken, "")
