from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import update

from authz.consent.model import ConsentRow
from authz.storage.database import changed

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session


def withdraw_all(session: Session, now: datetime, **about: str | None) -> int:
    """Withdraw every remembered decision about a person, app or FHIR server that goes, in the caller's transaction.

    ``about`` is ``sub``, ``client_id``, ``fhir_server`` or ``patient``: who gets that name later has not
    been consented to.
    Returns how many decisions there were.
    """
    mine = update(ConsentRow).filter_by(**about).where(ConsentRow.withdrawn_at.is_(None))
    return changed(session, mine.values(withdrawn_at=now))
