"""The same request on a command line: what a page sends is no secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def pretty(members: Mapping[str, Any]) -> str:
    return json.dumps(members, indent=2, ensure_ascii=False)


def registration(url: str, metadata: Mapping[str, Any], *, with_token: bool) -> str:
    """A here-document with a quoted mark: the shell changes nothing in it (POSIX XCU §2.7.4)."""
    token = '  -H "Authorization: Bearer $INITIAL_ACCESS_TOKEN" \\\n' if with_token else ""
    return (
        f"curl -sS {url} \\\n{token}"
        f"  -H 'Content-Type: application/json' --data-binary @- <<'END'\n{pretty(metadata)}\nEND"
    )


def discovery(fhir_base: str) -> str:
    return f"curl -sS {fhir_base.removesuffix('/')}/.well-known/smart-configuration"
