"""The apps of one person: which there are, and taking back what they were given."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from authz.audit.event import Event, EventName
from authz.consent.model import ConsentRow
from authz.consent.withdraw import withdraw_all
from authz.errors import NotFound, Unavailable
from authz.my_apps.access import Access, Place, accesses, at_place, consents_at, grants_at, seen
from authz.my_apps.holdings import Lasting
from authz.my_apps.log import PAGE, Entry, entries
from authz.scopes import ScopeSet
from authz.tokens.model import GrantRow
from authz.wording import mark

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.audit.event import Peer
    from authz.audit.trail import Trail
    from authz.storage.database import Database
    from authz.tokens.last_seen import LastSeen
    from authz.tokens.refresh import RefreshTokens
    from authz.tokens.revocation import Revocation

KEY = re.compile(r"[0-9a-f]{32}")
BY_PERSON = "user"
OFFLINE = "offline_access"


@dataclass(frozen=True, slots=True)
class MyApps:
    """Everything is about the person whose ``sub`` is given. Raises NotFound for what is not theirs (LC-25)."""

    db: Database
    refresh_tokens: RefreshTokens
    last_seen: LastSeen
    revocation: Revocation
    trail: Trail

    def all(self, sub: str) -> list[Access]:
        with self.db.read() as session:
            found = accesses(session, self.refresh_tokens, sub)
        try:
            marks = self.last_seen.of([digest for one in found for digest in one.tokens])
        except Unavailable:
            marks = {}  # then the last token that was fetched has to do
        return [seen(one, marks) for one in found]

    def offline(self, sub: str) -> list[Access]:
        """Those that go on while the person is away."""
        with self.db.read() as session:
            found = accesses(session, self.refresh_tokens, sub)
        return [one for one in found if one.lasting is Lasting.OFFLINE]

    def place(self, sub: str, key: str) -> Place:
        with self.db.read() as session:
            found = at_place(session, key, sub) if KEY.fullmatch(key) else None
        if found is None:
            raise NotFound(mark("there is no such app among yours"))
        return found

    def log(self, sub: str, place: Place, page: int) -> tuple[list[Entry], bool]:
        """What happened there, the last first, and whether there is more."""
        with self.db.read() as session:
            found = entries(session, sub, place, page)
        return found[:PAGE], len(found) > PAGE

    def decisions(self, sub: str, place: Place) -> list[ConsentRow]:
        """What the person agreed to there, the last first."""
        with self.db.read() as session:
            mine = select(ConsentRow).where(consents_at(sub, place))
            return list(session.scalars(mine.order_by(ConsentRow.granted_at.desc()).limit(PAGE)))

    def decision(self, sub: str, key: str) -> ConsentRow:
        with self.db.read() as session:
            found = session.get(ConsentRow, key) if KEY.fullmatch(key) else None
        if found is None or found.sub != sub:
            raise NotFound(mark("there is no such receipt among yours"))
        return found

    def away_until(self, decision: ConsentRow) -> datetime | None:
        """How long the app may go on while the person is away, if it is not opened anew; None: not at all."""
        if OFFLINE not in ScopeSet.parse(decision.granted_scope):
            return None
        with self.db.read() as session:
            last = session.scalar(select(func.max(GrantRow.created_at)).where(GrantRow.consent_id == decision.id))
        total = timedelta(seconds=self.refresh_tokens.settings.offline_total_seconds)
        return (last or decision.granted_at) + total

    def stop(self, sub: str, place: Place, peer: Peer) -> int:
        """Take back everything at once, and what was remembered of it. Returns how many grants ended."""
        now = self.refresh_tokens.now()

        def within(session: Session) -> None:
            about: dict[str, Any] = {"sub": sub, "client_id": place.client_id, "fhir_server": place.fhir_server}
            if withdraw_all(session, now, patient=place.patient, **about):
                withdrawn = Event(
                    EventName.CONSENT_WITHDRAWN, reason=BY_PERSON, patient=place.patient, peer=peer, **about
                )
                self.trail.record(session, withdrawn)

        where = grants_at(sub, place)
        return self.revocation.revoke(where, BY_PERSON, within=within, peer=peer)
