from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.registration.look_alikes import contains, drawing, look_alike

NAMES = st.text(min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Growth Chart", "Growth Chart"),
        ("Growth Chart", "growth-chart"),
        ("Growth Chart", "GROWTHCHART"),
        ("Growth Chart", "Grоwth Сhart"),  # noqa: RUF001  Cyrillic letters: the point of it
        ("Health", "HeaIth"),
        ("Health", "Hea1th"),
        ("Modern", "Modem"),
        ("Bloom", "B100m"),
        ("Patient", "Pаtiеnt"),  # noqa: RUF001  that is the trick
        ("Resume", "Résumé"),
        ("Fullwidth", "Ｆｕｌｌ width"),  # noqa: RUF001  that is the trick
        ("Zero", "Zer\u200bo"),
        ("Test Hospital", "\u0422\u0435\u0455\u0442 \u041d\u043e\u0455\u0440\u0456\u0442\u0430\u04cf"),  # all Cyrillic
        ("Test", "\u1d1b\u1d07s\u1d1b"),  # small capitals
        ("Test", "\U0001f163\U0001f154\U0001f162\U0001f163"),  # in black circles
        ("Test", "\U0001f1f9\U0001f1ea\U0001f1f8\U0001f1f9"),  # of which flags are made
        ("Test", "T\u01ddst"),  # turned
        ("Sight", "Slght"),
    ],
)
def test_names_that_look_alike_are_found(one: str, other: str) -> None:
    """security.md RG-15, UTS #39 §4."""
    assert look_alike(one, other)
    assert look_alike(other, one)


@pytest.mark.parametrize(
    ("one", "other"), [("Growth Chart", "Growth Charts"), ("Heart", "Health"), ("", ""), ("❤", "❤"), ("a", "a")]
)
def test_other_names_are_not(one: str, other: str) -> None:
    assert not look_alike(one, other)


def test_a_name_within_a_name_is_found() -> None:
    assert contains("Test Hosрita1 Portal", "test hospital")  # noqa: RUF001  that is the trick
    assert not contains("Test", "Test Hospital")


@given(NAMES)
def test_every_name_looks_like_itself_if_anything_is_left_of_it(name: str) -> None:
    assert look_alike(name, name) or len(drawing(name)) < 2 or len(drawing(name.casefold())) < 2


@given(NAMES, NAMES)
def test_looking_alike_goes_both_ways(one: str, other: str) -> None:
    assert look_alike(one, other) == look_alike(other, one)
