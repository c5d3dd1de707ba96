from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.errors import InvalidValue
from authz.fhir_servers.branding import (
    DARK_ON_ACCENT,
    DARK_SURFACE,
    MIN_CONTRAST,
    PNG_START,
    WHITE,
    Branding,
    branding_problems,
    check_logo,
    contrast,
)

colours = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


def png(width: int, height: int, *, size: int = 100) -> bytes:
    start = PNG_START + struct.pack(">I", 13) + b"IHDR" + struct.pack(">II", width, height)
    return start + b"\x08\x06\x00\x00\x00" + b"\x00" * (size - len(start) - 5)


@given(colours)
def test_a_colour_that_is_accepted_can_be_read_on_light_and_dark_pages(accent: str) -> None:
    """WCAG 2.2 §1.4.3: as text, as a button, and on its own soft ground."""
    if branding_problems({"accent": accent}):
        assert contrast(accent, WHITE) < MIN_CONTRAST * 1.3
        return
    light, dark = Branding(accent=accent).palette["light"], Branding(accent=accent).palette["dark"]
    assert light["accent"] == accent
    assert contrast(accent, WHITE) >= MIN_CONTRAST
    assert contrast(accent, light["accent-soft"]) >= MIN_CONTRAST
    for ground in (DARK_SURFACE, DARK_ON_ACCENT, dark["accent-soft"]):
        assert contrast(dark["accent"], ground) >= MIN_CONTRAST


def test_contrast_is_that_of_the_guidelines() -> None:
    assert contrast("#000000", "#ffffff") == contrast("#ffffff", "#000000") == 21
    assert round(contrast("#767676", "#ffffff"), 2) == 4.54


@pytest.mark.parametrize("accent", ["blue", "#FFF", "#075F78", "#075f7", "#075f78;}", "#ffffff", "#ffd700"])
def test_another_colour_is_refused(accent: str) -> None:
    assert branding_problems({"accent": accent})


@pytest.mark.parametrize("name", ["x" * 81, " ", "two\nlines", "\u202eright to left"])
def test_a_name_is_short_and_visible(name: str) -> None:
    assert branding_problems({"organization": name}) == ["organization: 1 to 80 visible characters"]


def test_a_small_png_is_a_logo() -> None:
    check_logo(png(200, 60))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        PNG_START,
        png(31, 60),
        png(1025, 60),
        png(200, 60, size=64 * 1024 + 1),
        b"GIF89a" + b"\x00" * 100,
    ],
)
def test_anything_else_is_not(content: bytes) -> None:
    with pytest.raises(InvalidValue, match="the logo"):
        check_logo(content)
