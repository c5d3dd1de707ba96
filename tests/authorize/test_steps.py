from __future__ import annotations

from itertools import product

import pytest

from authz.authorize.steps import Facts, Step, next_step
from authz.errors import ConsentRequired, InteractionRequired, LoginRequired, OAuthError

FIRST_TO_DO: dict[tuple[bool, bool, bool, bool], tuple[Step, type[OAuthError] | None]] = {
    # signed in, needs a patient, needs a visit, needs consent
    **{(False, p, v, c): (Step.LOGIN, LoginRequired) for p, v, c in product((True, False), repeat=3)},
    **{(True, True, v, c): (Step.SELECT_PATIENT, InteractionRequired) for v, c in product((True, False), repeat=2)},
    (True, False, True, True): (Step.SELECT_ENCOUNTER, InteractionRequired),
    (True, False, True, False): (Step.SELECT_ENCOUNTER, InteractionRequired),
    (True, False, False, True): (Step.CONSENT, ConsentRequired),
    (True, False, False, False): (Step.DONE, None),
}


def test_the_table_has_every_state() -> None:
    assert set(FIRST_TO_DO) == set(product((True, False), repeat=4))


@pytest.mark.parametrize("state", FIRST_TO_DO)
def test_sign_in_comes_first_then_the_patient_the_visit_and_consent(state: tuple[bool, bool, bool, bool]) -> None:
    """House, flow "Authorize": LOGIN, SELECT_PATIENT, SELECT_ENCOUNTER, CONSENT, DONE."""
    assert next_step(Facts(True, *state)) is FIRST_TO_DO[state][0]


@pytest.mark.parametrize("needs", list(product((True, False), repeat=2)))
def test_the_reason_comes_as_soon_as_the_patient_is_known(needs: tuple[bool, bool]) -> None:
    """REQ-87: before the visits of that patient are shown, and before consent."""
    assert next_step(Facts(True, True, True, *needs, needs_reason=True)) is Step.SELECT_PATIENT
    assert next_step(Facts(True, True, False, *needs, needs_reason=True)) is Step.BREAK_GLASS
    with pytest.raises(InteractionRequired):
        next_step(Facts(False, True, False, *needs, needs_reason=True))


@pytest.mark.parametrize("state", FIRST_TO_DO)
def test_with_prompt_none_nobody_is_asked_anything(state: tuple[bool, bool, bool, bool]) -> None:
    """OIDC Core §3.1.2.6, security.md AZ-58 and AZ-59: the error says what would have been asked."""
    error = FIRST_TO_DO[state][1]
    if error is None:
        assert next_step(Facts(False, *state)) is Step.DONE
    else:
        with pytest.raises(error):
            next_step(Facts(False, *state))
