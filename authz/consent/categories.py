"""Finer kinds of data: the categories of US Core, each with the search that finds it (SMART 2.2 "Finer-grained …").

A title as in the middle of a sentence, a short and a long description; an installation adds and changes some by a file.
"""

from __future__ import annotations

from authz.wording import mark

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
            mark("lab results"),
            mark("Blood, urine and other tests"),
            mark("Results from a laboratory, which can show infections, pregnancy, drugs and inherited illnesses."),
        ),
    ),
    "vital-signs": (
        "Observation",
        f"{OBSERVATION}vital-signs",
        (
            mark("vital signs"),
            mark("Blood pressure, pulse, temperature, weight"),
            mark(
                "What is measured at nearly every visit: blood pressure, pulse, breathing, temperature, height and"
                " weight."
            ),
        ),
    ),
    "social-history": (
        "Observation",
        f"{OBSERVATION}social-history",
        (
            mark("social history"),
            mark("Smoking, alcohol, work and family"),
            mark("How somebody lives: smoking, alcohol, drugs, work, family, sexual orientation and gender."),
        ),
    ),
    "living-conditions": (
        "Observation",
        f"{US_CORE}sdoh",
        (
            mark("living conditions"),
            mark("Housing, food, money and safety"),
            mark("Answers about what makes life hard: housing, food, money, transport, loneliness and violence."),
        ),
    ),
    "survey-answers": (
        "Observation",
        f"{OBSERVATION}survey",
        (
            mark("answers to surveys"),
            mark("Questions about health and mood"),
            mark("Answers and scores of questionnaires, such as about pain, depression or development."),
        ),
    ),
    "imaging-results": (
        "Observation",
        f"{OBSERVATION}imaging",
        (
            mark("imaging results"),
            mark("What X-rays and scans show"),
            mark("What was found in X-rays, ultrasound, CT and MRI."),
        ),
    ),
    "examination-findings": (
        "Observation",
        f"{OBSERVATION}exam",
        (
            mark("examination findings"),
            mark("What was seen and felt"),
            mark("What somebody who examined the body saw, heard or felt."),
        ),
    ),
    "procedure-results": (
        "Observation",
        f"{OBSERVATION}procedure",
        (
            mark("results of procedures"),
            mark("Such as an ECG or a lung test"),
            mark("What was measured while something was done."),
        ),
    ),
    "therapy-results": (
        "Observation",
        f"{OBSERVATION}therapy",
        (mark("notes of therapies"), mark("Such as physiotherapy"), mark("What was observed during a therapy.")),
    ),
    "activity": (
        "Observation",
        f"{OBSERVATION}activity",
        (
            mark("physical activity"),
            mark("Steps, exercise, sleep"),
            mark("How much somebody moves, also from watches and other devices."),
        ),
    ),
    "functional-status": (
        "Observation",
        f"{US_CORE}functional-status",
        (
            mark("everyday abilities"),
            mark("Walking, dressing, eating"),
            mark("What somebody can do alone and for what they need help."),
        ),
    ),
    "disability-status": (
        "Observation",
        f"{US_CORE}disability-status",
        (mark("disabilities"), mark("Seeing, hearing, moving"), mark("Disabilities, and what they make difficult.")),
    ),
    "cognitive-status": (
        "Observation",
        f"{US_CORE}cognitive-status",
        (
            mark("memory and thinking"),
            mark("Such as a memory test"),
            mark("How well somebody remembers, thinks and understands."),
        ),
    ),
    "treatment-wishes": (
        "Observation",
        f"{US_CORE}treatment-intervention-preference",
        (
            mark("wishes about treatment"),
            mark("Such as about reanimation"),
            mark("Which treatments somebody wants or refuses in an emergency."),
        ),
    ),
    "care-wishes": (
        "Observation",
        f"{US_CORE}care-experience-preference",
        (
            mark("wishes about care"),
            mark("What is important in care"),
            mark("How somebody wants to be cared for, such as religion or language."),
        ),
    ),
    "problem-list": (
        "Condition",
        f"{CONDITION}problem-list-item",
        (
            mark("the problem list"),
            mark("Illnesses that last"),
            mark("Illnesses and complaints that the people who treat keep an eye on."),
        ),
    ),
    "visit-diagnoses": (
        "Condition",
        f"{CONDITION}encounter-diagnosis",
        (
            mark("diagnoses of visits"),
            mark("What a visit was for"),
            mark("Diagnoses of single visits and stays, also of what has healed since."),
        ),
    ),
    "health-concerns": (
        "Condition",
        CONCERN,
        (
            mark("health concerns"),
            mark("Worries about health"),
            mark("What somebody worries about, such as a risk or living conditions."),
        ),
    ),
    "clinical-notes": (
        "DocumentReference",
        NOTE,
        (
            mark("clinical notes"),
            mark("What doctors and nurses wrote"),
            mark("Notes of visits, letters and summaries, in which anything may be written."),
        ),
    ),
}
