"""The address of a FHIR request, read so strictly that no server behind can read it differently.

A proxy passes the very bytes on that were judged here. So there is one spelling of a path (plain segments, nothing
escaped), and of a query only what every parser takes apart alike.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

MAX_TARGET = 8000
MAX_PAIRS = 100
SEGMENT = re.compile(r"[A-Za-z0-9$_.-]{1,128}")
QUERY = re.compile(r"(?:[A-Za-z0-9\-._~:/?@!$'()*,=&+|\[\]]|%[0-9A-Fa-f]{2})*")  # no ";", which some take for "&"
STILL_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")

Pair = tuple[str, str]


class Undecidable(Exception):
    """It can't be told what this request touches, so it is refused; the sentence is for the app's developer."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def split(target: str, base_paths: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[Pair, ...]]:
    """The path's segments below the FHIR base, and the query's pairs. Raises Undecidable."""
    if len(target) > MAX_TARGET:
        raise Undecidable("the address is too long")
    path, question, query = target.partition("?")
    below = next((path[len(base) :] for base in base_paths if path == base or path.startswith(f"{base}/")), None)
    if below is None:
        raise Undecidable("the address is not below the base of this FHIR server")
    return segments(below), pairs(query) if question else ()


def segments(path: str) -> tuple[str, ...]:
    if path in ("", "/"):
        return ()
    found = tuple(path.removeprefix("/").split("/"))
    if not all(SEGMENT.fullmatch(part) and set(part) != {"."} for part in found):
        raise Undecidable("the path must be plain: no escapes, no empty, dotted or parameterised segments")
    return found


def pairs(text: str) -> tuple[Pair, ...]:
    """Names and values, decoded once. Raises Undecidable."""
    if not QUERY.fullmatch(text):
        raise Undecidable("the parameters must be percent-encoded, and a semicolon written %3B")
    parts = [part for part in text.split("&") if part]
    if len(parts) > MAX_PAIRS:
        raise Undecidable(f"more than {MAX_PAIRS} parameters")
    return tuple(pair(part) for part in parts)


def pair(part: str) -> Pair:
    name, _, value = part.partition("=")
    try:
        decoded = tuple(unquote_to_bytes(text.replace("+", " ")).decode() for text in (name, value))
    except UnicodeDecodeError as error:
        raise Undecidable("the parameters must be UTF-8") from error
    for text in decoded:
        if not text.isprintable() or STILL_ENCODED.search(text):
            raise Undecidable("a parameter has control characters or is encoded twice")
    return decoded[0], decoded[1]
