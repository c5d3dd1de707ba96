"""What a FHIR server offers: everything, unless its hospital has switched it off (decision 23).

Off means that it is refused and that the FHIR server's documents do not name it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Feature(StrEnum):
    EHR_LAUNCH = "ehr-launch"
    STANDALONE = "standalone"
    BACKEND_SERVICES = "backend-services"
    OFFLINE_ACCESS = "offline-access"
    SCOPES_V1 = "scopes-v1"
    WEB_MESSAGING = "web-messaging"


MEANINGS = {
    Feature.EHR_LAUNCH: "apps opened from the EHR",
    Feature.STANDALONE: "apps opened by themselves",
    Feature.BACKEND_SERVICES: "programs without a user",
    Feature.OFFLINE_ACCESS: "access that outlasts the session",
    Feature.SCOPES_V1: "scopes as SMART 1.0 spells them",
    Feature.WEB_MESSAGING: "messages between an app and the window of the EHR",
}


class AppRegistration(StrEnum):
    """Who may register an app at a FHIR server's registration endpoint (decision 13)."""

    CLOSED = "closed"  # nobody, and the endpoint is not advertised
    INVITED = "invited"  # who has an initial access token or a software statement
    OPEN = "open"  # anybody


WAYS_IN = frozenset({Feature.EHR_LAUNCH, Feature.STANDALONE, Feature.BACKEND_SERVICES})


def problems(without: Iterable[str]) -> list[str]:
    """Why this can't be what a FHIR server does not offer."""
    off = list(without)
    known = ", ".join(Feature)
    found = [f"{name}: what can be switched off is {known}" for name in off if name not in set(Feature)]
    if set(off) >= WAYS_IN:
        found.append(f"without {', '.join(sorted(WAYS_IN))} nobody gets in: disable the FHIR server instead")
    return found
