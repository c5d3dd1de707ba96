"""Sessions of EHRs: one that has ended never comes back, one in use keeps ``online_access`` alive (decisions 3, 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import update

from authz.launch.model import EhrSessionRow
from authz.storage.database import changed, insert_once
from authz.storage.records import digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Update
    from sqlalchemy.orm import Session

    from authz.storage.database import Database


class EhrSessions:
    """What EHRs said of their sessions; of a session's id only the digest is kept."""

    def __init__(self, db: Database, now: Callable[[], datetime]) -> None:
        self.db = db
        self.now = now

    @staticmethod
    def digest(session_id: str) -> str:
        return digest(session_id)

    def touch(self, fhir_server: str, session_id: str) -> bool:
        """The person is still at work; False if that session has ended."""
        with self.db.write() as session:
            return self.touch_in(session, fhir_server, session_id)

    def touch_in(self, session: Session, fhir_server: str, session_id: str) -> bool:
        """As ``touch``, in the caller's transaction; from here to its commit nobody else can end that session."""
        now = self.now()
        key = digest(session_id)
        if insert_once(session, EhrSessionRow, fhir_server=fhir_server, session_digest=key, touched_at=now):
            return True
        return changed(session, unless_ended(fhir_server, key).values(touched_at=now)) == 1

    def end(self, session: Session, fhir_server: str, session_id: str) -> None:
        """End a session, known here or not, in the caller's transaction; to end it again changes nothing."""
        now = self.now()
        key = digest(session_id)
        values = {"fhir_server": fhir_server, "session_digest": key, "touched_at": now, "ended_at": now}
        if not insert_once(session, EhrSessionRow, **values):
            session.execute(unless_ended(fhir_server, key).values(ended_at=now))

    def is_ended(self, session: Session, fhir_server: str, session_digest: str) -> bool:
        row = session.get(EhrSessionRow, (fhir_server, session_digest), populate_existing=True)
        return row is not None and row.ended_at is not None

    def touched_at(self, session: Session, fhir_server: str, session_digest: str) -> datetime | None:
        """When the EHR last said that the session is in use; None if it never did."""
        row = session.get(EhrSessionRow, (fhir_server, session_digest), populate_existing=True)
        return None if row is None else row.touched_at


def unless_ended(fhir_server: str, session_digest: str) -> Update:
    return update(EhrSessionRow).where(
        EhrSessionRow.fhir_server == fhir_server,
        EhrSessionRow.session_digest == session_digest,
        EhrSessionRow.ended_at.is_(None),
    )
