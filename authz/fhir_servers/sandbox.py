"""The invented patients of a FHIR server, with whom apps are tried that nobody has approved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz.fhir_servers.bundle import FHIR_ID

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_PATIENTS = 20  # as many as one page offers


def problems(patients: Collection[str]) -> list[str]:
    rule = "the id of a patient is 1 to 64 letters, digits, hyphens and dots"
    found = [f"{patient}: {rule}" for patient in patients if not FHIR_ID.fullmatch(patient)]
    return [*found, *([f"at most {MAX_PATIENTS} test patients"] if len(patients) > MAX_PATIENTS else [])]
