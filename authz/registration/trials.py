"""What apps that are not approved were granted for trying themselves out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from authz.clients.model import ClientRow
from authz.tokens.model import GrantRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from authz.tokens.revocation import Revocation


def end_trials(revocation: Revocation, fhir_server: str, within: Callable[[Session], None]) -> int:
    """Revoke it all at a FHIR server, with the change of who is invented there; approved apps keep what they have."""
    unapproved = select(ClientRow.client_id).where(ClientRow.approved.is_(False))
    where = (GrantRow.fhir_server == fhir_server) & GrantRow.client_id.in_(unapproved)
    return revocation.revoke(where, "sandbox_changed", within=within)
