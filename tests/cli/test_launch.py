"""``authz launch create``: what an EHR does, by hand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from authz.launch.launch import launch_id_of

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

CREATE = ("launch", "create", "--client", "growth-chart", "--user", "Practitioner/prac-1")


@pytest.fixture
def clinic(hospital: Cli) -> Cli:
    """A hospital with an app."""
    urls = ("--redirect-uri", "https://app.example/cb", "--launch-uri", "https://app.example/launch")
    identity = ("--client-id", "growth-chart", "--name", "Growth chart", "--auth-method", "none")
    hospital("client", "add", *identity, *urls, "--scope", "launch patient/*.rs")
    return hospital


@pytest.mark.parametrize("server", [(), ("--fhir-server", "main"), ("--fhir-server", "https://fhir.example/r4/")])
def test_a_launch_is_shown_with_the_address_that_opens_the_app(clinic: Cli, server: tuple[str, ...]) -> None:
    made = clinic(*CREATE, *server, "--patient", "child-1")
    assert made == {
        "launch": made["launch"],
        "launch_id": made["launch_id"],
        "launch_url": made["launch_url"],
        "expires_in": 300,
    }
    iss = server[1] if "://" in "".join(server) else "https://fhir.example/r4"
    assert parse_qs(urlsplit(made["launch_url"]).query) == {"iss": [iss], "launch": [made["launch"]]}


def test_the_trail_says_that_an_operator_made_it(clinic: Cli) -> None:
    made = clinic(
        *CREATE, "--patient", "child-1", "--fhir-context", "ServiceRequest/7", "--encounter", "visit-7", "--intent", "x"
    )
    (found,) = clinic("audit", "search", "--event", "launch.created")
    assert (found["launch_id"], found["patient"], found["encounter"]) == (made["launch_id"], "child-1", "visit-7")
    assert found["detail"] == {"ehr": None, "written_by": "operator"}
    assert found["user_agent"].startswith("authz launch create, by ")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--patient", "Patient/1"), "patient: must be the logical id of a Patient"),
        (("--launch-url", "https://evil.example/"), "launch_url: not registered for this app"),
        (("--fhir-context", "x"), "fhirContext[0].reference: must be a relative reference such as ImagingStudy/123"),
        (("--fhir-server", "https://evil.example/r4"), "fhir_server: no such FHIR server"),
    ],
)
def test_what_can_not_be_is_refused_as_an_ehr_would_be(clinic: Cli, words: tuple[str, ...], problem: str) -> None:
    assert clinic.refused(*CREATE, *words) == {"error": "invalid_request", "error_description": problem}


def test_no_launchs_name_looks_like_an_option() -> None:
    """``authz launch inspect <launch_id>`` must read each of them as what it is."""
    assert all(re.fullmatch(r"[0-9a-f]{32}", launch_id_of(str(number))) for number in range(500))
