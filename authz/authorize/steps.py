"""What a person still has to do before the app gets its code: one pure function."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from authz.errors import ConsentRequired, InteractionRequired, LoginRequired, OAuthError


class Step(Enum):
    LOGIN = auto()
    SELECT_PATIENT = auto()
    BREAK_GLASS = auto()
    SELECT_ENCOUNTER = auto()
    CONSENT = auto()
    DONE = auto()


@dataclass(frozen=True, slots=True)
class Facts:
    """Where an interaction stands."""

    may_ask: bool  # False: prompt=none
    is_signed_in: bool  # as the request wants it: recent enough, this person
    needs_patient: bool  # and has none yet
    needs_encounter: bool
    needs_consent: bool
    needs_reason: bool = False  # the records are protected, and the user is staff


def next_step(facts: Facts) -> Step:
    """The first thing that is still to be done.

    Raises LoginRequired, InteractionRequired or ConsentRequired if it is and nobody may be asked (OIDC Core §3.1.2.6).
    """
    step: Step
    error: OAuthError
    if not facts.is_signed_in:
        step, error = Step.LOGIN, LoginRequired("the user has to sign in")
    elif facts.needs_patient:
        step, error = Step.SELECT_PATIENT, InteractionRequired("the user has to choose a patient")
    elif facts.needs_reason:
        step, error = Step.BREAK_GLASS, InteractionRequired("the user has to say why these records are needed")
    elif facts.needs_encounter:
        step, error = Step.SELECT_ENCOUNTER, InteractionRequired("the user has to choose a visit")
    elif facts.needs_consent:
        step, error = Step.CONSENT, ConsentRequired("the user has to agree")
    else:
        return Step.DONE
    if not facts.may_ask:
        raise error
    return step
