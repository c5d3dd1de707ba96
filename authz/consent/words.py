"""Kinds of data in a person's words."""

from __future__ import annotations

import re

DATA = {
    "*": "all kinds of health data, also kinds added later",
    "AllergyIntolerance": "allergies",
    "Appointment": "appointments",
    "Binary": "attached files",
    "CarePlan": "care plans",
    "CareTeam": "the care team",
    "Claim": "insurance claims",
    "Communication": "messages",
    "Composition": "clinical documents",
    "Condition": "problems and diagnoses",
    "Consent": "consents",
    "Coverage": "insurance",
    "Device": "devices and implants",
    "DeviceRequest": "orders for devices",
    "DiagnosticReport": "test reports",
    "DocumentReference": "documents",
    "Encounter": "visits and hospital stays",
    "EpisodeOfCare": "episodes of care",
    "ExplanationOfBenefit": "insurance payments",
    "FamilyMemberHistory": "family history",
    "Flag": "warnings",
    "Goal": "health goals",
    "Group": "groups of patients",
    "ImagingStudy": "images such as X-rays",
    "Immunization": "vaccinations",
    "Location": "places of care",
    "Media": "photos and recordings",
    "Medication": "medicines",
    "MedicationAdministration": "medicines given",
    "MedicationDispense": "medicines handed out",
    "MedicationRequest": "prescriptions",
    "MedicationStatement": "medicines taken",
    "NutritionOrder": "diets",
    "Observation": "measurements and lab results",
    "Organization": "hospitals and practices",
    "Patient": "name, birth date and address",
    "Person": "name and contact details",
    "Practitioner": "names of doctors and nurses",
    "PractitionerRole": "roles of doctors and nurses",
    "Procedure": "operations and procedures",
    "Provenance": "who recorded what",
    "Questionnaire": "questionnaires",
    "QuestionnaireResponse": "answers to questionnaires",
    "RelatedPerson": "relatives and representatives",
    "RiskAssessment": "risk assessments",
    "Schedule": "calendars",
    "ServiceRequest": "orders and referrals",
    "Specimen": "lab samples",
    "Task": "tasks",
}
CATEGORIES = {
    "laboratory": "lab results",
    "vital-signs": "vital signs",
    "social-history": "social history",
    "imaging": "imaging results",
    "exam": "examination findings",
    "survey": "survey answers",
    "problem-list-item": "the problem list",
    "encounter-diagnosis": "diagnoses of visits",
    "health-concern": "health concerns",
}
WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")


def data(resource_type: str) -> str:
    """What a FHIR resource type holds; a type without words of its own is spelled apart."""
    return DATA.get(resource_type) or WORD.sub(" ", resource_type).lower()


def category(value: str) -> str:
    """A category code, with or without its system, in words."""
    code = value.rpartition("|")[2]
    return CATEGORIES.get(code, code)
