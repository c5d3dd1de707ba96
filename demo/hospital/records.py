"""All records of the hospital, as they are when it opens its doors in the morning."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from demo.hospital import clinical, people
from demo.hospital.growth import Child, adult_vitals, child_growth

if TYPE_CHECKING:
    from datetime import date

    from demo.hospital.build import Resource

CHILDREN = {
    "child-1": (-0.5, 0.0),
    "child-2": (0.7, 0.0),
    "pat-4": (0.2, 0.0),
    "pat-6": (0.0, 3.4),
    "pat-7": (0.4, 0.0),
    "test-2": (0.1, 0.0),
}
ADULTS = {
    "pat-1": (168.0, (66.5, 65.9, 64.2, 62.8, 63.4, 64.1)),
    "pat-2": (181.0, (98.2, 97.0, 95.1, 93.8, 92.6, 91.9)),
    "pat-3": (163.0, (71.0, 72.6, 74.3, 73.1, 71.2)),
    "pat-5": (172.0, (81.5, 82.0, 82.4, 83.1)),
    "pat-8": (158.0, (61.0, 61.8, 63.9, 66.5, 64.0)),
    "pat-9": (185.0, (79.0, 79.5)),
    "pat-10": (160.0, (58.4, 57.6, 56.9, 56.1)),
    "test-1": (170.0, (68.2, 67.4, 66.9)),
}


def hospital_records(today: date) -> list[Resource]:
    """Build every resource afresh; dates are counted back from ``today``."""
    born = {person.key: person.born(today) for person in people.PEOPLE}
    growing = (child_growth(Child(key, born[key], size, dip), today) for key, (size, dip) in CHILDREN.items())
    grown = (adult_vitals(key, height, weights, today) for key, (height, weights) in ADULTS.items())
    vaccinated = (clinical.vaccinations(today, key, born[key]) for key in CHILDREN)
    return [
        *people.organizations(),
        *people.staff(),
        *people.patients(today),
        *people.relatives(),
        *clinical.visits(today),
        *clinical.conditions(today),
        *clinical.allergies(today),
        *clinical.medicines(today),
        *clinical.laboratory(today),
        *clinical.referrals(today),
        *chain.from_iterable(vaccinated),
        *chain.from_iterable(growing),
        *chain.from_iterable(grown),
    ]
