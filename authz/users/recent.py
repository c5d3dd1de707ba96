from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from authz.storage.database import insert_once
from authz.users.model import RecentPatientRow

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.storage.database import Database

KEPT = 8  # for each person at each FHIR server


class RecentPatients:
    """Whom a person was granted access to before, the last one first. A help for finding them, never a right."""

    def __init__(self, db: Database, now: Callable[[], datetime]) -> None:
        self.db = db
        self.now = now

    def of(self, sub: str, fhir_server: str) -> tuple[str, ...]:
        with self.db.read() as session:
            return tuple(row.patient for row in rows(session, sub, fhir_server))

    def remember(self, session: Session, sub: str, fhir_server: str, patient: str) -> None:
        """Put this patient first, in the transaction of the grant; the oldest beyond ``KEPT`` are forgotten."""
        mine = (RecentPatientRow.sub == sub) & (RecentPatientRow.fhir_server == fhir_server)
        session.execute(delete(RecentPatientRow).where(mine, RecentPatientRow.patient == patient))
        insert_once(session, RecentPatientRow, sub=sub, fhir_server=fhir_server, patient=patient, at=self.now())
        too_old = [row.patient for row in rows(session, sub, fhir_server)[KEPT:]]
        if too_old:
            session.execute(delete(RecentPatientRow).where(mine, RecentPatientRow.patient.in_(too_old)))


def rows(session: Session, sub: str, fhir_server: str) -> list[RecentPatientRow]:
    mine = select(RecentPatientRow).where(RecentPatientRow.sub == sub, RecentPatientRow.fhir_server == fhir_server)
    return list(session.scalars(mine.order_by(RecentPatientRow.at.desc(), RecentPatientRow.patient)))
