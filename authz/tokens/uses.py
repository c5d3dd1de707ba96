"""What an app was granted over time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, func, select

from authz.tokens.model import GrantRow

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session


def requested_since(session: Session, client_id: str, since: datetime) -> set[str]:
    """Each scope that this app has asked for, as it was spelled, and that led to a grant of anything."""
    mine = (GrantRow.client_id == client_id) & (GrantRow.created_at >= since)
    found = session.scalars(select(cast(GrantRow.verdicts, Text)).where(mine).distinct())  # JSON is not comparable
    return {verdict["requested"] for verdicts in found for verdict in json.loads(verdicts)}


def granted_scopes(session: Session, client_id: str) -> list[tuple[str, datetime]]:
    """Each scope parameter that this app was granted, as it was spelled, and when last."""
    last = func.max(GrantRow.created_at, type_=GrantRow.created_at.type)
    found = select(GrantRow.scope, last).where(GrantRow.client_id == client_id).group_by(GrantRow.scope)
    return [(scope, at) for scope, at in session.execute(found.order_by(GrantRow.scope))]
