"""How long an answer may be kept, as its sender says (RFC 9111 §4.2, §5.2; SMART AMB-17)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

UNSAID = 300  # seconds, where the sender says nothing
LONGEST = 3600  # a key that was withdrawn must stop working some time, whatever was said of the old set
DIRECTIVE = re.compile(r'([A-Za-z0-9_-]+)(?:\s*=\s*("[^"]*"|[^",\s]*))?\s*(?:,|$)\s*')
SECONDS = re.compile(r"[0-9]{1,10}")


def freshness(headers: Mapping[str, str]) -> timedelta:
    """Zero for ``no-store``, ``no-cache`` and anything that can't be read; ``headers`` with names in lower case."""
    said = headers.get("cache-control", "").strip()
    if not said:
        return timedelta(seconds=0 if "pragma" in headers or "expires" in headers else UNSAID)
    directives = read(said)
    if directives is None or {"no-store", "no-cache"} & directives.keys():
        return timedelta(0)
    age = headers.get("age", "0").strip()
    lifetime = directives.get("max-age", str(UNSAID))
    if not SECONDS.fullmatch(lifetime) or not SECONDS.fullmatch(age):
        return timedelta(0)
    return timedelta(seconds=max(0, min(int(lifetime) - int(age), LONGEST)))


def read(text: str) -> dict[str, str] | None:
    """Directives in small letters with their values; None if the text is malformed or says one of them twice."""
    found: dict[str, str] = {}
    position = 0
    while position < len(text):
        match = DIRECTIVE.match(text, position)
        if match is None or match[1].lower() in found:
            return None
        found[match[1].lower()] = (match[2] or "").strip('"')
        position = match.end()
    return found
