"""What the tests of all foreign clients share: an EHR that launches, a browser that walks, apps that are registered."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from demo.config import EHR_CREDENTIAL
from tests.actors import Browser, Ehr
from tests.transport import OverHttp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hospital import Hospital
    from tests.transport import Reply

FOLDER = Path(__file__).resolve().parent
PATIENT, ENCOUNTER, CLINICIAN = "child-1", "enc-11", "Practitioner/prac-1"
STOP_SECONDS = 10


def launch(hospital: Hospital, client_id: str, launch_url: str) -> str:
    """The EHR puts the launch down; returns the handle."""
    ehr = Ehr(OverHttp(hospital.config.issuer), EHR_CREDENTIAL.name, EHR_CREDENTIAL.secret, hospital.config.fhir)
    context = {"patient": PATIENT, "encounter": ENCOUNTER, "need_patient_banner": False, "session": "ehr-session"}
    return str(ehr.launch(client_id, CLINICIAN, launch_url=launch_url, **context)["launch"])


def through_the_server(hospital: Hospital, authorize_url: str) -> str:
    """A browser opens the authorization endpoint; returns where it is sent back to. Nobody is asked anything."""
    assert authorize_url.startswith(f"{hospital.config.issuer}/authorize?")
    return Browser(OverHttp(hospital.config.issuer)).open(authorize_url).location


@dataclass(frozen=True)
class App:
    """How a vetted app is registered."""

    client_id: str
    scope: str
    auth_method: str

    def register(self, hospital: Hospital, origin: str) -> dict[str, Any]:
        """As an operator does it; returns what the app's developer is told."""
        answer = hospital.authz(
            *("client", "add", "--json", "--name", self.client_id, "--client-id", self.client_id),
            *("--auth-method", self.auth_method, "--scope", self.scope, "--skip-consent-in-ehr-launch"),
            *("--redirect-uri", f"{origin}/callback", "--launch-uri", f"{origin}/launch", "--fhir-server", "demo"),
        )
        told: dict[str, Any] = json.loads(answer)
        return told


@dataclass(frozen=True)
class Site:
    """An app in Node that serves a launch page and a redirect page."""

    origin: str
    app: App

    def opened_from(self, hospital: Hospital) -> Reply:
        """The EHR opens the app, a browser goes where it is sent; returns the page on which it arrives."""
        transport = OverHttp(self.origin)
        launch_url = f"{self.origin}/launch"
        query = {"iss": hospital.config.fhir, "launch": launch(hospital, self.app.client_id, launch_url)}
        first = transport.send("GET", f"{launch_url}?{urlencode(query)}")
        assert first.status == 302, first.text
        back = through_the_server(hospital, first.location)
        assert back.startswith(f"{self.origin}/callback?")
        return transport.send("GET", back)


@contextmanager
def node_site(script: str, app: App, hospital: Hospital, **settings: object) -> Iterator[Site]:
    """Start the site, register the app at the address where it listens, stop the site at the end."""
    with subprocess.Popen(
        ["node", script], cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            origin = process.stdout.readline().strip()
            registration = app.register(hospital, origin)
            process.stdin.write(json.dumps({**registration, **settings}))
            process.stdin.close()
            assert process.stdout.readline() == "open\n"
            yield Site(origin, app)
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)
