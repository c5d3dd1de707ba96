"""Is consent needed, and what was decided: remembered for an app that can prove itself, until it expires."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from authz.consent.earlier import Earlier
from authz.consent.identity import identity
from authz.consent.model import ConsentRow
from authz.scopes import ScopeSet
from authz.storage.database import changed

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from authz.clients.registry import Client
    from authz.storage.database import Database


@dataclass(frozen=True, slots=True)
class ConsentQuestion:
    """Who would share what with whom."""

    sub: str
    client: Client
    redirect_uri: str
    fhir_server: str  # name
    patient: str | None
    scope: ScopeSet  # what would be granted


class Consents:
    def __init__(self, db: Database, now: Callable[[], datetime], seconds: int) -> None:
        self.db = db
        self.now = now
        self.seconds = seconds

    def remembered(self, question: ConsentQuestion) -> str | None:
        """The id of a decision that covers this (decision 0052).

        Never for an app that anybody can pretend to be (LC-17).
        """
        if not is_provable(question.client, question.redirect_uri):
            return None
        with self.db.read() as session:
            rows = session.scalars(decided(question).where(ConsentRow.expires_at > self.now())).all()
        for row in rows:
            decision = Earlier(ScopeSet.parse(row.requested_scope), ScopeSet.parse(row.granted_scope))
            if decision.granted.covers(question.scope):
                return row.id
            if decision.left_out(question.scope):
                return None
        return None

    def earlier(self, question: ConsentQuestion) -> Earlier | None:
        """What the person decided last about this app and patient, if they have not taken it back."""
        with self.db.read() as session:
            row = session.scalars(decided(question)).first()
        return None if row is None else Earlier(ScopeSet.parse(row.requested_scope), ScopeSet.parse(row.granted_scope))

    def use_in(self, session: Session, consent_id: str) -> bool:
        """Whether a remembered decision still stands, in the transaction that grants something by it.

        Until its commit nobody can withdraw it.
        """
        mine = update(ConsentRow).where(ConsentRow.id == consent_id, ConsentRow.withdrawn_at.is_(None))
        return changed(session, mine.values(id=ConsentRow.id)) == 1

    def record(self, session: Session, question: ConsentQuestion, granted: ScopeSet) -> str:
        """Keep a decision, in the transaction of the grant it is for."""
        now = self.now()
        row = ConsentRow(
            id=secrets.token_hex(16),
            sub=question.sub,
            client_id=question.client.client_id,
            fhir_server=question.fhir_server,
            app_identity=identity(question.client, question.redirect_uri),
            patient=question.patient,
            requested_scope=str(question.scope),
            granted_scope=str(granted),
            granted_at=now,
            expires_at=now + timedelta(seconds=self.seconds),
        )
        session.add(row)
        return row.id


def decided(question: ConsentQuestion) -> Select[ConsentRow]:
    """What this person decided about this app, as it is now, and this patient, and holds to; the last first."""
    return (
        select(ConsentRow)
        .where(
            ConsentRow.sub == question.sub,
            ConsentRow.client_id == question.client.client_id,
            ConsentRow.fhir_server == question.fhir_server,
            ConsentRow.app_identity == identity(question.client, question.redirect_uri),
            ConsentRow.patient == question.patient if question.patient else ConsentRow.patient.is_(None),
            ConsentRow.withdrawn_at.is_(None),
        )
        .order_by(ConsentRow.granted_at.desc())
    )


def is_provable(client: Client, redirect_uri: str) -> bool:
    """Whether only the app itself can get the code: it has a secret, or owns the https address it returns to."""
    return not client.is_public or redirect_uri.startswith("https://")
