"""The hospital's patients, staff, relatives and departments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from demo.hospital.build import MRN, SNOMED, TERMINOLOGY, Code, Resource, concept, to

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Person:
    """A patient; ``age`` is in days, so that the children of the demo never grow up."""

    key: str
    family: str
    given: str
    gender: str
    age: int

    def born(self, today: date) -> date:
        return today - timedelta(days=self.age)

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}"


PEOPLE = (
    Person("pat-1", "Okafor", "Amara", "female", 12_611),
    Person("pat-2", "Whitfield", "James", "male", 24_690),
    Person("pat-3", "Fernández", "Lucía", "female", 16_702),
    Person("pat-4", "Lindgren", "Noah", "male", 223),
    Person("pat-5", "Chen", "Wei", "male", 21_304),
    Person("pat-6", "Rossi", "Sofia", "female", 3_411),
    Person("pat-7", "Byrne", "Oliver", "male", 4_873),
    Person("pat-8", "Haddad", "Fatima", "female", 26_445),
    Person("pat-9", "Kowalski", "Daniel", "male", 10_850),
    Person("pat-10", "Solberg", "Ingrid", "female", 29_790),
    Person("child-1", "Brandt", "Ella", "female", 693),
    Person("child-2", "Brandt", "Jonas", "male", 2_352),
    Person("test-1", "Sandbox", "Tessa", "female", 12_960),
    Person("test-2", "Sandbox", "Theo", "male", 2_700),
)

STREETS = ("Harbour Lane", "Mill Road", "Station Street", "Linden Avenue", "Quay Terrace")


def patients(today: date) -> Iterator[Resource]:
    for index, person in enumerate(PEOPLE):
        yield {
            "resourceType": "Patient",
            "id": person.key,
            "active": True,
            "identifier": [
                {
                    "use": "usual",
                    "type": {"coding": [{"system": f"{TERMINOLOGY}/v2-0203", "code": "MR"}], "text": "MRN"},
                    "system": MRN,
                    "value": f"LG-{40_127 + index * 613}",
                }
            ],
            "name": [{"use": "official", "family": person.family, "given": [person.given]}],
            "gender": person.gender,
            "birthDate": person.born(today).isoformat(),
            "address": [
                {
                    "use": "home",
                    "line": [f"{7 + index * 4} {STREETS[index % len(STREETS)]}"],
                    "city": "Lakeside",
                    "postalCode": "00417",
                }
            ],
            "managingOrganization": to("Organization/org-1", "Lakeside General Hospital"),
            "generalPractitioner": [to("Practitioner/prac-1", "Dr. Helen Marsh")],
        }


def staff() -> Iterator[Resource]:
    people = (
        ("prac-1", "Marsh", "Helen", "Dr.", Code(SNOMED, "394537008", "Paediatric specialty")),
        ("prac-2", "Adeyemi", "Samuel", "Dr.", Code(SNOMED, "394579002", "Cardiology")),
        ("prac-3", "Fischer", "Lena", "RN", Code(SNOMED, "224535009", "Registered nurse")),
        ("prac-9", "Sandbox", "Toni", "Dr.", Code(SNOMED, "394802001", "General medicine")),
    )
    for key, family, given, title, specialty in people:
        number = key.removeprefix("prac-")
        yield {
            "resourceType": "Practitioner",
            "id": key,
            "active": True,
            "identifier": [{"system": "http://lakeside.example/staff", "value": f"S-10{number}"}],
            "name": [{"use": "official", "family": family, "given": [given], "prefix": [title]}],
            "telecom": [{"system": "email", "value": f"{given}.{family}@lakeside.example".lower(), "use": "work"}],
        }
        yield {
            "resourceType": "PractitionerRole",
            "id": f"role-{number}",
            "active": True,
            "practitioner": to(f"Practitioner/{key}", f"{title} {given} {family}"),
            "organization": to("Organization/org-2" if key == "prac-1" else "Organization/org-1"),
            "specialty": [concept(specialty)],
        }


def organizations() -> Iterator[Resource]:
    kind = {"coding": [{"system": f"{TERMINOLOGY}/organization-type", "code": "prov"}]}
    yield {
        "resourceType": "Organization",
        "id": "org-1",
        "active": True,
        "type": [kind],
        "name": "Lakeside General Hospital",
    }
    yield {
        "resourceType": "Organization",
        "id": "org-2",
        "active": True,
        "type": [kind],
        "name": "Lakeside Children's Clinic",
        "partOf": to("Organization/org-1", "Lakeside General Hospital"),
    }


def relatives() -> Iterator[Resource]:
    """A RelatedPerson is one person's tie to ONE patient; a Person joins the ties of a mother of two."""
    name = [{"family": "Brandt", "given": ["Katharina"]}]
    for key, child in (("rel-1", "child-1"), ("rel-2", "child-2")):
        yield {
            "resourceType": "RelatedPerson",
            "id": key,
            "active": True,
            "patient": to(f"Patient/{child}"),
            "relationship": [
                {"coding": [{"system": f"{TERMINOLOGY}/v3-RoleCode", "code": "MTH", "display": "mother"}]}
            ],
            "name": name,
        }
    yield {
        "resourceType": "Person",
        "id": "person-1",
        "active": True,
        "name": name,
        "link": [{"target": to("RelatedPerson/rel-1")}, {"target": to("RelatedPerson/rel-2")}],
    }
