"""What people read of a client may be said in several languages: ``client_name#fr`` (RFC 7591 §2.2)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from authz.clients.values import name, web_address
from authz.wording import choose, language

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from marshmallow.fields import Field, String

TRANSLATED: dict[str, Callable[[], String]] = {
    "client_name": name,
    "client_uri": web_address,
    "logo_uri": web_address,
    "policy_uri": web_address,
    "tos_uri": web_address,
}
MAX_TRANSLATIONS = 100
MAX_NAMES = 30  # the languages of the European Union, and some more: each is compared with all other apps'
TAG = (  # RFC 5646 §2.1: language, script, region, variants, extensions, private use
    "(?:[A-Za-z]{2,3}(?:-[A-Za-z]{3}){0,3}|[A-Za-z]{4,8})(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|[0-9]{3}))?"
    "(?:-(?:[A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*(?:-[0-9A-WYZa-wyz](?:-[A-Za-z0-9]{2,8})+)*"
    "(?:-[xX](?:-[A-Za-z0-9]{1,8})+)?|[xX](?:-[A-Za-z0-9]{1,8})+"
)
MAX_TAG = 64
WELL_FORMED = re.compile(TAG)


def translated(names: Iterable[str]) -> list[str]:
    """Those names that are a member people read, with a language after it."""
    return [member for member in names if "#" in member and member.partition("#")[0] in TRANSLATED]


def fields(names: Iterable[str]) -> dict[str, Field[str]]:
    """How each of these is checked: as without its language."""
    return {member: TRANSLATED[member.partition("#")[0]]() for member in names}


def nearest(about: Mapping[str, Any], member: str) -> Any:
    """The member in the language of the page, or what is nearest to it; else as it is said without a language."""
    tags = [name.partition("#")[2] for name in about if name.startswith(f"{member}#")]
    tag = choose([language()], tags) if tags else None
    return about.get(f"{member}#{tag}" if tag else member)


def problems(names: Iterable[str]) -> dict[str, list[str]]:
    """Names whose language is no tag of BCP 47, or that say the same one twice; ``EN`` and ``en`` are one."""
    found: dict[str, list[str]] = {}
    seen: set[str] = set()
    for member in names:
        base, _, tag = member.partition("#")
        if len(tag) > MAX_TAG or not WELL_FORMED.fullmatch(tag):
            found[base] = ["what follows # must be a language tag such as fr or pt-BR (BCP 47)"]
        elif member.lower() in seen:
            found[member] = ["is said twice in this language"]
        seen.add(member.lower())
    if len(seen) > MAX_TRANSLATIONS:
        found["client_name"] = [f"more than {MAX_TRANSLATIONS} translations"]
    if sum(member.startswith("client_name#") for member in seen) > MAX_NAMES:
        found["client_name"] = [f"more than {MAX_NAMES} translations"]
    return found
