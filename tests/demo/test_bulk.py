"""The demo's backend service: a script with ``bulk.jwks.json`` reads every record (SMART section 16)."""

from __future__ import annotations

import json
import secrets
import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import urllib3
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from tests.hospital import Hospital, running_hospital

if TYPE_CHECKING:
    from pathlib import Path


def bulk_token(hospital: Hospital, key: ECKey | RSAKey, alg: str, scope: str) -> str:
    """As the script would: the token endpoint from the FHIR server's discovery document, an assertion, a token."""
    discovery = f"{hospital.config.fhir}/.well-known/smart-configuration"
    url = urllib3.request("GET", discovery, retries=False, timeout=10).json()["token_endpoint"]
    claims = {"iss": "bulk", "sub": "bulk", "aud": url, "exp": int(time.time()) + 240, "jti": secrets.token_hex(16)}
    header = {"alg": alg, "kid": key.kid, "typ": "JWT"}
    form = {
        "grant_type": "client_credentials",
        "scope": scope,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode(header, claims, key, algorithms=[alg]),
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = urllib3.request("POST", url, body=urlencode(form), headers=headers, retries=False, timeout=10)
    assert reply.status == 200, reply.data
    assert reply.json()["scope"] == scope
    return str(reply.json()["access_token"])


def test_a_script_reads_all_patients_with_either_key(tmp_path: Path) -> None:
    """BKS-03, ASY-02: ES384 and RS384; the FHIR server honours ``system/``, and no more of it than was granted."""
    with running_hospital(tmp_path) as hospital:
        file = tmp_path / ".demo" / "bulk.jwks.json"
        assert file.stat().st_mode & 0o777 == 0o600
        es384, rs384 = json.loads(file.read_text())["keys"]
        for key, alg in ((ECKey.import_key(es384), "ES384"), (RSAKey.import_key(rs384), "RS384")):
            token = bulk_token(hospital, key, alg, "system/Patient.rs")
            headers = {"Authorization": f"Bearer {token}"}
            read = {
                type_: urllib3.request(
                    "GET", f"{hospital.config.fhir}/{type_}", headers=headers, retries=False, timeout=10
                )
                for type_ in ("Patient", "Observation")
            }
            assert {type_: reply.status for type_, reply in read.items()} == {"Patient": 200, "Observation": 403}
            assert read["Patient"].json()["total"] > 5
