"""The parts of registration, wired once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.registration.admission import Admission
from authz.registration.history import History
from authz.registration.initial_tokens import InitialTokens

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from authz.settings import Settings


@dataclass(frozen=True, slots=True)
class Registration:
    initial_tokens: InitialTokens
    admission: Admission
    history: History


def build(settings: Settings, now: Callable[[], datetime]) -> Registration:
    tokens = InitialTokens(now)
    return Registration(
        initial_tokens=tokens,
        admission=Admission(tokens, now, settings.registration_hold_seconds),
        history=History(now),
    )
