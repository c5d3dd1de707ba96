"""SMART's own Python client (PyPI fhirclient); it finds the server by the FHIR server's /metadata alone."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from demo.config import GROWTH_CHART, REFERRAL_CREDENTIAL
from tests.clients.foreign.walk import ENCOUNTER, FOLDER, PATIENT, launch, through_the_server

if TYPE_CHECKING:
    from tests.hospital import Hospital


def report_of(hospital: Hospital, launch_url: str, **settings: str) -> Any:
    """Run the client in a process of its own; this test is its browser."""
    handle = launch(hospital, settings["app_id"], launch_url)
    with subprocess.Popen(
        [sys.executable, "pypi_fhirclient.py"], cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        told = {"api_base": hospital.config.fhir, "launch_token": handle, **settings}
        process.stdin.write(json.dumps(told) + "\n")
        process.stdin.flush()
        authorize_url = json.loads(process.stdout.readline())["authorize_url"]
        url = through_the_server(hospital, authorize_url)
        assert url.startswith(f"{settings['redirect_uri']}?")
        process.stdin.write(json.dumps({"url": url}) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())


def expected(scope: str) -> dict[str, object]:
    return {
        "patient": PATIENT,
        "encounter": ENCOUNTER,
        "scope": scope,
        "read": f"Patient/{PATIENT}",
        "weights_of": [f"Patient/{PATIENT}"],
        "new_access_token": True,
        "read_after_refresh": f"Patient/{PATIENT}",
    }


def test_pypi_fhirclient_is_launched_as_a_confidential_app(hospital: Hospital) -> None:
    """SMART 1.0 (oauth-uris), scopes as SMART 1 wrote them, the client_id in Basic and in the body too.

    CS-01, CS-02, VER-05, SYM-01, TOK-04, REQ-66, REQ-76, REQ-108.
    """
    report = report_of(
        hospital,
        f"{hospital.config.app}/referral/launch",
        app_id=REFERRAL_CREDENTIAL.name,
        app_secret=REFERRAL_CREDENTIAL.secret,
        redirect_uri=f"{hospital.config.app}/referral",
        scope="openid fhirUser offline_access patient/*.read",
    )
    assert report == expected("launch openid fhirUser offline_access patient/*.read")


def test_pypi_fhirclient_is_launched_as_a_public_app(hospital: Hospital) -> None:
    """SMART 2.2 "EHR launch": the same without a secret; access ends with the EHR's session (online_access).

    REQ-66, REQ-72, REQ-76, REQ-108.
    """
    report = report_of(
        hospital,
        f"{hospital.config.app}/launch.html",
        app_id=GROWTH_CHART,
        redirect_uri=f"{hospital.config.app}/",
        scope="openid fhirUser online_access patient/*.rs",
    )
    assert report == expected("launch openid fhirUser online_access patient/*.rs")
