"""What was granted for trying apps out: to those that are not approved, and by test accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from authz.clients.model import ClientRow
from authz.storage.turns import of_fhir_server
from authz.tokens.model import GrantRow
from authz.users.model import UserRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from authz.tokens.revocation import Revocation


def end_trials(revocation: Revocation, fhir_server: str, within: Callable[[Session], None]) -> int:
    """Revoke it all at a FHIR server, with the change of who is invented there; real people keep what they have in
    approved apps.
    """
    unapproved = select(ClientRow.client_id).where(ClientRow.approved.is_(False))
    test_accounts = select(UserRow.sub).where(UserRow.is_sandbox)
    tried = or_(GrantRow.client_id.in_(unapproved), GrantRow.sub.in_(test_accounts))
    where = (GrantRow.fhir_server == fhir_server) & tried
    return revocation.revoke(where, "sandbox_changed", within=within, turn=of_fhir_server(fhir_server))
