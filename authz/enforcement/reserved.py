"""What no app writes within one patient's record: that which says here who somebody is, or for whom they act.

An app that could would make its own right to the record last, or give it to others (SMART SCP-01, CTX-13).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz.enforcement.content import touched
from authz.enforcement.parameters import ANY
from authz.enforcement.routes import Kind
from authz.launch.standing import STAFF

if TYPE_CHECKING:
    from authz.enforcement.fhir_request import Access
    from authz.enforcement.token import Token

WRITES = frozenset({Kind.CREATE, Kind.UPDATE, Kind.PATCH, Kind.DELETE})


def reserved(token: Token, access: Access) -> str:
    """Why it takes staff or the hospital's own systems; empty for everything else."""
    elements, operations = token.telling.get(access.type or ANY), access.body.operations
    if access.kind not in WRITES or elements is None:
        return ""
    if not elements:
        what = f"a {access.type} says here who somebody is, or for whom they act"
        return f"{what}: only user/ scopes of staff and system/ scopes write it"
    if operations is not None and not {"", *elements} & touched(operations):
        return ""
    what = f"{', '.join(sorted(elements))} of a {access.type} say here who somebody is, or who acts for them"
    return f"{what}: only user/ scopes of staff and system/ scopes write them; patch other elements with a JSON Patch"


def levels_of_the_site(token: Token) -> tuple[str, ...]:
    """The levels that count for what is reserved: ``system``, and ``user`` of staff."""
    is_staff = (token.fhir_user or "").partition("/")[0] in STAFF
    return ("user", "system") if is_staff else ("system",)
