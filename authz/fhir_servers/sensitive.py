"""Whose records, and which data, staff open only with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz.errors import InvalidScope
from authz.fhir_servers.bundle import FHIR_ID
from authz.scopes import ResourceScope, ScopeSet

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_PATIENTS = 10_000


def problems(patients: Collection[str], scopes: Collection[str]) -> list[str]:
    rule = "the id of a patient is 1 to 64 letters, digits, hyphens and dots"
    found = [f"{patient}: {rule}" for patient in patients if not FHIR_ID.fullmatch(patient)]
    found += [f"at most {MAX_PATIENTS} sensitive patients"] if len(patients) > MAX_PATIENTS else []
    try:
        named = ScopeSet.parse(" ".join(scopes))
    except InvalidScope as error:
        return [*found, error.description]
    what = "sensitive data are said as a scope such as patient/Observation.rs?category=…"
    return [*found, *(f"{scope}: {what}" for scope in named if not isinstance(scope, ResourceScope))]


def data(scopes: Collection[str]) -> ScopeSet:
    """At either level: a scope names data, whoever's they are."""
    named = [one.normal_form.partition("/")[2] for one in ScopeSet.parse(" ".join(scopes)).resources]
    return ScopeSet.parse(" ".join(f"{level}/{what}" for what in named for level in ("patient", "user")))
