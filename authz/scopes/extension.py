from __future__ import annotations

import re
from dataclasses import dataclass

from authz.scopes.reason import Reason
from authz.scopes.scope import Scope
from authz.scopes.unknown import UnknownScope

# RFC 3986 §3 and §2: each alternative starts with another character, so matching is linear
URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")

URI_FORMS = ("http://smarthealthit.org/fhir/scopes/", "http://openid.net/specs/openid-connect-core-1_0#")


@dataclass(frozen=True, slots=True)
class ExtensionScope(Scope):
    """``__profilePhoto.manage`` or an absolute URI (SMART 2.2 "Extensibility"); granted only to who registered it."""

    text: str

    def __str__(self) -> str:
        return self.text


def parse_extension(text: str) -> Scope | None:
    if text.startswith("__"):
        if text == "__":
            return UnknownScope(text, "a scope of your own needs a name after the two underscores")
        return ExtensionScope(text)
    for prefix in URI_FORMS:
        if text.startswith(prefix):
            # SMART 2.2 Appendix: that form is for places that need URIs, never for the scope parameter
            return UnknownScope(text, f"ask for the part after {prefix}", Reason.UNSUPPORTED)
    return ExtensionScope(text) if URI.fullmatch(text) else None
