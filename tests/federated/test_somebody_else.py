"""Somebody with an account at the hospital's provider tries to become somebody else here (decision 19)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authz.errors import InvalidValue
from tests.federated.test_who import DANA, SEARCH, arrive, fhir_user, sub_of
from tests.upstream import practitioner

if TYPE_CHECKING:
    from tests.federated.conftest import Hospital

BORN = "hospital:Practitioner?family:exact={family_name}&birthdate={birthdate}"


@pytest.mark.parametrize(
    "query",
    [
        "family={family_name}",
        "birthdate={birthdate}&given={given_name}",
        "name={name}",
        "name:contains={name}",
        "identifier={number}",
        "identifier:not=http://staff.example|{number}",
        "address-postalcode={zip}&birthdate={birthdate}",
    ],
)
def test_a_search_that_finds_others_too_is_not_taken(hospital: Hospital, query: str) -> None:
    """FHIR search §string, §token: whose name only begins so would be taken for the one who signed in."""
    with pytest.raises(InvalidValue):
        hospital.rules(searches=[f"hospital:Practitioner?{query}"])


@pytest.mark.parametrize(
    "birthdate", ["ge1900-01-01", "1980", "1980-01", "ne1980-01-01", "0000-00", "1980-01-01T00:00"]
)
def test_a_date_means_one_day(hospital: Hospital, birthdate: str) -> None:
    """FHIR search §prefix: else whoever can write it, or was registered by the year, is shown others and may choose."""
    hospital.rules(searches=[BORN])
    hospital.network.people = [practitioner("p-17", "17")]
    hospital.provider.person = {**DANA, "family_name": "Who", "birthdate": birthdate}
    arrive(hospital, "openid")
    assert (hospital.network.searches, fhir_user(hospital, "idp-dana")) == ([], None)


def test_a_day_is_asked_for(hospital: Hospital) -> None:
    """So that what finds nobody above does so for its date."""
    hospital.rules(searches=[BORN])
    hospital.provider.person = {**DANA, "family_name": "Who, D", "birthdate": "1980-01-01"}
    arrive(hospital, "openid")
    asked = {"family:exact": r"Who\, D", "birthdate": "1980-01-01", "_count": "11"}
    assert hospital.network.searches == [("Practitioner", asked)]


@pytest.mark.parametrize(
    "subject", ["IDP-DANA", "idp-dana ", " idp-dana", "idp-dana\u200b", "idp\u2010dana", "idp-d\u0430na"]
)
def test_a_subject_is_compared_character_by_character(hospital: Hospital, subject: str) -> None:
    """OIDC Core §2: case-sensitive, and nothing of it is overlooked; alike subjects are different people."""
    hospital.rules(searches=[SEARCH])
    hospital.network.people = [practitioner("p-17", "17")]
    hospital.provider.person = dict(DANA)
    arrive(hospital)
    hospital.provider.person = {**DANA, "sub": subject}
    arrive(hospital, "openid")
    assert sub_of(hospital, subject) != sub_of(hospital, "idp-dana")
    assert (fhir_user(hospital, "idp-dana"), fhir_user(hospital, subject)) == ("Practitioner/p-17", None)
