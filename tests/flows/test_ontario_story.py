"""The Ontario story: a referral system, a confidential app with a secret, is launched at a ServiceRequest.

It knows its own registration and what ``/metadata`` says, nothing else: no well-known document of SMART is asked for.
"""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import urllib3
from joserfc import jwt
from joserfc.jwk import KeySet

from demo.config import EHR_CREDENTIAL, REFERRAL_CREDENTIAL
from tests.actors import Browser, Ehr, basic, challenge
from tests.hospital import Hospital, running_hospital
from tests.transport import OverHttp

if TYPE_CHECKING:
    from collections.abc import Iterator

OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
SCOPE = "launch openid fhirUser patient/Patient.read"
PATIENT, CLINICIAN, REFERRAL = "pat-2", "Practitioner/prac-1", "ServiceRequest/sr-1"


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with running_hospital(tmp_path_factory.mktemp("ontario")) as hospital:
        yield hospital


def get_json(url: str, token: str | None = None) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    reply = urllib3.request("GET", url, headers=headers, retries=False, timeout=10)
    assert reply.status == 200, reply.data
    body: dict[str, Any] = reply.json()
    return body


@dataclass
class ReferralSystem:
    """The app's server; a launch takes it from the launch URL to a token and a user it has verified."""

    redirect_uri: str

    def endpoints(self, iss: str) -> dict[str, str]:
        """``authorize`` and ``token`` as the CapabilityStatement tells them (SMART 1.0)."""
        statement = get_json(f"{iss}/metadata")
        assert (statement["resourceType"], statement["kind"]) == ("CapabilityStatement", "instance")
        extensions = statement["rest"][0]["security"]["extension"]
        (found,) = (extension["extension"] for extension in extensions if extension["url"] == OAUTH_URIS)
        return {item["url"]: item["valueUri"] for item in found}

    def opened(self, launch_url: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the token response says, and the claims of the id_token once they are proved."""
        query = {name: value for name, (value,) in parse_qs(urlsplit(launch_url).query).items()}
        endpoints = self.endpoints(query["iss"])
        verifier, state, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        request = {
            "response_type": "code",
            "client_id": REFERRAL_CREDENTIAL.name,
            "redirect_uri": self.redirect_uri,
            "scope": SCOPE,
            "launch": query["launch"],
            "aud": query["iss"],
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge(verifier),
            "code_challenge_method": "S256",
        }
        issuer = "{0.scheme}://{0.netloc}".format(urlsplit(endpoints["authorize"]))
        arrived = Browser(OverHttp(issuer)).open(f"{endpoints['authorize']}?{urlencode(request)}")
        answer = arrived.location_parameters
        assert arrived.location.startswith(f"{self.redirect_uri}?"), arrived.text
        assert answer["state"] == state
        form = {
            "grant_type": "authorization_code",
            "code": answer["code"],
            "redirect_uri": self.redirect_uri,
            "code_verifier": verifier,
        }
        reply = urllib3.request(
            "POST",
            endpoints["token"],
            body=urlencode(form),
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                **basic(REFERRAL_CREDENTIAL.name, REFERRAL_CREDENTIAL.secret),
            },
            retries=False,
            timeout=10,
        )
        assert reply.status == 200, reply.data
        tokens = reply.json()
        return tokens, verified(tokens["id_token"], nonce)


def verified(id_token: str, nonce: str) -> dict[str, Any]:
    """SMART's five steps: read ``iss``, its document, its keys, verify the signature and claims, take ``fhirUser``."""
    issuer = json.loads(urlsafe_b64decode(id_token.split(".")[1] + "=="))["iss"]  # believed once the signature holds
    document = get_json(f"{issuer}/.well-known/openid-configuration")
    assert document["issuer"] == issuer
    keys = KeySet.import_key_set(get_json(document["jwks_uri"]))  # type: ignore[arg-type]  # a dictionary as it came
    token = jwt.decode(id_token, keys, algorithms=["RS256"])
    rules = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": REFERRAL_CREDENTIAL.name},
        nonce={"essential": True, "value": nonce},
        exp={"essential": True},
        sub={"essential": True},
    )
    rules.validate(token.claims)
    return dict(token.claims)


def launch_url(hospital: Hospital) -> str:
    """The clinician clicks on the referral in the EHR."""
    ehr = Ehr(OverHttp(hospital.config.issuer), EHR_CREDENTIAL.name, EHR_CREDENTIAL.secret, hospital.config.fhir)
    made = ehr.launch("referral", CLINICIAN, patient=PATIENT, fhirContext=[{"reference": REFERRAL}])
    return str(made["launch_url"])


def test_a_referral_system_is_launched_at_a_service_request_and_knows_patient_and_user(hospital: Hospital) -> None:
    """REQ-32, REQ-33, REQ-38, REQ-41, REQ-43, REQ-44, REQ-45, REQ-48, REQ-49, REQ-52, REQ-53, REQ-59, REQ-60, REQ-61.

    The endpoints come from the CapabilityStatement alone (CS-01, CS-02, VER-01); the second launch is the same person
    (REQ-46).

    REQ-12, REQ-57.
    """
    system = ReferralSystem(f"{hospital.config.app}/referral")
    tokens, claims = system.opened(launch_url(hospital))
    secret = {name: tokens.pop(name) for name in ("access_token", "id_token")}
    assert tokens == {
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": SCOPE,
        "patient": PATIENT,
        "fhirContext": [{"reference": REFERRAL}],
    }
    assert claims["fhirUser"] == f"{hospital.config.fhir}/{CLINICIAN}"
    user = get_json(claims["fhirUser"], secret["access_token"])
    patient = get_json(f"{hospital.config.fhir}/Patient/{PATIENT}", secret["access_token"])
    assert (user["resourceType"], user["id"]) == ("Practitioner", "prac-1")
    assert (patient["resourceType"], patient["id"]) == ("Patient", PATIENT)
    _tokens, again = system.opened(launch_url(hospital))
    assert (again["iss"], again["sub"]) == (claims["iss"], claims["sub"])
    assert again["fhirUser"] == claims["fhirUser"]
