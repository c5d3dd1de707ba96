"""Finer kinds of data: the categories of US Core, each with the search that finds it (SMART 2.2 "Finer-grained …").

A title as in the middle of a sentence, a short and a long description; an installation adds and changes some by a file.
"""

from __future__ import annotations

OBSERVATION = "category=http://terminology.hl7.org/CodeSystem/observation-category|"
CONDITION = "category=http://terminology.hl7.org/CodeSystem/condition-category|"
US_CORE = "category=http://hl7.org/fhir/us/core/CodeSystem/us-core-category|"
CONCERN = "category=http://hl7.org/fhir/us/core/CodeSystem/condition-category|health-concern"
NOTE = "category=http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category|clinical-note"

CATEGORIES: dict[str, tuple[str, str, tuple[str, str, str]]] = {
    "lab-results": (
        "Observation",
        f"{OBSERVATION}laboratory",
        (
            "lab results",
            "Blood, urine and other tests",
            "Results from a laboratory, which can show infections, pregnancy, drugs and inherited illnesses.",
        ),
    ),
    "vital-signs": (
        "Observation",
        f"{OBSERVATION}vital-signs",
        (
            "vital signs",
            "Blood pressure, pulse, temperature, weight",
            "What is measured at nearly every visit: blood pressure, pulse, breathing, temperature, height and weight.",
        ),
    ),
    "social-history": (
        "Observation",
        f"{OBSERVATION}social-history",
        (
            "social history",
            "Smoking, alcohol, work and family",
            "How somebody lives: smoking, alcohol, drugs, work, family, sexual orientation and gender.",
        ),
    ),
    "living-conditions": (
        "Observation",
        f"{US_CORE}sdoh",
        (
            "living conditions",
            "Housing, food, money and safety",
            "Answers about what makes life hard: housing, food, money, transport, loneliness and violence.",
        ),
    ),
    "survey-answers": (
        "Observation",
        f"{OBSERVATION}survey",
        (
            "answers to surveys",
            "Questions about health and mood",
            "Answers and scores of questionnaires, such as about pain, depression or development.",
        ),
    ),
    "imaging-results": (
        "Observation",
        f"{OBSERVATION}imaging",
        ("imaging results", "What X-rays and scans show", "What was found in X-rays, ultrasound, CT and MRI."),
    ),
    "examination-findings": (
        "Observation",
        f"{OBSERVATION}exam",
        ("examination findings", "What was seen and felt", "What somebody who examined the body saw, heard or felt."),
    ),
    "procedure-results": (
        "Observation",
        f"{OBSERVATION}procedure",
        ("results of procedures", "Such as an ECG or a lung test", "What was measured while something was done."),
    ),
    "therapy-results": (
        "Observation",
        f"{OBSERVATION}therapy",
        ("notes of therapies", "Such as physiotherapy", "What was observed during a therapy."),
    ),
    "activity": (
        "Observation",
        f"{OBSERVATION}activity",
        (
            "physical activity",
            "Steps, exercise, sleep",
            "How much somebody moves, also from watches and other devices.",
        ),
    ),
    "functional-status": (
        "Observation",
        f"{US_CORE}functional-status",
        ("everyday abilities", "Walking, dressing, eating", "What somebody can do alone and for what they need help."),
    ),
    "disability-status": (
        "Observation",
        f"{US_CORE}disability-status",
        ("disabilities", "Seeing, hearing, moving", "Disabilities, and what they make difficult."),
    ),
    "cognitive-status": (
        "Observation",
        f"{US_CORE}cognitive-status",
        ("memory and thinking", "Such as a memory test", "How well somebody remembers, thinks and understands."),
    ),
    "treatment-wishes": (
        "Observation",
        f"{US_CORE}treatment-intervention-preference",
        (
            "wishes about treatment",
            "Such as about reanimation",
            "Which treatments somebody wants or refuses in an emergency.",
        ),
    ),
    "care-wishes": (
        "Observation",
        f"{US_CORE}care-experience-preference",
        (
            "wishes about care",
            "What is important in care",
            "How somebody wants to be cared for, such as religion or language.",
        ),
    ),
    "problem-list": (
        "Condition",
        f"{CONDITION}problem-list-item",
        (
            "the problem list",
            "Illnesses that last",
            "Illnesses and complaints that the people who treat keep an eye on.",
        ),
    ),
    "visit-diagnoses": (
        "Condition",
        f"{CONDITION}encounter-diagnosis",
        (
            "diagnoses of visits",
            "What a visit was for",
            "Diagnoses of single visits and stays, also of what has healed since.",
        ),
    ),
    "health-concerns": (
        "Condition",
        CONCERN,
        (
            "health concerns",
            "Worries about health",
            "What somebody worries about, such as a risk or living conditions.",
        ),
    ),
    "clinical-notes": (
        "DocumentReference",
        NOTE,
        (
            "clinical notes",
            "What doctors and nurses wrote",
            "Notes of visits, letters and summaries, in which anything may be written.",
        ),
    ),
}
