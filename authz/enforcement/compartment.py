"""Whose record is this? Per resource type the search parameters and elements that name the patient it is about.

Narrower than FHIR's Patient compartment on purpose: a patient who performed, wrote, received or paid for something does
not thereby see it (R4 puts an Observation into the compartment of its ``performer`` as well). So AuditEvent, Group,
Person, Provenance and Schedule, of which one instance may speak of many patients, are in nobody's, and neither is what
is no patient's: Practitioner, Organization, Location, Medication, Binary (SMART SCP-07). ``Patient.link`` has no
effect: a linked Patient is another one (SCP-06).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

Resource = dict[str, Any]
ID = re.compile(r"[A-Za-z0-9.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Membership:
    """How a type's resources name their patient: any of ``parameters``; the first of ``elements`` that is there.

    ``several``: one resource may be of several patients. ``sole``: FHIR's compartment has no other way in, so the
    search ``Patient/1/Type`` means the same.
    """

    parameters: tuple[str, ...]
    elements: tuple[str, ...]
    several: bool = False
    sole: bool = True


SUBJECT = ("patient", "subject")
BY_SUBJECT = Membership(SUBJECT, ("subject",))
BY_PATIENT = Membership(("patient",), ("patient",))
# FHIR's compartment takes these also by performer, author, recipient, recorder, asserter, payor or participant
SUBJECT_AND_OTHERS = Membership(SUBJECT, ("subject",), sole=False)
PATIENT_AND_OTHERS = Membership(("patient",), ("patient",), sole=False)

MEMBERSHIPS: Mapping[str, Membership] = {
    "Account": Membership(SUBJECT, ("subject",), several=True),
    "AdverseEvent": BY_SUBJECT,
    "AllergyIntolerance": PATIENT_AND_OTHERS,
    "Appointment": Membership(("patient", "actor"), ("participant.actor",), several=True),
    "AppointmentResponse": Membership(("patient", "actor"), ("actor",)),
    "Basic": SUBJECT_AND_OTHERS,
    "BiologicallyDerivedProductDispense": PATIENT_AND_OTHERS,
    "BodyStructure": BY_PATIENT,
    "CarePlan": SUBJECT_AND_OTHERS,
    "CareTeam": SUBJECT_AND_OTHERS,
    "ChargeItem": BY_SUBJECT,
    "Claim": PATIENT_AND_OTHERS,
    "ClaimResponse": BY_PATIENT,
    "ClinicalImpression": BY_SUBJECT,
    "Communication": SUBJECT_AND_OTHERS,
    "CommunicationRequest": SUBJECT_AND_OTHERS,
    "Composition": SUBJECT_AND_OTHERS,
    "Condition": SUBJECT_AND_OTHERS,
    "Consent": Membership(SUBJECT, ("patient", "subject"), sole=False),  # R4, R5
    "Coverage": Membership(("patient", "beneficiary"), ("beneficiary",), sole=False),
    "CoverageEligibilityRequest": BY_PATIENT,
    "CoverageEligibilityResponse": BY_PATIENT,
    "DetectedIssue": Membership(SUBJECT, ("patient", "subject")),
    "DeviceDispense": SUBJECT_AND_OTHERS,
    "DeviceRequest": SUBJECT_AND_OTHERS,
    "DeviceUsage": BY_PATIENT,
    "DeviceUseStatement": BY_SUBJECT,
    "DiagnosticReport": BY_SUBJECT,
    "DocumentManifest": SUBJECT_AND_OTHERS,
    "DocumentReference": SUBJECT_AND_OTHERS,
    "Encounter": BY_SUBJECT,
    "EncounterHistory": BY_SUBJECT,
    "EnrollmentRequest": Membership(SUBJECT, ("candidate",)),
    "EpisodeOfCare": BY_PATIENT,
    "ExplanationOfBenefit": PATIENT_AND_OTHERS,
    "FamilyMemberHistory": BY_PATIENT,
    "Flag": SUBJECT_AND_OTHERS,
    "GenomicStudy": BY_SUBJECT,
    "Goal": BY_SUBJECT,
    "ImagingSelection": BY_SUBJECT,
    "ImagingStudy": BY_SUBJECT,
    "Immunization": PATIENT_AND_OTHERS,
    "ImmunizationEvaluation": BY_PATIENT,
    "ImmunizationRecommendation": BY_PATIENT,
    "Invoice": SUBJECT_AND_OTHERS,
    "List": SUBJECT_AND_OTHERS,
    "MeasureReport": BY_SUBJECT,
    "Media": SUBJECT_AND_OTHERS,
    "MedicationAdministration": SUBJECT_AND_OTHERS,
    "MedicationDispense": SUBJECT_AND_OTHERS,
    "MedicationRequest": SUBJECT_AND_OTHERS,
    "MedicationStatement": SUBJECT_AND_OTHERS,
    "MolecularSequence": Membership(SUBJECT, ("patient", "subject")),
    "NutritionIntake": SUBJECT_AND_OTHERS,
    "NutritionOrder": Membership(SUBJECT, ("patient", "subject")),
    "Observation": SUBJECT_AND_OTHERS,
    "Procedure": SUBJECT_AND_OTHERS,
    "QuestionnaireResponse": SUBJECT_AND_OTHERS,
    "RelatedPerson": BY_PATIENT,
    "RequestGroup": SUBJECT_AND_OTHERS,
    "RequestOrchestration": SUBJECT_AND_OTHERS,
    "ResearchSubject": Membership(("patient", "individual", "subject"), ("individual", "subject")),
    "RiskAssessment": BY_SUBJECT,
    "ServiceRequest": SUBJECT_AND_OTHERS,
    "Specimen": BY_SUBJECT,
    "SupplyDelivery": PATIENT_AND_OTHERS,
    "VisionPrescription": BY_PATIENT,
}


def patient_of_reference(text: str, bases: Collection[str]) -> str | None:
    """The id in ``Patient/1`` or ``{base}/Patient/1`` of this FHIR server; None for anything else."""
    base, slash, id_ = text.rpartition("/")
    if not slash or not ID.fullmatch(id_):
        return None
    return id_ if base == "Patient" or base in {f"{base_url}/Patient" for base_url in bases} else None


def concerns(resource: Resource, patients: Collection[str], bases: Collection[str] = (), *, alone: bool = True) -> bool:
    """Whether a resource is about one of these patients; ``alone``: and about nobody else, as far as it says."""
    type_ = resource.get("resourceType")
    if type_ == "Patient":
        return resource.get("id") in patients
    membership = MEMBERSHIPS.get(type_) if isinstance(type_, str) else None
    if membership is None:
        return False
    found = False
    for value in owners(resource, membership):
        reference = value.get("reference") if isinstance(value, dict) else None
        patient = patient_of_reference(reference, bases) if isinstance(reference, str) else None
        if patient is not None and patient in patients:
            found = True
        elif alone and not (membership.several and is_another_kind(value)):
            return False
    return found


def owners(resource: Resource, membership: Membership) -> Iterator[Any]:
    """The values of every element that may name the patient; one that is there twice counts twice."""
    for path in membership.elements:
        values: list[Any] = [resource]
        for name in path.split("."):
            members = [value.get(name) for value in values if isinstance(value, dict)]
            values = [item for value in members for item in (value if isinstance(value, list) else [value])]
        yield from (value for value in values if value is not None)


def is_another_kind(value: Any) -> bool:
    """Whether this is plainly a reference to something that is no patient, such as an appointment's doctor."""
    reference = value.get("reference") if isinstance(value, dict) else None
    if not isinstance(reference, str) or not re.fullmatch(r"[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}", reference):
        return False
    return not reference.startswith("Patient/")
