"""Weight, height, head circumference and BMI over time.

The curves are drawn by hand for this demo: smooth and believable, and nothing to judge a real child by.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, timedelta
from math import exp, sin

from demo.hospital.build import LOINC, Code, Measure, Resource, observation

DAYS_PER_MONTH = 30.4375

WEIGHT = Measure(Code(LOINC, "29463-7", "Body weight"), "kg", "vital-signs")
HEIGHT = Measure(Code(LOINC, "8302-2", "Body height"), "cm", "vital-signs")
HEAD = Measure(Code(LOINC, "9843-4", "Head occipital-frontal circumference"), "cm", "vital-signs")
BMI = Measure(Code(LOINC, "39156-5", "Body mass index (BMI)"), "kg/m2", "vital-signs")
PULSE = Measure(Code(LOINC, "8867-4", "Heart rate"), "/min", "vital-signs")

# age in months -> value of an invented average child
WEIGHT_BY_AGE = (
    (0, 3.4), (1, 4.4), (3, 6.1), (6, 7.7), (9, 8.8), (12, 9.7), (18, 11.0), (24, 12.2), (36, 14.4), (48, 16.3),
    (60, 18.3), (84, 23.0), (108, 28.9), (132, 36.5), (156, 46.0), (180, 55.0), (216, 63.0),
)  # fmt: skip
HEIGHT_BY_AGE = (
    (0, 50), (3, 61), (6, 67), (9, 71), (12, 75), (18, 81), (24, 87), (36, 95), (48, 102), (60, 109), (84, 121),
    (108, 133), (132, 144), (156, 157), (180, 166), (216, 170),
)  # fmt: skip
HEAD_BY_AGE = ((0, 34.5), (3, 40.2), (6, 43.0), (12, 46.0), (18, 47.3), (24, 48.2), (36, 49.4))

CHILD_VISITS = (0, 1, 2, 4, 6, 9, 12, 15, 18, 24, 30, 36, 48, 60, 72, 84, 96, 108, 120, 132, 144, 156)  # months
HEAD_MEASURED_UNTIL = 36  # months


@dataclass(frozen=True, slots=True)
class Child:
    """How one child grows: ``size`` is 0 for average, ``dip`` kilograms missing in the last year and a half."""

    patient: str
    born: date
    size: float = 0.0
    dip: float = 0.0


def value_at(curve: tuple[tuple[float, float], ...], months: float) -> float:
    """The curve's value, on a straight line between its points."""
    ages = [age for age, _ in curve]
    index = min(max(bisect_right(ages, months), 1), len(curve) - 1)
    (age0, value0), (age1, value1) = curve[index - 1], curve[index]
    return value0 + (value1 - value0) * (min(months, age1) - age0) / (age1 - age0)


def child_growth(child: Child, today: date) -> list[Resource]:
    """Everything measured at the check-ups of a child until today."""
    resources: list[Resource] = []
    age_today = (today - child.born).days / DAYS_PER_MONTH
    for months in (age for age in CHILD_VISITS if age < age_today):
        day = child.born + timedelta(days=round(months * DAYS_PER_MONTH))
        wiggle = sin(months * 1.7 + len(child.patient)) * 0.012  # no child is measured on a perfect line
        since_dip = max(0.0, 1 - (age_today - months) / 18)
        weight = value_at(WEIGHT_BY_AGE, months) * exp(child.size * 0.13 + wiggle) - child.dip * since_dip
        height = value_at(HEIGHT_BY_AGE, months) * exp(child.size * 0.035 + wiggle / 3)
        found = [(WEIGHT, "weight", round(weight, 1)), (HEIGHT, "height", round(height, 1))]
        if months >= 24:
            found.append((BMI, "bmi", round(weight / (height / 100) ** 2, 1)))
        if months <= HEAD_MEASURED_UNTIL:
            head = value_at(HEAD_BY_AGE, months) * exp(child.size * 0.02)
            found.append((HEAD, "head", round(head, 1)))
        resources += [
            observation(f"{child.patient}-{name}-{months}", child.patient, measure, value, day)
            for measure, name, value in found
        ]
    return resources


def adult_vitals(patient: str, height: float, weights: tuple[float, ...], today: date) -> list[Resource]:
    """One weight (kg) a half-year, the last one some weeks ago; the height (cm) does not change."""
    resources: list[Resource] = []
    for index, weight in enumerate(reversed(weights)):
        day = today - timedelta(days=40 + index * 182)
        found = (
            (WEIGHT, "weight", weight),
            (HEIGHT, "height", height),
            (BMI, "bmi", round(weight / (height / 100) ** 2, 1)),
            (PULSE, "pulse", float(66 + (index * 7) % 13)),
        )
        resources += [
            observation(f"{patient}-{name}-{index}", patient, measure, value, day) for measure, name, value in found
        ]
    return resources
