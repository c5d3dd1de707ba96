"""The texts of the pages, as they are said in another language than English: found in that language's catalogue."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from babel.messages.mofile import read_mo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLACE = re.compile(r"%\((\w+)\)[sd]")


@dataclass(frozen=True)
class Words:
    """Those of one language; without a catalogue, of English."""

    tag: str = "en"
    catalogue: Path | None = None
    shown: Callable[[str], str] = str  # what becomes of a text on a page

    def __call__(self, text: str) -> str:
        """What a page says where it says this in English; what fills a place is translated likewise, or is a name."""
        return text if self.catalogue is None else self.said(text) or self.filled(text) or text

    def said(self, text: str) -> str:
        return self.texts.get(text, "")

    def filled(self, text: str) -> str:
        for pattern, translation in self.patterns:
            if match := pattern.fullmatch(text):
                return translation % {name: self(value) for name, value in match.groupdict().items()}
        return ""

    @cached_property
    def texts(self) -> dict[str, str]:
        assert self.catalogue is not None
        with self.catalogue.open("rb") as stream:
            return {m.id: self.shown(str(m.string)) for m in read_mo(stream) if isinstance(m.id, str) and m.id}

    @cached_property
    def patterns(self) -> list[tuple[re.Pattern[str], str]]:
        """Texts with places to fill, as patterns; the longest first, for others may match too much."""
        with_places = sorted((text for text in self.texts if PLACE.search(text)), key=len, reverse=True)
        return [(pattern(text), self.texts[text]) for text in with_places]


def pattern(text: str) -> re.Pattern[str]:
    """What a text with places looks like when they are filled."""
    parts = PLACE.split(text)  # text, name, text, name, …
    seen: set[str] = set()
    made = ""
    for number, part in enumerate(parts):
        if number % 2 == 0:
            made += re.escape(part)
        else:
            made += f"(?P={part})" if part in seen else f"(?P<{part}>.+)"
            seen.add(part)
    return re.compile(made)
