"""What was answered in the form, as the metadata of RFC 7591 §2 that is sent for it: nothing is added on the way."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from authz import strict_json
from authz.developers.data import record_scopes, types_of, writes_offered
from authz.developers.kinds import KEY, KindOfApp
from authz.strict_json import NotStrictJson

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authz.fhir_servers.registry import FhirServer

STAYS = {  # how long it stays connected: the scope for it, in words
    "no": ("", "No: it asks again when its hour is over"),
    "session": ("online_access", "As long as the person stays signed in"),
    "always": ("offline_access", "Also when nobody is there, until they end it"),
}
LISTS = ("redirect_uri", "launch_uri", "data")
TEXTS = (
    *("client_name", "auth_method", "jwks_uri", "jwks", "writes", "stays", "level"),
    *("contact", "client_uri", "policy_uri", "tos_uri", "initial_access_token"),
)
MEMBERS = {  # where what the protocol says about a member is shown
    "redirect_uris": "redirect_uri",
    "launch_uris": "launch_uri",
    "contacts": "contact",
    "scope": "data",
    "token_endpoint_auth_method": "auth_method",
    "key": "key",
}
MEMBER = re.compile(r"([a-z_]+): (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Answers:
    """The filled-in form; ``texts`` has what was typed or chosen, ``lists`` what may be given several times."""

    kind: KindOfApp
    texts: dict[str, str] = field(default_factory=dict)
    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, kind: KindOfApp, sent: Iterable[tuple[str, str]]) -> Self:
        """Fields of other names are none of the form's; of a text the last one counts."""
        pairs = [(name, value.strip()) for name, value in sent if value.strip()]
        lists = {name: tuple(value for found, value in pairs if found == name) for name in LISTS}
        return cls(kind, {name: value for name, value in pairs if name in TEXTS}, lists)

    @classmethod
    def blank(cls, kind: KindOfApp, server: FhirServer) -> Self:
        """The form as it is shown at first: what is sensible is chosen."""
        level = kind.levels_at(server)[0]
        texts = {"auth_method": kind.auth_methods[0], "writes": "no", "stays": "no", "level": level}
        return cls(kind, texts, {"data": ("who",)})

    def fields(self) -> list[tuple[str, str]]:
        """What the form would send once more."""
        several = [(name, value) for name, values in self.lists.items() for value in values]
        return [("kind", self.kind.id), *self.texts.items(), *several]

    def text(self, name: str) -> str:
        return self.texts.get(name, "")

    @property
    def auth_method(self) -> str:
        """What is not offered for this kind of app is not chosen either."""
        given = self.text("auth_method")
        return given if given in self.kind.auth_methods else self.kind.auth_methods[0]

    @property
    def stays(self) -> str:
        return STAYS[self.text("stays")][0] if self.kind.has_people and self.text("stays") in STAYS else ""

    def scope(self, server: FhirServer) -> str:
        levels = self.kind.levels_at(server)
        level = self.text("level") if self.text("level") in levels else levels[0]
        writes = self.text("writes") if self.text("writes") in writes_offered(self.kind, server) else "no"
        always = [*self.kind.always, *self.context(level)]
        records = record_scopes(level, types_of(self.lists.get("data", ()), server), writes)
        return " ".join([*always, *([self.stays] if self.stays else []), *records])

    def context(self, level: str) -> list[str]:
        """An app for one patient at a time that no EHR opens asks which one."""
        needs_patient = level == "patient" and not self.kind.is_launched
        return ["launch/patient"] if needs_patient and "launch/patient" not in self.kind.always else []

    def metadata(self, server: FhirServer) -> dict[str, Any]:
        """What is sent to the registration endpoint, in the order it is read best."""
        kind = self.kind
        members = {
            "client_name": self.text("client_name"),
            **({"application_type": kind.application_type} if kind.has_people else {}),
            "redirect_uris": list(self.lists.get("redirect_uri", ())) if kind.has_people else [],
            "launch_uris": list(self.lists.get("launch_uri", ())) if kind.is_launched else [],
            "grant_types": self.grant_types(),
            "token_endpoint_auth_method": self.auth_method,
            "scope": self.scope(server),
            "fhir_user_types": list(kind.user_types),
            **(self.keys() if self.auth_method == KEY else {}),
            "contacts": [self.text("contact")] if self.text("contact") else [],
            **{name: self.text(name) for name in ("client_uri", "policy_uri", "tos_uri")},
        }
        return {name: value for name, value in members.items() if value not in ("", [])}

    def grant_types(self) -> list[str]:
        if not self.kind.has_people:
            return ["client_credentials"]
        return ["authorization_code", *(["refresh_token"] if self.stays else [])]

    def keys(self) -> dict[str, Any]:
        """Keys as they were pasted; what no registration takes as JSON goes on as it is, to be refused by its name."""
        if not self.text("jwks"):
            return {"jwks_uri": self.text("jwks_uri")}
        try:
            return {"jwks_uri": self.text("jwks_uri"), "jwks": strict_json.parse(self.text("jwks"))}
        except NotStrictJson:
            return {"jwks_uri": self.text("jwks_uri"), "jwks": self.text("jwks")}


def by_field(description: str) -> dict[str, str]:
    """The protocol's words, each beside the field of the form that it is about; ``""`` has what is about several.

    >>> by_field("redirect_uris: http is for loopback only; use https; client_name: must be visible characters")
    {'redirect_uri': 'http is for loopback only; use https', 'client_name': 'must be visible characters'}
    """
    found: dict[str, str] = {}
    here = ""
    for sentence in description.split("; "):
        match = MEMBER.fullmatch(sentence)
        member = match[1] if match else ""
        if match and (member in MEMBERS or member in TEXTS):
            here, text = MEMBERS.get(member, member), match[2]
        else:
            text = sentence
        found[here] = f"{found[here]}; {text}" if here in found else text
    return found
