"""A change of a registration by a form: its plain members, everything else stays as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from authz.clients.metadata import ClientMetadata
from authz.developers.answers import by_field
from authz.errors import OAuthError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TEXTS = ("client_name", "scope", "client_uri", "policy_uri", "tos_uri")
LISTS = ("redirect_uris", "launch_uris", "contacts")
FIELDS = {"redirect_uri": "redirect_uris", "launch_uri": "launch_uris", "contact": "contacts", "data": "scope"}


@dataclass(frozen=True, slots=True)
class Edited:
    """The form's members, as registered or as typed."""

    texts: dict[str, str]
    lists: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        return cls(
            {name: members.get(name, "") for name in TEXTS}, {name: tuple(members.get(name, ())) for name in LISTS}
        )

    @classmethod
    def sent(cls, pairs: Iterable[tuple[str, str]]) -> Self:
        given = [(name, value.strip()) for name, value in pairs if value.strip()]
        return cls(
            {name: dict(given).get(name, "") for name in TEXTS},
            {name: tuple(value for found, value in given if found == name) for name in LISTS},
        )

    def fields(self) -> list[tuple[str, str]]:
        """What the form would send once more."""
        several = [(name, value) for name, values in self.lists.items() for value in values]
        return [(name, value) for name, value in [*self.texts.items(), *several] if value]

    def put_into(self, members: Mapping[str, Any]) -> dict[str, Any]:
        """The whole registration with the change in it; what was emptied is left out."""
        edited = {**self.texts, **{name: list(values) for name, values in self.lists.items()}}
        kept = {name: value for name, value in members.items() if name not in edited}
        return kept | {name: value for name, value in edited.items() if value not in ("", [])}


def problems(members: Mapping[str, Any]) -> dict[str, str]:
    """What can't be registered, by field."""
    try:
        ClientMetadata.load(members)
    except OAuthError as error:
        return named(error.description)
    return {}


def named(description: str) -> dict[str, str]:
    """The protocol's words by the fields of this form, which are called as the members are."""
    return {FIELDS.get(field, field): text for field, text in by_field(description).items()}
