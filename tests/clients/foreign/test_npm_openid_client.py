"""A certified OpenID Connect client (npm openid-client), as a confidential app in Node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.clients.foreign.walk import CLINICIAN, ENCOUNTER, PATIENT, App, node_site

if TYPE_CHECKING:
    from tests.hospital import Hospital

pytestmark = pytest.mark.node

SCOPE = "launch openid fhirUser offline_access patient/*.rs user/Practitioner.rs"


def test_npm_openid_client_believes_the_id_token(hospital: Hospital) -> None:
    """SMART 2.2 "Steps for using an ID token": issuer, its document, its keys, the signature, fhirUser's resource.

    This client percent-encodes the hyphens of its name in HTTP Basic (RFC 6749 §2.3.1).

    OID-09, Q-07, REQ-66, REQ-108.
    """
    app = App("oidc-letter-app", SCOPE, "client_secret_basic")
    with node_site("openid_client.mjs", app, hospital) as site:
        page = site.opened_from(hospital)
    assert page.status == 200, page.text
    assert page.json() == {
        "issuer": hospital.config.issuer,
        "iss": hospital.config.issuer,
        "aud": app.client_id,
        "fhirUser": f"{hospital.config.fhir}/{CLINICIAN}",
        "amr": ["ehr"],
        "read": f"Patient/{PATIENT}",
        "readUser": CLINICIAN,
        "userinfo": f"{hospital.config.fhir}/{CLINICIAN}",
        "scope": SCOPE,
        "encounter": ENCOUNTER,
        "sameUserAfterRefresh": True,
        "afterRevocation": 401,
    }


def test_npm_openid_client_does_not_believe_a_changed_id_token(hospital: Hospital) -> None:
    """The control of the test above: the client does check the signature."""
    app = App("oidc-forged", SCOPE, "client_secret_basic")
    with node_site("openid_client.mjs", app, hospital, forge_id_token=True) as site:
        page = site.opened_from(hospital)
    assert (page.status, page.text.splitlines()[-1]) == (
        500,
        "OAUTH_INVALID_RESPONSE | JWT signature verification failed",
    )
