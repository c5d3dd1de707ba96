"""Names that look alike: by the table of Unicode's UTS #39, whose own code would hold 18 MB in every process."""

from __future__ import annotations

import json
import re
import unicodedata
from functools import cache, lru_cache
from importlib.resources import files

SHORTEST = 2  # of what is compared: an emoji alone is like nothing
ONE = 1
OF_LATIN = re.compile(r"(?!COMBINING)(?:.* )?(?:LATIN|REGIONAL INDICATOR) .*?\b([A-Z])(?: WITH .*)?")
STROKE = str.maketrans("i1", "ll")


def look_alike(one: str, other: str) -> bool:
    return bool(skeletons(one) & skeletons(other))


@lru_cache(maxsize=256)  # an app's own names, and those of the hospital's organisations, each with each
def skeletons(name: str) -> frozenset[str]:
    """What is left of a name when characters that look alike are one: two names with a skeleton in common look alike.

    Small and large letters are one, before and after: a large I looks like a small l, and a small m like rn.
    """
    drawn = (drawing(name), drawing(unicodedata.normalize("NFKC", name).casefold()))
    return frozenset(found for found in drawn if len(found) >= SHORTEST)


def contains(name: str, part: str) -> bool:
    """Whether one can read the other in it."""
    return any(inner in outer for inner in skeletons(part) for outer in skeletons(name))


def drawing(name: str) -> str:
    """Without accents, spaces and signs, which are easily overlooked, and the dot of an i."""
    plain = unicodedata.normalize("NFKD", name)
    drawn = unicodedata.normalize("NFKD", "".join(prototypes().get(c, c) for c in plain)).casefold()
    return "".join(c for c in map(letter, drawn) if c.isalnum()).translate(STROKE)


def letter(c: str) -> str:
    """The letter that one reads in it, which its name in Unicode ends with: a small capital, in a circle, turned."""
    found = None if c.isascii() else OF_LATIN.fullmatch(unicodedata.name(c, ""))
    return found[1].lower() if found else c


@cache
def prototypes() -> dict[str, str]:
    """Character -> what stands for all that look like it (UTS #39 §4).

    The table has each pair both ways; the one in the middle of several is the prototype.
    """
    text = files("confusable_homoglyphs").joinpath("confusables.json").read_text(encoding="utf-8")
    pairs = {c: [entry["c"] for entry in entries] for c, entries in json.loads(text).items()}

    def prototype(c: str) -> str:
        others = pairs[c]
        if len(others) > ONE:
            return c
        other: str = others[0]
        return other if len(pairs.get(other, ())) > ONE else min(c, other)

    return {c: found for c in pairs if len(c) == ONE and (found := prototype(c)) != c}
