"""The parts of registration, wired once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.registration.admission import Admission
from authz.registration.history import History
from authz.registration.initial_tokens import InitialTokens
from authz.registration.limits import Limits
from authz.storage.limiter import Limiter

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from authz.audit.trail import Trail
    from authz.settings import Settings
    from authz.storage.short_lived import Backend


@dataclass(frozen=True, slots=True)
class Registration:
    initial_tokens: InitialTokens
    admission: Admission
    history: History
    limits: Limits


def build(settings: Settings, backend: Backend, trail: Trail, now: Callable[[], datetime]) -> Registration:
    tokens = InitialTokens(now)
    return Registration(
        initial_tokens=tokens,
        admission=Admission(tokens, now, settings.registration_hold_seconds),
        history=History(now),
        limits=Limits(Limiter(backend, now), trail, settings.registrations_per_hour, settings.unapproved_apps),
    )
