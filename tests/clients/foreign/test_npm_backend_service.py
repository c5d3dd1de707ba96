"""The demo's backend service on a certified client (npm openid-client), with both of its keys."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.clients.foreign.walk import FOLDER

if TYPE_CHECKING:
    from tests.hospital import Hospital

pytestmark = pytest.mark.node


def test_npm_openid_client_gets_a_backend_services_token_with_either_key(hospital: Hospital) -> None:
    """BKS-01, BKS-03, BKS-07, BKS-08, BKS-09, ASY-02, REQ-126.

    This client names the issuer as ``aud`` of its assertion (AMB-16, Q-27).
    """
    keys = json.loads((hospital.folder / ".demo" / "bulk.jwks.json").read_text())["keys"]
    told = {
        "client_id": "bulk",
        "fhir": hospital.config.fhir,
        "scope": "system/Patient.rs",
        "search": "Patient",
        "keys": keys,
    }
    done = subprocess.run(
        ["node", "backend.mjs"], cwd=FOLDER, input=json.dumps(told), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    each = {
        "scope": "system/Patient.rs",
        "expires_in": 300,
        "token_type": "bearer",
        "refresh_token": None,
        "types": ["Patient"],
        "patients": True,
    }
    assert json.loads(done.stdout) == {"ES384": each, "RS384": each}
