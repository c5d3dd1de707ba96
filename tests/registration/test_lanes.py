"""Which lane an app takes is decided by the most that it asks for (requirements.md row 116, D14)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.clients.metadata import ClientMetadata, InvalidClientMetadata
from authz.registration.lanes import FOR_PATIENTS, Lane, in_lane, lane_of

KEY = {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://app.example/jwks"}
PATIENT = ["patient/*.rs", "patient/Observation.rs?category=laboratory", "launch", "launch/patient", "openid"]
PROVIDER = ["user/*.rs", "user/Patient.r", "messaging/ui", "https://example.org/scopes/print"]
SYSTEM = ["system/*.rs", "system/Patient.r"]
TYPES = ["Patient", "RelatedPerson", "Person", "Practitioner", "PractitionerRole"]
STRICTER = [Lane.PATIENT, Lane.PROVIDER, Lane.BACKEND]

apps = st.builds(
    lambda scopes, types, grants: app(" ".join(scopes), types, grants),
    st.lists(st.sampled_from(PATIENT + PROVIDER + SYSTEM), unique=True),
    st.lists(st.sampled_from(TYPES), unique=True),
    st.sampled_from([["authorization_code"], ["client_credentials"], ["authorization_code", "client_credentials"]]),
)


def app(scope: str = "", types: list[str] | None = None, grants: list[str] | None = None) -> ClientMetadata:
    members: dict[str, Any] = {"client_name": "An app", "redirect_uris": ["https://app.example/cb"], **KEY}
    members |= {"scope": scope}
    return ClientMetadata.load(
        members | {"fhir_user_types": types or [], "grant_types": grants or ["authorization_code"]}
    )


@pytest.mark.parametrize(
    ("metadata", "lane"),
    [
        (app("launch/patient patient/*.rs openid fhirUser offline_access"), Lane.PATIENT),
        (app("patient/*.rs", ["Patient"]), Lane.PATIENT),
        (app("patient/*.rs", ["Patient", "Practitioner"]), Lane.PROVIDER),
        (app("patient/*.rs", ["Person"]), Lane.PROVIDER),
        (app("launch patient/*.rs user/Practitioner.r"), Lane.PROVIDER),
        (app("launch patient/*.rs messaging/scratchpad"), Lane.PROVIDER),
        (app("patient/*.rs", grants=["client_credentials"]), Lane.BACKEND),
        (app("user/*.rs system/*.rs", grants=["authorization_code", "client_credentials"]), Lane.BACKEND),
    ],
)
def test_each_kind_of_app_has_its_lane(metadata: ClientMetadata, lane: Lane) -> None:
    """RG-06, requirements.md row 116."""
    assert lane_of(metadata) is lane


def test_a_patient_facing_app_is_for_patients_and_who_represents_them() -> None:
    assert in_lane(app("patient/*.rs"), Lane.PATIENT) == app("patient/*.rs", list(FOR_PATIENTS))
    assert in_lane(app("patient/*.rs", ["Patient"]), Lane.PATIENT) == app("patient/*.rs", ["Patient"])
    assert in_lane(app("user/*.rs"), Lane.PROVIDER) == app("user/*.rs")


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        ("system/*.cruds user/*.cruds", "scope: system/ needs the grant type client_credentials, which needs a key"),
        ("patient/*.rs __launch", "scope: __launch is given by the hospital only"),
        ("__introspect __swm_introspect", "scope: __introspect, __swm_introspect is given by the hospital only"),
    ],
)
def test_what_nobody_from_outside_may_ask_for_is_refused(scope: str, told: str) -> None:
    """RG-06, decision 17."""
    with pytest.raises(InvalidClientMetadata) as refused:
        in_lane(app(scope), lane_of(app(scope)))
    assert refused.value.description == told


@given(apps, st.sampled_from(PATIENT + PROVIDER + SYSTEM))
def test_asking_for_more_never_leads_to_an_easier_lane(metadata: ClientMetadata, scope: str) -> None:
    """RG-06."""
    more = app(f"{metadata.scope} {scope}", list(metadata.user_types), list(metadata.grant_types))
    assert STRICTER.index(lane_of(more)) >= STRICTER.index(lane_of(metadata))


@given(apps)
def test_an_app_in_the_easy_lane_is_for_nobody_but_patients_and_asks_for_their_records_only(
    metadata: ClientMetadata,
) -> None:
    """RG-06."""
    if lane_of(metadata) is Lane.PATIENT:
        placed = in_lane(metadata, Lane.PATIENT)
        assert set(placed.user_types) <= set(FOR_PATIENTS)
        assert placed.user_types
        assert not set(placed.scope.split()) & {*PROVIDER, *SYSTEM}
        assert "client_credentials" not in placed.grant_types
