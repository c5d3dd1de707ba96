from __future__ import annotations

from itertools import product

import pytest

from authz.authorize.steps import Facts, Step, next_step
from authz.errors import ConsentRequired, InteractionRequired, LoginRequired, OAuthError

FIRST_TO_DO: dict[tuple[bool, bool, bool], tuple[Step, type[OAuthError] | None]] = {
    # signed in, needs a patient, needs consent
    (False, False, False): (Step.LOGIN, LoginRequired),
    (False, False, True): (Step.LOGIN, LoginRequired),
    (False, True, False): (Step.LOGIN, LoginRequired),
    (False, True, True): (Step.LOGIN, LoginRequired),
    (True, True, False): (Step.SELECT_PATIENT, InteractionRequired),
    (True, True, True): (Step.SELECT_PATIENT, InteractionRequired),
    (True, False, True): (Step.CONSENT, ConsentRequired),
    (True, False, False): (Step.DONE, None),
}


def test_the_table_has_every_state() -> None:
    assert set(FIRST_TO_DO) == set(product((True, False), repeat=3))


@pytest.mark.parametrize("state", FIRST_TO_DO)
def test_sign_in_comes_before_the_patient_and_the_patient_before_consent(state: tuple[bool, bool, bool]) -> None:
    """House, flow "Authorize": LOGIN, SELECT_PATIENT, CONSENT, DONE."""
    assert next_step(Facts(True, *state)) is FIRST_TO_DO[state][0]


@pytest.mark.parametrize("state", FIRST_TO_DO)
def test_with_prompt_none_nobody_is_asked_anything(state: tuple[bool, bool, bool]) -> None:
    """OIDC Core §3.1.2.6, security.md AZ-58 and AZ-59: the error says what would have been asked."""
    error = FIRST_TO_DO[state][1]
    if error is None:
        assert next_step(Facts(False, *state)) is Step.DONE
    else:
        with pytest.raises(error):
            next_step(Facts(False, *state))
