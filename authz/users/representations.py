"""Who acts for whom: what was recorded here, and what a FHIR server confirmed not long ago."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from authz.fhir_servers.model import FhirServerRow
from authz.storage.database import insert_once
from authz.users.model import FhirIdentityRow, RepresentationLinksRow, RepresentationRow
from authz.users.user import Representation, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy.orm import Session

    from authz.storage.database import Database


class Representations:
    """What a FHIR server says counts for ``grace`` after it last said so, and while its switch is on."""

    def __init__(self, db: Database, now: Callable[[], datetime], grace: timedelta) -> None:
        self.db = db
        self.now = now
        self.grace = grace

    def in_force(self, sub: str, fhir_server: str) -> tuple[Representation, ...]:
        """By patient; what is recorded here goes before what a FHIR server says of the same one."""
        now = self.now()
        with self.db.look() as session:
            stated = [one for server, one in recorded(session, sub) if server == fhir_server]
            linked = [one for one in self.linked(session, sub, fhir_server) if self.is_confirmed(one, now)]
        by_patient = {one.patient: one for one in (*linked, *stated) if one.expires_at is None or one.expires_at > now}
        return tuple(one for _, one in sorted(by_patient.items()))

    def is_confirmed(self, one: Representation, now: datetime) -> bool:
        return one.confirmed_at is not None and now - one.confirmed_at < self.grace

    def all_of(self, sub: str, fhir_server: str) -> list[Representation]:
        """In force or not, for an operator."""
        with self.db.read() as session:
            stated = [one for server, one in recorded(session, sub) if server == fhir_server]
            return [*stated, *self.linked(session, sub, fhir_server)]

    def recorded(self, sub: str) -> list[tuple[str, Representation]]:
        with self.db.read() as session:
            return recorded(session, sub)

    def linked(self, session: Session, sub: str, fhir_server: str) -> list[Representation]:
        """What was read for the resource that the person is today, if the FHIR server's word counts."""
        counts = select(FhirServerRow.representation_links).where(FhirServerRow.name == fhir_server)
        mine = (
            select(RepresentationLinksRow)
            .join(
                FhirIdentityRow,
                (FhirIdentityRow.fhir_server == RepresentationLinksRow.fhir_server)
                & (FhirIdentityRow.reference == RepresentationLinksRow.reference),
            )
            .where(FhirIdentityRow.sub == sub, FhirIdentityRow.fhir_server == fhir_server)
        )
        if not session.scalar(counts):
            return []
        row = session.scalar(mine)
        return [] if row is None else links_of(row)

    def is_read_since(self, fhir_server: str, reference: str, since: datetime) -> bool:
        with self.db.read() as session:
            row = session.get(RepresentationLinksRow, (fhir_server, reference))
            return row is not None and row.confirmed_at > since

    def linked_to(self, fhir_server: str, reference: str) -> frozenset[str]:
        """Patients for whom this resource acts, whoever the person is; for a launch of somebody not known yet."""
        now = self.now()
        with self.db.read() as session:
            server = session.get(FhirServerRow, fhir_server)
            row = session.get(RepresentationLinksRow, (fhir_server, reference))
            if server is None or row is None or not server.representation_links:
                return frozenset()
            good = (one for one in links_of(row) if self.is_confirmed(one, now))
            return frozenset(one.patient for one in good if one.expires_at is None or one.expires_at > now)

    def keep(
        self, session: Session, fhir_server: str, reference: str, found: Iterable[Representation], asked_at: datetime
    ) -> tuple[set[str], set[str]]:
        """Write down an answer, unless a question asked later was answered before; the patients that came, and went."""
        links = [as_json(one) for one in found]
        made = insert_once(
            session,
            RepresentationLinksRow,
            fhir_server=fhir_server,
            reference=reference,
            links=links,
            confirmed_at=asked_at,
        )
        after = {link["patient"] for link in links}
        if made:
            return after, set()
        row = session.get(RepresentationLinksRow, (fhir_server, reference), with_for_update=True)
        assert row is not None  # it stood in the way of ours
        if row.confirmed_at > asked_at:
            return set(), set()
        before = {link["patient"] for link in row.links}
        row.links, row.confirmed_at = links, asked_at
        session.flush()
        return after - before, before - after

    def put(self, session: Session, sub: str, fhir_server: str, one: Representation) -> None:
        """Record it here; said again, it replaces the relationship and its end."""
        self.remove(session, sub, fhir_server, one.patient)
        about = {"sub": sub, "fhir_server": fhir_server, "patient": one.patient}
        session.add(RepresentationRow(**about, relationship=one.relationship, expires_at=one.expires_at))
        session.flush()

    def remove(self, session: Session, sub: str, fhir_server: str, patient: str) -> bool:
        """Whether there was something recorded here to remove."""
        row = session.get(RepresentationRow, (sub, fhir_server, patient))
        if row is not None:
            session.delete(row)
            session.flush()
        return row is not None


def recorded(session: Session, sub: str) -> list[tuple[str, Representation]]:
    """FHIR server and patient of everything that was recorded here for a person, in force or over."""
    mine = select(RepresentationRow).where(RepresentationRow.sub == sub)
    rows = session.scalars(mine.order_by(RepresentationRow.fhir_server, RepresentationRow.patient))
    return [(row.fhir_server, Representation(row.patient, row.relationship, row.expires_at)) for row in rows]


def as_json(one: Representation) -> dict[str, Any]:
    end = one.expires_at.isoformat() if one.expires_at else None
    return {"patient": one.patient, "relationship": one.relationship, "expires_at": end}


def links_of(row: RepresentationLinksRow) -> list[Representation]:
    return [
        Representation(
            link["patient"],
            link["relationship"],
            datetime.fromisoformat(link["expires_at"]) if link["expires_at"] else None,
            Source.FHIR,
            row.confirmed_at,
        )
        for link in row.links
    ]
