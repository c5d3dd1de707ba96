"""Problems, allergies, medicines, vaccinations, visits, laboratory results and referrals."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from demo.hospital.build import (
    ATC,
    CVX,
    LOINC,
    SNOMED,
    TERMINOLOGY,
    Code,
    Measure,
    Resource,
    clock,
    concept,
    observation,
    term,
    to,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

HELEN = to("Practitioner/prac-1", "Dr. Helen Marsh")
SAMUEL = to("Practitioner/prac-2", "Dr. Samuel Adeyemi")

CONDITIONS = (  # patient, SNOMED CT code, words, days since it began
    ("pat-1", "195967001", "Asthma", 5_200),
    ("pat-1", "87522002", "Iron deficiency anaemia", 410),
    ("pat-2", "44054006", "Type 2 diabetes mellitus", 4_050),
    ("pat-2", "38341003", "Hypertension", 5_700),
    ("pat-3", "40930008", "Hypothyroidism", 2_300),
    ("pat-4", "24079001", "Atopic dermatitis", 90),
    ("pat-5", "55822004", "Hyperlipidaemia", 3_100),
    ("pat-5", "239873007", "Osteoarthritis of knee", 900),
    ("pat-6", "396331005", "Coeliac disease", 160),
    ("pat-7", "46635009", "Type 1 diabetes mellitus", 1_400),
    ("pat-8", "84114007", "Heart failure", 1_150),
    ("pat-8", "433144002", "Chronic kidney disease stage 3", 980),
    ("pat-10", "38341003", "Hypertension", 9_000),
    ("child-1", "24079001", "Atopic dermatitis", 380),
    ("child-2", "195967001", "Asthma", 730),
    ("test-1", "38341003", "Hypertension", 640),
)

ALLERGIES = (  # patient, SNOMED CT code, substance, criticality
    ("pat-2", "764146007", "Penicillin", "high"),
    ("pat-9", "764146007", "Penicillin", "high"),
    ("child-1", "3718001", "Cow's milk", "low"),
    ("child-2", "762952008", "Peanut", "high"),
)

MEDICINES = (  # patient, ATC code, name, how to take it
    ("pat-1", "B03AA07", "Ferrous sulfate 200 mg", "one tablet a day, for three months"),
    ("pat-1", "R03AC02", "Salbutamol 100 µg inhaler", "one or two puffs when needed"),
    ("pat-2", "A10BA02", "Metformin 850 mg", "one tablet twice a day with food"),
    ("pat-2", "C09AA02", "Enalapril 10 mg", "one tablet in the morning"),
    ("pat-3", "H03AA01", "Levothyroxine 75 µg", "one tablet before breakfast"),
    ("pat-5", "C10AA05", "Atorvastatin 20 mg", "one tablet in the evening"),
    ("pat-7", "A10AB05", "Insulin aspart 100 U/ml", "with meals, as in the treatment plan"),
    ("pat-8", "C03CA01", "Furosemide 40 mg", "one tablet in the morning"),
    ("child-2", "R03AC02", "Salbutamol 100 µg inhaler", "two puffs with spacer when needed"),
)

VACCINES = (  # age in days, CVX code, name
    (60, "146", "DTaP-IPV-Hib-HepB"),
    (62, "133", "Pneumococcal conjugate PCV 13"),
    (120, "146", "DTaP-IPV-Hib-HepB"),
    (365, "03", "MMR"),
    (370, "21", "Varicella"),
)

HBA1C = Measure(Code(LOINC, "4548-4", "Haemoglobin A1c"), "%", low=4.0, high=6.0)
HAEMOGLOBIN = Measure(Code(LOINC, "718-7", "Haemoglobin"), "g/dL", low=11.5, high=16.0)
FERRITIN = Measure(Code(LOINC, "2276-4", "Ferritin"), "ug/L", low=15, high=200)
TSH = Measure(Code(LOINC, "3016-3", "Thyrotropin"), "m[IU]/L", low=0.4, high=4.0)
CREATININE = Measure(Code(LOINC, "2160-0", "Creatinine"), "mg/dL", low=0.5, high=1.2)
LDL = Measure(Code(LOINC, "13457-7", "LDL cholesterol (calculated)"), "mg/dL", low=0, high=130)
TTG = Measure(Code(LOINC, "46128-5", "Tissue transglutaminase IgA"), "U/mL", low=0, high=10)

LABORATORY = (  # patient, what, values from the oldest to the newest, one each quarter
    ("pat-1", HAEMOGLOBIN, (10.2, 10.9, 11.8)),
    ("pat-1", FERRITIN, (8, 12, 21)),
    ("pat-2", HBA1C, (7.9, 7.6, 7.4, 7.1)),
    ("pat-2", CREATININE, (1.0, 1.1)),
    ("pat-3", TSH, (6.8, 4.4, 2.9)),
    ("pat-5", LDL, (171, 148, 122)),
    ("pat-6", TTG, (96, 41)),
    ("pat-6", HAEMOGLOBIN, (11.1, 11.9)),
    ("pat-7", HBA1C, (8.4, 7.9, 7.5)),
    ("pat-8", CREATININE, (1.4, 1.5, 1.6)),
    ("pat-10", HAEMOGLOBIN, (12.4,)),
    ("child-1", HAEMOGLOBIN, (11.2,)),
    ("child-2", HAEMOGLOBIN, (12.6,)),
    ("test-1", HBA1C, (5.4, 5.6)),
)

VISITS = (  # patient, days ago, class, reason
    ("pat-1", 0, "AMB", "Review of anaemia"),
    ("pat-2", 0, "AMB", "Diabetes check"),
    ("pat-3", 21, "AMB", "Thyroid follow-up"),
    ("pat-4", 0, "AMB", "Well-child visit"),
    ("pat-5", 6, "AMB", "Knee pain"),
    ("pat-6", 0, "AMB", "Coeliac disease follow-up"),
    ("pat-7", 11, "AMB", "Diabetes clinic"),
    ("pat-8", 2, "IMP", "Heart failure, admitted for diuresis"),
    ("pat-9", 95, "EMER", "Ankle sprain"),
    ("pat-10", 48, "AMB", "Blood pressure check"),
    ("child-1", 0, "AMB", "Well-child visit"),
    ("child-1", 330, "AMB", "Eczema"),
    ("child-2", 0, "AMB", "Asthma review"),
    ("child-2", 200, "EMER", "Wheezing"),
    ("test-1", 30, "AMB", "Blood pressure check"),
    ("test-2", 12, "AMB", "Well-child visit"),
)

REFERRALS = (  # patient, what is asked for, why
    ("pat-2", "Referral to ophthalmology", "Yearly eye check in diabetes"),
    ("pat-5", "Referral to orthopaedic surgery", "Knee pain for more than a year"),
    ("pat-6", "Referral to dietitian", "Gluten-free diet"),
    ("pat-8", "Referral to cardiology", "Heart failure, therapy to be adjusted"),
    ("child-1", "Referral to allergy clinic", "Suspected cow's milk allergy"),
    ("child-2", "Referral to lung function laboratory", "Asthma, first spirometry"),
)

CLASS_WORDS = {"AMB": "ambulatory", "IMP": "inpatient encounter", "EMER": "emergency"}


def conditions(today: date) -> Iterator[Resource]:
    for number, (patient, code, words, days) in enumerate(CONDITIONS, 1):
        begun = today - timedelta(days=days)
        yield {
            "resourceType": "Condition",
            "id": f"cond-{number}",
            "clinicalStatus": term("condition-clinical", "active"),
            "verificationStatus": term("condition-ver-status", "confirmed"),
            "category": [term("condition-category", "problem-list-item")],
            "code": concept(Code(SNOMED, code, words)),
            "subject": to(f"Patient/{patient}"),
            "onsetDateTime": begun.isoformat(),
            "recordedDate": begun.isoformat(),
            "recorder": HELEN,
        }


def allergies(today: date) -> Iterator[Resource]:
    for number, (patient, code, words, criticality) in enumerate(ALLERGIES, 1):
        yield {
            "resourceType": "AllergyIntolerance",
            "id": f"alg-{number}",
            "clinicalStatus": term("allergyintolerance-clinical", "active"),
            "verificationStatus": term("allergyintolerance-verification", "confirmed"),
            "type": "allergy",
            "category": ["medication" if words == "Penicillin" else "food"],
            "criticality": criticality,
            "code": concept(Code(SNOMED, code, words)),
            "patient": to(f"Patient/{patient}"),
            "recordedDate": (today - timedelta(days=300 + number)).isoformat(),
        }


def medicines(today: date) -> Iterator[Resource]:
    for number, (patient, code, words, dosage) in enumerate(MEDICINES, 1):
        yield {
            "resourceType": "MedicationRequest",
            "id": f"med-{number}",
            "status": "active",
            "intent": "order",
            "medicationCodeableConcept": concept(Code(ATC, code, words)),
            "subject": to(f"Patient/{patient}"),
            "authoredOn": (today - timedelta(days=30 + number * 3)).isoformat(),
            "requester": HELEN,
            "dosageInstruction": [{"text": dosage}],
        }


def vaccinations(today: date, patient: str, born: date) -> Iterator[Resource]:
    for number, (age, code, words) in enumerate(VACCINES, 1):
        given = born + timedelta(days=age)
        if given <= today:
            yield {
                "resourceType": "Immunization",
                "id": f"imm-{patient}-{number}",
                "status": "completed",
                "vaccineCode": concept(Code(CVX, code, words)),
                "patient": to(f"Patient/{patient}"),
                "occurrenceDateTime": given.isoformat(),
                "primarySource": True,
            }


def visits(today: date) -> Iterator[Resource]:
    for number, (patient, days, kind, reason) in enumerate(VISITS, 1):
        day = today - timedelta(days=days)
        is_open = days == 0 or kind == "IMP"
        yield {
            "resourceType": "Encounter",
            "id": f"enc-{number}",
            "status": "in-progress" if is_open else "finished",
            "class": {"system": f"{TERMINOLOGY}/v3-ActCode", "code": kind, "display": CLASS_WORDS[kind]},
            "subject": to(f"Patient/{patient}"),
            "participant": [{"individual": SAMUEL if patient == "pat-8" else HELEN}],
            "period": {"start": clock(day)} if is_open else {"start": clock(day), "end": clock(day, 10)},
            "reasonCode": [{"text": reason}],
            "serviceProvider": to("Organization/org-1", "Lakeside General Hospital"),
        }


def laboratory(today: date) -> Iterator[Resource]:
    for patient, measure, values in LABORATORY:
        for index, value in enumerate(reversed(values)):
            day = today - timedelta(days=12 + index * 91)
            key = f"{patient}-lab-{measure.code.code}-{index}"
            yield observation(key, patient, measure, value, day)


def referrals(today: date) -> Iterator[Resource]:
    for number, (patient, words, reason) in enumerate(REFERRALS, 1):
        yield {
            "resourceType": "ServiceRequest",
            "id": f"sr-{number}",
            "status": "active",
            "intent": "order",
            "category": [concept(Code(SNOMED, "3457005", "Patient referral"))],
            "priority": "urgent" if patient == "pat-8" else "routine",
            "code": {**concept(Code(SNOMED, "103696004", "Patient referral to specialist")), "text": words},
            "subject": to(f"Patient/{patient}"),
            "authoredOn": (today - timedelta(days=number)).isoformat(),
            "requester": HELEN,
            "reasonCode": [{"text": reason}],
        }
