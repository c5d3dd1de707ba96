"""What the hospital decides about an app; the app itself has no say in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class HospitalDecisions:
    """What a client can't say of itself."""

    fhir_servers: tuple[str, ...] = ()  # empty: every FHIR server
    skip_consent_in_ehr_launch: bool = False  # a vetted provider app
    any_loopback_port: bool = False  # RFC 8252 §7.3, native apps only
    app_state_codes: tuple[str, ...] = ()  # system|code: the kinds of state it may keep (SMART APS-08)
    required_scope: str = ""  # a person who unticks some of it refuses the app
    approved: bool = True  # for everybody; else for test accounts only, where an app was registered from outside
    approves_at: datetime | None = None  # from then on approved, unless somebody decides before
    checked: bool = True  # by the automatic checks, without which no time approves
