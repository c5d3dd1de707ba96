"""A language written from right to left, made of the English texts: each letter is an Arabic one, names stay Latin.

It shows what no other language here can: whether a page turns round as a whole, and what is filled in does not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from authz.wording import FIRST_STRONG_ISOLATE
from authz.wording import PLACE as TO_ISOLATE
from docs import translations

if TYPE_CHECKING:
    from pathlib import Path

TAG = "ar"
LATIN, ARABIC = "abcdefghijklmnopqrstuvwxyz", "ابجدهوزحطيكلمنسعفصقرشتثخذض"
LETTERS = str.maketrans(LATIN + LATIN.upper() + "?", ARABIC * 2 + "؟")
KEPT = re.compile(r"(%\(\w+\)[sd]|<[^>]*>)")  # what is filled in, and marks of the page
LONGER = 3  # every third letter stands twice: other languages need about a third more room
DATES = ("d MMMM y", "d MMMM y, HH:mm 'UTC'", "d MMM y", "d MMM y, HH:mm", "MMM y", "HH:mm")  # patterns, no texts
FORMS = 6  # of a plural in Arabic


def turned(text: str) -> str:
    """The text in this language."""
    if text in DATES:
        return text
    parts = KEPT.split(text)
    return "".join(part if number % 2 else longer(part.translate(LETTERS)) for number, part in enumerate(parts))


def longer(text: str) -> str:
    return "".join(one * 2 if number % LONGER == 0 and one.isalpha() else one for number, one in enumerate(text))


def shown(text: str) -> str:
    """As it stands on a page: what is filled in is set apart."""
    return TO_ISOLATE.sub(FIRST_STRONG_ISOLATE, text)


def write_catalogue(folder: Path) -> Path:
    """Below a ``translations_dir``; returns the compiled catalogue."""
    catalog = Catalog(locale=TAG)
    for message in translations.said():
        if isinstance(message.id, tuple):
            catalog.add(message.id, tuple([turned(message.id[1])] * FORMS))
        elif message.id:
            catalog.add(message.id, turned(str(message.id)))
    file = folder / TAG / "LC_MESSAGES" / "messages.mo"
    file.parent.mkdir(parents=True)
    with file.open("wb") as stream:
        write_mo(stream, catalog)
    return file
