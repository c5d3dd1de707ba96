"""How a FHIR server's pages look: whose records they are, one colour, a logo."""

from __future__ import annotations

import re
import struct
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from authz.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Mapping

COLOUR = re.compile(r"#[0-9a-f]{6}")
MAX_NAME = 80
MIN_CONTRAST = 4.5  # WCAG 2.2 §1.4.3
WHITE, INK = "#ffffff", "#14222c"
DARK_SURFACE, DARK_ON_ACCENT = "#182229", "#04262f"  # as in static/authz.css
NEARLY_BLACK = 0.04045  # below, sRGB is linear
PNG_START = b"\x89PNG\r\n\x1a\n"
MAX_LOGO_BYTES = 64 * 1024
MIN_LOGO_PIXELS, MAX_LOGO_PIXELS = 32, 1024


@dataclass(frozen=True, slots=True)
class Branding:
    organization: str = ""  # empty: that of the settings
    accent: str = ""  # "#075f78"; empty: ours
    logo: str = ""  # the beginning of its SHA-256, so that its address changes with it

    def as_dict(self) -> dict[str, str]:
        return asdict(self)

    @property
    def palette(self) -> dict[str, dict[str, str]]:
        """The colours that follow from the accent, for light and for dark pages; empty without one."""
        if not self.accent:
            return {}
        light, dark = self.accent, in_the_dark(self.accent)
        return {
            "light": {"accent": light, "on-accent": WHITE, "accent-soft": mixed(light, WHITE, 0.1)},
            "dark": {"accent": dark, "on-accent": DARK_ON_ACCENT, "accent-soft": mixed(dark, DARK_SURFACE, 0.15)},
        }


UNBRANDED = Branding()


def branding_problems(said: Mapping[str, Any]) -> list[str]:
    found = []
    name, accent = said.get("organization", ""), said.get("accent", "")
    if name and (len(name) > MAX_NAME or not name.isprintable() or not name.strip()):
        found.append(f"organization: 1 to {MAX_NAME} visible characters")
    if accent and not COLOUR.fullmatch(accent):
        found.append("accent: a colour looks like #075f78")
    elif accent and contrast(accent, mixed(accent, WHITE, 0.1)) < MIN_CONTRAST:
        found.append(f"accent: {accent} can't be read on white; take a darker one (contrast {MIN_CONTRAST}:1)")
    return found


def check_logo(png: bytes) -> None:
    """Raise InvalidValue for what is not a small PNG: nothing in it is ever run, whatever it holds."""
    if len(png) > MAX_LOGO_BYTES:
        raise InvalidValue(f"the logo: at most {MAX_LOGO_BYTES // 1024} KB")
    if not png.startswith(PNG_START) or png[12:16] != b"IHDR" or len(png) < len(PNG_START) + 25:
        raise InvalidValue("the logo: must be a PNG")
    width, height = struct.unpack(">II", png[16:24])
    if not all(MIN_LOGO_PIXELS <= side <= MAX_LOGO_PIXELS for side in (width, height)):
        raise InvalidValue(f"the logo: {MIN_LOGO_PIXELS} to {MAX_LOGO_PIXELS} pixels wide and high")


def channels(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def mixed(colour: str, into: str, share: float) -> str:
    """``share`` of a colour, the rest of another."""
    pairs = zip(channels(colour), channels(into), strict=True)
    return "#" + "".join(f"{round(a * share + b * (1 - share)):02x}" for a, b in pairs)


def in_the_dark(colour: str) -> str:
    """The colour made lighter until it can be read on a dark page, and dark letters on it."""
    shades = [mixed(colour, WHITE, 1 - step / 20) for step in range(21)]
    fits = (s for s in shades if readable(s))
    return next(fits, WHITE)


def readable(shade: str) -> bool:
    soft = mixed(shade, DARK_SURFACE, 0.15)
    return all(contrast(shade, other) >= MIN_CONTRAST for other in (DARK_SURFACE, DARK_ON_ACCENT, soft))


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, "contrast ratio"."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    red, green, blue = (
        part / 12.92 if part <= NEARLY_BLACK else ((part + 0.055) / 1.055) ** 2.4
        for part in (channel / 255 for channel in channels(colour))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
