"""Whose record a person may be launched with: what is known here, and what the EHR vouches for (CTX-13, AZ-78)."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

STAFF = frozenset({"Practitioner", "PractitionerRole"})
REPRESENTATIVES = frozenset({"RelatedPerson", "Person"})


class Standing(Enum):
    """What a person is to a patient."""

    STAFF = auto()  # whom they may see is for the EHR and the FHIR server
    SELF = auto()
    REPRESENTATIVE = auto()  # known here
    VOUCHED = auto()  # a representative by the EHR's word alone
    NOBODY = auto()


def standing(
    fhir_user: str | None, patient: str, represents: Callable[[], bool], *, ehr_vouches: bool = False
) -> Standing:
    """Judge ``Patient/A`` and the like; ``represents`` looks up whether they are known to act for the patient.

    Patients may act for others as well: a mother has a record of her own. An EHR can vouch for a representative only:
    of a patient nobody's word makes another patient's.
    """
    kind, _, own_id = (fhir_user or "").partition("/")
    if kind in STAFF:
        return Standing.STAFF
    if kind == "Patient" and own_id == patient:
        return Standing.SELF
    if fhir_user is not None and represents():
        return Standing.REPRESENTATIVE
    return Standing.VOUCHED if ehr_vouches and kind in REPRESENTATIVES else Standing.NOBODY
