"""Which grants go with a client, with an EHR's credential, or with a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import aliased

from authz.clients.speakers import ehr_name
from authz.launch.model import SpentLaunchRow
from authz.tokens.model import AccessTokenRow, GrantRow, RefreshTokenRow

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session


def of_client(client_id: str) -> ColumnElement[bool]:
    """What it was granted, and what came of the launches that it made for an EHR (decision 17).

    Each half is found by an index of its own, which an OR would not be.
    """
    its_own = aliased(GrantRow)
    of_its_launches = select(SpentLaunchRow.grant_id).where(SpentLaunchRow.ehr == ehr_name(client_id))
    return GrantRow.id.in_(select(its_own.id).where(its_own.client_id == client_id).union(of_its_launches))


def of_ehr(client_id: str) -> ColumnElement[bool]:
    """What came of the launches that it made by its credential."""
    return GrantRow.id.in_(select(SpentLaunchRow.grant_id).where(SpentLaunchRow.ehr == client_id))


def has_offline_access() -> ColumnElement[bool]:
    """Grants that do not end with the session they came from."""
    return GrantRow.id.in_(select(RefreshTokenRow.grant_id).where(RefreshTokenRow.kind == "offline"))


def access_tokens(session: Session, grant_ids: list[str]) -> dict[str, datetime]:
    """Also those that are over by this clock: it may be wrong, and be put right."""
    columns = (AccessTokenRow.digest, AccessTokenRow.expires_at)
    rows = session.execute(select(*columns).where(AccessTokenRow.grant_id.in_(grant_ids)))
    return {row.digest: row.expires_at for row in rows}
