"""Other endpoints under a FHIR server's tokens, and where apps keep their state (SMART sections 2.2 and 20)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from authz.fhir_servers.url import base_url_problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

APP_STATE = "smart-app-state"
OWN = re.compile(r"[a-z][a-z0-9+.-]*:[!-~]+")  # CAP-02: whoever is not HL7 names a capability by a URI
CODING = re.compile(r"[a-z][a-z0-9+.-]*:[!#-+\--\[\]-{}~]{1,255}\|[!#-+\--\[\]-{}~]{1,64}")  # system|code


def endpoint(text: str) -> dict[str, Any]:
    """What an administrator writes: ``https://state.example/fhir=smart-app-state``, more capabilities after commas."""
    url, _, capabilities = text.rpartition("=")
    return {"url": url, "capabilities": [one for one in capabilities.split(",") if one]}


def problems(endpoints: Iterable[Mapping[str, Any]]) -> list[str]:
    found = []
    for one in endpoints:
        found += base_url_problems(one["url"])
        if not one["capabilities"]:
            found.append(f"{one['url']}: say what it can do: URL=smart-app-state")
        found += [
            f"{name}: of SMART's capabilities only {APP_STATE} makes sense here; one of your own is a URI"
            for name in one["capabilities"]
            if name != APP_STATE and not OWN.fullmatch(name)
        ]
    return found


def coding_problems(codings: Iterable[str]) -> list[str]:
    """Why these can't be the kinds of state of an app (APS-08)."""
    return [
        f"{text}: write it as system|code; the system is a URI, best the app's own origin"
        for text in codings
        if not CODING.fullmatch(text)
    ]
