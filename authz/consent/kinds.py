"""Kinds of data by FHIR resource type: a title as in the middle of a sentence, a short and a long description."""

from __future__ import annotations

from authz.wording import mark

TYPES: dict[str, tuple[str, str, str]] = {
    "*": (
        mark("all kinds of health data, also kinds added later"),
        mark("Everything in the record"),
        mark("Everything that is in the record now, whatever it is called, and what will be added to it later."),
    ),
    "AllergyIntolerance": (
        mark("allergies"),
        mark("What must not be given, and why"),
        mark("Medicines, foods and other things that harmed or could harm, with the reactions and how bad they were."),
    ),
    "Appointment": (
        mark("appointments"),
        mark("When, where and with whom"),
        mark("Appointments in the past and the future: the time, the place, the people and the reason given."),
    ),
    "Binary": (
        mark("attached files"),
        mark("The files behind documents"),
        mark("Files as they were scanned or written, such as PDFs."),
    ),
    "CarePlan": (
        mark("care plans"),
        mark("What is planned to get better"),
        mark("What is to be done about an illness, by whom, and how far that is."),
    ),
    "CareTeam": (
        mark("the care team"),
        mark("Who looks after the patient"),
        mark("The people and places that take part in the care, and their roles."),
    ),
    "Claim": (
        mark("insurance claims"),
        mark("What was billed to the insurance"),
        mark("Bills that were sent to an insurance, with the treatments and diagnoses that they name."),
    ),
    "Communication": (
        mark("messages"),
        mark("Messages about the care"),
        mark("Messages between patients and the people who treat them."),
    ),
    "Composition": (
        mark("clinical documents"),
        mark("Letters and summaries with chapters"),
        mark("Documents made of chapters, such as discharge summaries, with everything that they quote."),
    ),
    "Condition": (
        mark("problems and diagnoses"),
        mark("Illnesses, complaints and concerns"),
        mark("What somebody has or had: illnesses, complaints, diagnoses of single visits, and worries about health."),
    ),
    "Consent": (
        mark("consents"),
        mark("What was agreed to or refused"),
        mark("Decisions about treatment, research and who may see data."),
    ),
    "Coverage": (
        mark("insurance"),
        mark("Insurer, plan and number"),
        mark("Which insurance pays, the number of the plan, for how long, and who holds it."),
    ),
    "Device": (
        mark("devices and implants"),
        mark("Such as a pacemaker or an insulin pump"),
        mark("Devices that somebody wears, uses or carries in the body, with maker and serial number."),
    ),
    "DeviceRequest": (
        mark("orders for devices"),
        mark("Such as glasses or a wheelchair"),
        mark("Devices that somebody was told to get or use."),
    ),
    "DiagnosticReport": (
        mark("test reports"),
        mark("Results with the words of who judged them"),
        mark("Reports on lab tests, X-rays, tissue and other examinations, with the conclusion of whoever wrote them."),
    ),
    "DocumentReference": (
        mark("documents"),
        mark("Notes, letters and scanned papers"),
        mark("Notes of visits, letters between doctors, discharge summaries and papers that were scanned."),
    ),
    "Encounter": (
        mark("visits and hospital stays"),
        mark("When, where and why"),
        mark("Every contact with this organisation: visits, stays, calls, with time, place, reason and people."),
    ),
    "EpisodeOfCare": (
        mark("episodes of care"),
        mark("A treatment over a longer time"),
        mark("Visits that belong together, such as a pregnancy."),
    ),
    "ExplanationOfBenefit": (
        mark("insurance payments"),
        mark("What the insurance paid"),
        mark("What an insurance decided about bills: the treatments, the amounts, and what was left to pay."),
    ),
    "FamilyMemberHistory": (
        mark("family history"),
        mark("Illnesses of relatives"),
        mark("Which illnesses parents, brothers, sisters and other relatives have or had."),
    ),
    "Flag": (
        mark("warnings"),
        mark("What everybody must know"),
        mark("Warnings on the record, such as a risk of falling or an infection."),
    ),
    "Goal": (
        mark("health goals"),
        mark("What is to be reached"),
        mark("Goals such as a weight or a blood pressure, and how far that is."),
    ),
    "Group": (
        mark("groups of patients"),
        mark("Lists of people"),
        mark("Which people belong to a group, such as a study or a ward."),
    ),
    "ImagingStudy": (
        mark("images such as X-rays"),
        mark("X-rays, ultrasound, CT and MRI"),
        mark("The pictures of examinations, when they were taken and of what part of the body."),
    ),
    "Immunization": (
        mark("vaccinations"),
        mark("Which, when and where"),
        mark("Vaccinations that were given or refused, with the date, the product and any reaction."),
    ),
    "Location": (
        mark("places of care"),
        mark("Addresses of clinics and wards"),
        mark("Where care takes place; it says nothing about a person."),
    ),
    "Media": (
        mark("photos and recordings"),
        mark("Such as a photo of a wound"),
        mark("Photos, videos and sound recordings made for the care."),
    ),
    "Medication": (
        mark("medicines"),
        mark("What a medicine is made of"),
        mark("Descriptions of medicines; by itself not who takes them."),
    ),
    "MedicationAdministration": (
        mark("medicines given"),
        mark("What was given in the hospital"),
        mark("Medicines that somebody was given, such as an infusion: when, how much and by whom."),
    ),
    "MedicationDispense": (
        mark("medicines handed out"),
        mark("What a pharmacy gave out"),
        mark("Medicines that a pharmacy handed out: which, how many and when."),
    ),
    "MedicationRequest": (
        mark("prescriptions"),
        mark("Medicines prescribed, now and before"),
        mark("Which medicines were prescribed, the dose, for how long, by whom and why."),
    ),
    "MedicationStatement": (
        mark("medicines taken"),
        mark("Also without a prescription"),
        mark("Medicines that somebody says they take or took, prescribed or not."),
    ),
    "NutritionOrder": (
        mark("diets"),
        mark("Food ordered in the hospital"),
        mark("Diets, food supplements and tube feeding that were ordered."),
    ),
    "Observation": (
        mark("measurements and results"),
        mark("Lab results, vital signs, answers and more"),
        mark(
            "What was measured, tested, asked or seen: lab results, blood pressure, how somebody lives, and much more."
        ),
    ),
    "Organization": (
        mark("hospitals and practices"),
        mark("Names and addresses"),
        mark("Organisations; it says nothing about a person."),
    ),
    "Patient": (
        mark("name, birth date and address"),
        mark("Who the patient is"),
        mark("Name, birth date, sex, address, telephone, languages, contacts, and the number this organisation uses."),
    ),
    "Person": (
        mark("name and contact details"),
        mark("Who somebody is"),
        mark("Name, birth date and address, apart from being a patient."),
    ),
    "Practitioner": (
        mark("names of doctors and nurses"),
        mark("Who treats"),
        mark("Names, titles and addresses of those who treat."),
    ),
    "PractitionerRole": (
        mark("roles of doctors and nurses"),
        mark("Who works where"),
        mark("What those who treat do, where, and when."),
    ),
    "Procedure": (
        mark("operations and procedures"),
        mark("What was done"),
        mark("Operations, treatments and examinations that were done: what, when, by whom and with what outcome."),
    ),
    "Provenance": (
        mark("who recorded what"),
        mark("Where data come from"),
        mark("Who wrote or changed something in the record, and when."),
    ),
    "Questionnaire": (
        mark("questionnaires"),
        mark("Empty forms"),
        mark("Questions without answers; they say nothing about a person."),
    ),
    "QuestionnaireResponse": (
        mark("answers to questionnaires"),
        mark("Forms that were filled in"),
        mark("Questions and the answers to them, also about feelings, alcohol or family if a form asked for that."),
    ),
    "RelatedPerson": (
        mark("relatives and representatives"),
        mark("Family and others who are close"),
        mark("Who is related to the patient or acts for them, with names and addresses."),
    ),
    "RiskAssessment": (
        mark("risk assessments"),
        mark("What might happen"),
        mark("Estimates of how likely an illness or event is, and why."),
    ),
    "Schedule": (
        mark("calendars"),
        mark("When somebody can be booked"),
        mark("Calendars of people and rooms; not who has an appointment."),
    ),
    "ServiceRequest": (
        mark("orders and referrals"),
        mark("Tests and treatments asked for"),
        mark("What was ordered: tests, examinations, treatments and visits to specialists, by whom and why."),
    ),
    "Specimen": (
        mark("lab samples"),
        mark("Blood and other samples"),
        mark("Samples that were taken: of what, when and how."),
    ),
    "Task": (
        mark("tasks"),
        mark("Work to be done for the care"),
        mark("What somebody has to do about the care, and how far that is."),
    ),
}
