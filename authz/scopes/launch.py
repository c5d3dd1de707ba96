from __future__ import annotations

import re
from dataclasses import dataclass, field

from authz.scopes.encoding import decode, encode
from authz.scopes.scope import Scope
from authz.scopes.unknown import UnknownScope

SYNTAX = re.compile(r"launch/([a-z]+)(?:\?role=([^&]+))?")


@dataclass(frozen=True, slots=True)
class LaunchScope(Scope):
    """``launch``, ``launch/patient``, ``launch/list?role=https://…`` (SMART 2.2 "Scopes for requesting context data").

    ``launch/list`` does not cover ``launch/list?role=…``: a role asks for other context (a mother beside the patient).
    """

    type: str | None  # a FHIR resource type in lower case; None is plain "launch"
    role: str | None = None  # percent-decoded
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.text or self.normal_form

    @property
    def normal_form(self) -> str:
        if self.type is None:
            return "launch"
        return f"launch/{self.type}" + (f"?role={encode(self.role)}" if self.role else "")


def parse_launch(text: str) -> Scope | None:
    """Comes before resource scopes: the URL of a role has ``/`` and ``.`` of its own."""
    if text == "launch":
        return LaunchScope(None, None, text)
    if not text.startswith("launch/"):
        return UnknownScope(text, "launch is lower case") if text.lower().startswith("launch/") else None
    if not (match := SYNTAX.fullmatch(text)):
        return UnknownScope(text, _complaint(text))
    type_, role = match.groups()
    try:
        return LaunchScope(type_, decode(role) if role else None, text)
    except ValueError as cause:
        return UnknownScope(text, str(cause))


def _complaint(text: str) -> str:
    type_, _, query = text.removeprefix("launch/").partition("?")
    if not (type_.isalpha() and type_.islower()):
        return "after launch/ stands a FHIR resource type, all in lower case"
    if query.count("role=") > 1:
        return "one role for each scope: ask for several roles with several scopes"
    return "after the type only ?role= and one role is defined"
