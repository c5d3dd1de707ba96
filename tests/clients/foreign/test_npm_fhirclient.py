"""SMART's own JavaScript client (npm fhirclient), as a public app in Node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.clients.foreign.walk import CLINICIAN, ENCOUNTER, PATIENT, App, node_site

if TYPE_CHECKING:
    from tests.hospital import Hospital

pytestmark = pytest.mark.node

APP = App("js-growth", "launch openid fhirUser online_access patient/*.rs user/Practitioner.rs", "none")


def test_npm_fhirclient_is_launched_reads_the_patient_and_refreshes(hospital: Hospital) -> None:
    """SMART 2.2 "EHR launch", REF-07: this client refreshes without naming itself, as a public app may.

    Q-01, Q-03, Q-05, REF-06, REQ-66, REQ-108.
    """
    with node_site("fhirclient.mjs", APP, hospital) as site:
        page = site.opened_from(hospital)
    assert page.status == 200, page.text
    assert page.json() == {
        "patient": PATIENT,
        "encounter": ENCOUNTER,
        "fhirUser": CLINICIAN,
        "userType": "Practitioner",
        "needPatientBanner": False,
        "scope": APP.scope,
        "read": f"Patient/{PATIENT}",
        "readUser": CLINICIAN,
        "weightsOf": [f"Patient/{PATIENT}"],
        "readAfterRefresh": f"Patient/{PATIENT}",
        "newAccessToken": True,
        "newRefreshToken": True,
    }
