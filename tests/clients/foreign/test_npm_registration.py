"""Certified clients of npm register themselves (openid-client and oauth4webapi), by each way to authenticate."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from tests.actors import Browser
from tests.clients.foreign.walk import FOLDER, PATIENT, STOP_SECONDS, launch
from tests.transport import OverHttp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hospital import Hospital

pytestmark = pytest.mark.node

SCOPE = "launch openid fhirUser offline_access patient/*.rs"
SECRET = {"client_secret", "client_secret_expires_at"}
METHODS = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]
SCRIPTS = ["register_openid_client.mjs", "register_oauth4webapi.mjs"]


@contextmanager
def site(script: str, settings: dict[str, Any]) -> Iterator[str]:
    """The app's site; its address."""
    with subprocess.Popen(
        ["node", script], cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            origin = process.stdout.readline().strip()
            process.stdin.write(json.dumps(settings))
            process.stdin.close()
            assert process.stdout.readline() == "open\n"
            yield origin
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


@pytest.fixture(scope="module")
def invitation(hospital: Hospital) -> str:
    """Good for all of them."""
    words = ("registration", "token", "issue", "A partner", "--quota", "8", "--approves", "--json")
    return str(json.loads(hospital.authz(*words))["initial_access_token"])


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("method", METHODS)
def test_it_registers_reads_and_is_launched(hospital: Hospital, invitation: str, script: str, method: str) -> None:
    """REG-03, MGT-04, REQ-116, RG-09: with a library that checks every answer; a secret only where one is needed."""
    settings = {
        "fhir": hospital.config.fhir,
        "initial_access_token": invitation,
        "name": f"Registered {method}",
        "method": method,
        "scope": SCOPE,
    }
    with site(script, settings) as origin:
        transport = OverHttp(origin)
        reply = transport.send("GET", f"{origin}/register")
        assert reply.status == 200, reply.text
        told = reply.json()["registered"]
        assert reply.json()["read"] == {name: value for name, value in told.items() if name != "client_secret"}
        assert (told["registration_state"], told["token_endpoint_auth_method"]) == ("approved", method)
        assert SECRET & told.keys() == (SECRET if method.startswith("client_secret") else set())
        handle = launch(hospital, told["client_id"], f"{origin}/launch")
        query = urlencode({"iss": hospital.config.fhir, "launch": handle})
        browser = Browser(OverHttp(hospital.config.issuer))
        page = browser.open(transport.send("GET", f"{origin}/launch?{query}").location)
        assert "Allow" in page.text
        back = transport.send("GET", browser.submit(page, press="allow").location)
        assert back.status == 200, back.text
        assert back.json() == {"scope": SCOPE, "aud": told["client_id"], "read": PATIENT}
