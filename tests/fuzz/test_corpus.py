from __future__ import annotations

import pytest

from tests.fuzz.corpus import read
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_what_a_fuzzer_found_interesting_is_still_judged_right(name: str) -> None:
    """security.md 2: scope grammar, redirect matcher, Authorization header, JWTs, FHIR requests; ``make fuzz``."""
    inputs = read(name)
    assert inputs
    for data in inputs:
        TARGETS[name](data)
