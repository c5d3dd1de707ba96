"""Who a person is at a sign-in provider: an issuer and a subject stand for one ``sub``, for ever (decision 19)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from authz.storage.database import insert_once
from authz.storage.records import digest
from authz.users.model import UpstreamIdentityRow, UserRow
from authz.users.user import from_row as user_from_row

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.storage.database import Database
    from authz.users.user import User


@dataclass(frozen=True, slots=True)
class UpstreamIdentity:
    issuer: str
    subject: str
    provider: str  # name, at the last sign-in
    claims: dict[str, str]
    used_at: datetime
    told_by: str | None = None  # the FHIR server by whose word alone it is this person


class UpstreamIdentities:
    def __init__(self, db: Database, now: Callable[[], datetime]) -> None:
        self.db = db
        self.now = now

    def find(self, issuer: str, subject: str) -> User | None:
        with self.db.read() as session:
            row = session.scalar(
                select(UserRow)
                .join(UpstreamIdentityRow, UpstreamIdentityRow.sub == UserRow.sub)
                .where(UpstreamIdentityRow.issuer_digest == digest(issuer), UpstreamIdentityRow.subject == subject)
            )
            return None if row is None else user_from_row(row)

    def of(self, sub: str) -> list[UpstreamIdentity]:
        """As whom a person is known, and where; the one used last first."""
        mine = select(UpstreamIdentityRow).where(UpstreamIdentityRow.sub == sub)
        with self.db.look() as session:
            rows = session.scalars(mine.order_by(UpstreamIdentityRow.used_at.desc(), UpstreamIdentityRow.subject))
            return list(map(from_row, rows))

    def told_elsewhere(self, session: Session, sub: str, fhir_server: str) -> list[UpstreamIdentity]:
        """As whom a person is known by the word of another FHIR server, which says nothing of this one."""
        told_by = UpstreamIdentityRow.told_by
        mine = select(UpstreamIdentityRow).where(UpstreamIdentityRow.sub == sub, told_by != fhir_server)
        return list(map(from_row, session.scalars(mine.order_by(UpstreamIdentityRow.subject))))

    def told_of(self, provider: str, claim: str) -> dict[str, str]:
        """What a provider told in this claim at the last sign-in, by ``sub``."""
        mine = select(UpstreamIdentityRow.sub, UpstreamIdentityRow.claims)
        with self.db.read() as session:
            rows = session.execute(mine.where(UpstreamIdentityRow.provider == provider))
            return {row.sub: row.claims[claim] for row in rows if claim in row.claims}

    def attach(self, session: Session, sub: str, known: UpstreamIdentity) -> bool:
        """Say who somebody is; False if they are somebody else at this issuer, or somebody else is this."""
        return insert_once(
            session,
            UpstreamIdentityRow,
            issuer_digest=digest(known.issuer),
            subject=known.subject,
            issuer=known.issuer,
            provider=known.provider,
            sub=sub,
            claims=known.claims,
            told_by=known.told_by,
            created_at=self.now(),
            used_at=self.now(),
        )

    def confirm(self, session: Session, sub: str, known: UpstreamIdentity) -> bool:
        """Say who somebody is, whoever said so before; False as at ``attach``."""
        row = session.get(UpstreamIdentityRow, (digest(known.issuer), known.subject), with_for_update=True)
        if row is None or row.sub != sub:
            return self.attach(session, sub, known)
        row.told_by = None
        return True

    def tell(self, session: Session, known: UpstreamIdentity) -> None:
        """By whose word they are somebody, if that was not said before."""
        row = session.get(UpstreamIdentityRow, (digest(known.issuer), known.subject), with_for_update=True)
        if row is not None and row.told_by is None:
            row.told_by = known.told_by

    def seen(self, session: Session, known: UpstreamIdentity) -> None:
        """They signed in again: what is known of them is what was said now."""
        row = session.get(UpstreamIdentityRow, (digest(known.issuer), known.subject), with_for_update=True)
        if row is not None:
            row.provider, row.claims, row.used_at = known.provider, known.claims, self.now()

    def detach(self, session: Session, sub: str) -> int:
        """Forget who a person is anywhere; returns how many identities that were."""
        rows = session.scalars(select(UpstreamIdentityRow).where(UpstreamIdentityRow.sub == sub)).all()
        for row in rows:
            session.delete(row)
        return len(rows)


def from_row(row: UpstreamIdentityRow) -> UpstreamIdentity:
    return UpstreamIdentity(row.issuer, row.subject, row.provider, row.claims, row.used_at, row.told_by)
