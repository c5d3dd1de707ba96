"""Kinds of data by FHIR resource type: a title as in the middle of a sentence, a short and a long description."""

from __future__ import annotations

TYPES: dict[str, tuple[str, str, str]] = {
    "*": (
        "all kinds of health data, also kinds added later",
        "Everything in the record",
        "Everything that is in the record now, whatever it is called, and what will be added to it later.",
    ),
    "AllergyIntolerance": (
        "allergies",
        "What must not be given, and why",
        "Medicines, foods and other things that harmed or could harm, with the reactions and how bad they were.",
    ),
    "Appointment": (
        "appointments",
        "When, where and with whom",
        "Appointments in the past and the future: the time, the place, the people and the reason given.",
    ),
    "Binary": ("attached files", "The files behind documents", "Files as they were scanned or written, such as PDFs."),
    "CarePlan": (
        "care plans",
        "What is planned to get better",
        "What is to be done about an illness, by whom, and how far that is.",
    ),
    "CareTeam": (
        "the care team",
        "Who looks after the patient",
        "The people and places that take part in the care, and their roles.",
    ),
    "Claim": (
        "insurance claims",
        "What was billed to the insurance",
        "Bills that were sent to an insurance, with the treatments and diagnoses that they name.",
    ),
    "Communication": (
        "messages",
        "Messages about the care",
        "Messages between patients and the people who treat them.",
    ),
    "Composition": (
        "clinical documents",
        "Letters and summaries with chapters",
        "Documents made of chapters, such as discharge summaries, with everything that they quote.",
    ),
    "Condition": (
        "problems and diagnoses",
        "Illnesses, complaints and concerns",
        "What somebody has or had: illnesses, complaints, diagnoses of single visits, and worries about health.",
    ),
    "Consent": (
        "consents",
        "What was agreed to or refused",
        "Decisions about treatment, research and who may see data.",
    ),
    "Coverage": (
        "insurance",
        "Insurer, plan and number",
        "Which insurance pays, the number of the plan, for how long, and who holds it.",
    ),
    "Device": (
        "devices and implants",
        "Such as a pacemaker or an insulin pump",
        "Devices that somebody wears, uses or carries in the body, with maker and serial number.",
    ),
    "DeviceRequest": (
        "orders for devices",
        "Such as glasses or a wheelchair",
        "Devices that somebody was told to get or use.",
    ),
    "DiagnosticReport": (
        "test reports",
        "Results with the words of who judged them",
        "Reports on lab tests, X-rays, tissue and other examinations, with the conclusion of whoever wrote them.",
    ),
    "DocumentReference": (
        "documents",
        "Notes, letters and scanned papers",
        "Notes of visits, letters between doctors, discharge summaries and papers that were scanned.",
    ),
    "Encounter": (
        "visits and hospital stays",
        "When, where and why",
        "Every contact with this organisation: visits, stays, calls, with time, place, reason and people.",
    ),
    "EpisodeOfCare": (
        "episodes of care",
        "A treatment over a longer time",
        "Visits that belong together, such as a pregnancy.",
    ),
    "ExplanationOfBenefit": (
        "insurance payments",
        "What the insurance paid",
        "What an insurance decided about bills: the treatments, the amounts, and what was left to pay.",
    ),
    "FamilyMemberHistory": (
        "family history",
        "Illnesses of relatives",
        "Which illnesses parents, brothers, sisters and other relatives have or had.",
    ),
    "Flag": (
        "warnings",
        "What everybody must know",
        "Warnings on the record, such as a risk of falling or an infection.",
    ),
    "Goal": (
        "health goals",
        "What is to be reached",
        "Goals such as a weight or a blood pressure, and how far that is.",
    ),
    "Group": ("groups of patients", "Lists of people", "Which people belong to a group, such as a study or a ward."),
    "ImagingStudy": (
        "images such as X-rays",
        "X-rays, ultrasound, CT and MRI",
        "The pictures of examinations, when they were taken and of what part of the body.",
    ),
    "Immunization": (
        "vaccinations",
        "Which, when and where",
        "Vaccinations that were given or refused, with the date, the product and any reaction.",
    ),
    "Location": (
        "places of care",
        "Addresses of clinics and wards",
        "Where care takes place; it says nothing about a person.",
    ),
    "Media": (
        "photos and recordings",
        "Such as a photo of a wound",
        "Photos, videos and sound recordings made for the care.",
    ),
    "Medication": (
        "medicines",
        "What a medicine is made of",
        "Descriptions of medicines; by itself not who takes them.",
    ),
    "MedicationAdministration": (
        "medicines given",
        "What was given in the hospital",
        "Medicines that somebody was given, such as an infusion: when, how much and by whom.",
    ),
    "MedicationDispense": (
        "medicines handed out",
        "What a pharmacy gave out",
        "Medicines that a pharmacy handed out: which, how many and when.",
    ),
    "MedicationRequest": (
        "prescriptions",
        "Medicines prescribed, now and before",
        "Which medicines were prescribed, the dose, for how long, by whom and why.",
    ),
    "MedicationStatement": (
        "medicines taken",
        "Also without a prescription",
        "Medicines that somebody says they take or took, prescribed or not.",
    ),
    "NutritionOrder": (
        "diets",
        "Food ordered in the hospital",
        "Diets, food supplements and tube feeding that were ordered.",
    ),
    "Observation": (
        "measurements and results",
        "Lab results, vital signs, answers and more",
        "What was measured, tested, asked or seen: lab results, blood pressure, how somebody lives, and much more.",
    ),
    "Organization": (
        "hospitals and practices",
        "Names and addresses",
        "Organisations; it says nothing about a person.",
    ),
    "Patient": (
        "name, birth date and address",
        "Who the patient is",
        "Name, birth date, sex, address, telephone, languages, contacts, and the number this organisation uses.",
    ),
    "Person": (
        "name and contact details",
        "Who somebody is",
        "Name, birth date and address, apart from being a patient.",
    ),
    "Practitioner": ("names of doctors and nurses", "Who treats", "Names, titles and addresses of those who treat."),
    "PractitionerRole": ("roles of doctors and nurses", "Who works where", "What those who treat do, where, and when."),
    "Procedure": (
        "operations and procedures",
        "What was done",
        "Operations, treatments and examinations that were done: what, when, by whom and with what outcome.",
    ),
    "Provenance": (
        "who recorded what",
        "Where data come from",
        "Who wrote or changed something in the record, and when.",
    ),
    "Questionnaire": ("questionnaires", "Empty forms", "Questions without answers; they say nothing about a person."),
    "QuestionnaireResponse": (
        "answers to questionnaires",
        "Forms that were filled in",
        "Questions and the answers to them, also about feelings, alcohol or family if a form asked for that.",
    ),
    "RelatedPerson": (
        "relatives and representatives",
        "Family and others who are close",
        "Who is related to the patient or acts for them, with names and addresses.",
    ),
    "RiskAssessment": (
        "risk assessments",
        "What might happen",
        "Estimates of how likely an illness or event is, and why.",
    ),
    "Schedule": (
        "calendars",
        "When somebody can be booked",
        "Calendars of people and rooms; not who has an appointment.",
    ),
    "ServiceRequest": (
        "orders and referrals",
        "Tests and treatments asked for",
        "What was ordered: tests, examinations, treatments and visits to specialists, by whom and why.",
    ),
    "Specimen": ("lab samples", "Blood and other samples", "Samples that were taken: of what, when and how."),
    "Task": ("tasks", "Work to be done for the care", "What somebody has to do about the care, and how far that is."),
}
