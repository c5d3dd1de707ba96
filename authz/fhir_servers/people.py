"""Whom an app is for, as people say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

WORDS = {
    "Patient": "patients",
    "RelatedPerson": "people who act for a patient",
    "Person": "people who act for a patient",
    "Practitioner": "staff",
    "PractitionerRole": "staff",
}


def for_whom(user_types: Collection[str]) -> str:
    """``patients and people who act for a patient``."""
    named = list(dict.fromkeys(word for type_, word in WORDS.items() if type_ in user_types))
    return " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)
