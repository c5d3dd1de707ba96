"""A search that finds who signed in at a provider: ``hospital:Practitioner?identifier=http://staff.example|{number}``.

It names the provider, as a claim is the word of one: what another says under the same name, somebody else may choose.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from authz.errors import InvalidValue
from authz.fhir_servers.search import escaped
from authz.fhir_servers.search_settings import PARAMETER
from authz.fhir_servers.url import FHIR_USER_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

PROVIDER = re.compile(r"(?:(?P<provider>[a-z0-9][a-z0-9-]{0,62}):)?(?P<search>.*)")
CLAIM = re.compile(r"\{([^{}\s]{1,255})\}")
MAX_LENGTH = 1_000
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
DATES = frozenset({"birthdate", "death-date", "date"})  # ge1900-01-01 would find nearly everybody, 1980 many
BEGINNINGS = frozenset(  # of texts: Li finds Lincoln (FHIR search, string)
    {"name", "family", "given", "phonetic"}
    | {f"address{part}" for part in ("", "-city", "-country", "-postalcode", "-state", "-use")}
)
E_MAIL = frozenset({"email", "email_verified"})  # somebody else may have had the address, or will


@dataclass(frozen=True, slots=True)
class SearchTemplate:
    provider: str  # name
    resource_type: str
    parameters: tuple[tuple[str, str], ...]
    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises InvalidValue."""
        found = PROVIDER.fullmatch(text)
        if found is None or len(text) > MAX_LENGTH or not text.isprintable():
            raise InvalidValue(f"a search is at most {MAX_LENGTH} printable characters")
        if found["provider"] is None:
            raise InvalidValue(f"{text}: say for the people of which provider it is: hospital:{text}")
        resource_type, mark, query = found["search"].partition("?")
        pairs = [part.partition("=") for part in query.split("&")]
        parameters = tuple((name, value) for name, _, value in pairs)
        if not mark or resource_type not in FHIR_USER_TYPES:
            raise InvalidValue(
                f"{text}: a search looks like hospital:Practitioner?identifier=http://staff.example|{{claim}}"
            )
        for name, value in parameters:
            if not PARAMETER.fullmatch(name) or not value:
                raise InvalidValue(f"{text}: {name or 'a parameter'} must be a search parameter with a value")
            if "{" in CLAIM.sub("", value) or "}" in CLAIM.sub("", value):
                raise InvalidValue(f"{text}: the name of a claim stands between braces")
            if CLAIM.search(value) and (problem := looseness(name, value)):
                raise InvalidValue(f"{text}: {problem}")
        template = cls(found["provider"], resource_type, parameters, text)
        if not template.claims - E_MAIL:
            raise InvalidValue(f"{text}: it must name a claim in braces, and not the e-mail address alone")
        return template

    @property
    def claims(self) -> frozenset[str]:
        return frozenset(name for _, value in self.parameters for name in CLAIM.findall(value))

    @property
    def goes_by_identifier(self) -> bool:
        """Whether nobody is found by it whose resource has not an identifier that the provider told."""
        return any(name.partition(":")[0] == "identifier" and CLAIM.search(value) for name, value in self.parameters)

    def filled(self, claims: Mapping[str, str]) -> list[tuple[str, str]] | None:
        """The parameters with this person's values, none of which means more than itself; None if one is missing, or
        is no day where one is asked for.
        """
        if any(not claims.get(name, "").strip() for name in self.claims):
            return None
        found = [
            (name, CLAIM.sub(lambda match: escaped(claims[match[1]].strip()), value)) for name, value in self.parameters
        ]
        days = [value for name, value in found if name in DATES]
        return found if all(DATE.fullmatch(day) for day in days) else None


def looseness(name: str, value: str) -> str | None:
    """Why what this finds by a claim may be somebody else, who has more or less the same value."""
    base, _, modifier = name.partition(":")
    if modifier not in {"", "exact"}:
        return f"with :{modifier} it finds others as well"
    if base in BEGINNINGS and not modifier:
        return f"{base} finds everybody whose {base} begins so; write {base}:exact"
    if base == "identifier" and "|" not in value:
        return "say whose number it is: identifier=http://staff.example|{claim}"
    return None
