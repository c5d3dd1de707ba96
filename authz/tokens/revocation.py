"""Taking back what was granted: by user, client, session, launch, consent, FHIR server or grant; one cascade.

A revocation is a row. Tombstones for the hot copies are left before and after its commit; where the store does not take
them, the same transaction raises the epoch (decision 2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import false, update

from authz.storage import turns
from authz.storage.records import digest
from authz.tokens.handles import end_in as end_handles
from authz.tokens.model import AccessTokenRow, GrantRow, RefreshTokenRow
from authz.tokens.store import lock_grant
from authz.tokens.whose import access_tokens, for_patients, has_offline_access, of_client, of_ehr, pages, revoked_event

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.orm import Session

    from authz.audit.event import Peer
    from authz.audit.trail import Trail
    from authz.storage.database import Database
    from authz.tokens.hot import HotAnswers
    from authz.tokens.whose import Change, Ending, Where

MANY_TOKENS = 200  # above this one raised epoch is cheaper than a tombstone for each


class Revocation:
    def __init__(self, db: Database, now: Callable[[], datetime], hot: HotAnswers, trail: Trail) -> None:
        self.db = db
        self.now = now
        self.hot = hot
        self.trail = trail

    def revoke_grant(self, grant_id: str, reason: str, *, peer: Peer | None = None) -> int:
        return self.revoke(GrantRow.id == grant_id, reason, peer=peer)

    def revoke_user(self, sub: str, reason: str, *, within: Change | None = None) -> int:
        return self.revoke(GrantRow.sub == sub, reason, within=within, turn=turns.of_user(sub))

    def revoke_client(self, client_id: str, reason: str, *, within: Change | None = None) -> int:
        """End what a client was granted, and what came of the launches that it made for an EHR."""
        return self.revoke(of_client(client_id), reason, within=within, turn=turns.of_client(client_id))

    def revoke_elsewhere(self, client_id: str, kept_at: Collection[str], reason: str, *, within: Change) -> int:
        """As ``revoke_client``, at FHIR servers other than these; at none of them if there are none."""
        turn = turns.of_client(client_id)
        if not kept_at:
            with self.db.write() as session:
                turns.alone(session, turn)
                within(session)
            return 0
        elsewhere = of_client(client_id) & GrantRow.fhir_server.not_in(kept_at)
        return self.revoke(elsewhere, reason, within=within, turn=turn)

    def revoke_fhir_server(self, name: str, reason: str, *, within: Change | None = None) -> int:
        return self.revoke(GrantRow.fhir_server == name, reason, within=within, turn=turns.of_fhir_server(name))

    def revoke_consent(self, consent_id: str, reason: str, *, within: Change | None = None) -> int:
        return self.revoke(GrantRow.consent_id == consent_id, reason, within=within)

    def revoke_launch(self, launch_id: str, reason: str, *, within: Change | None = None) -> int:
        return self.revoke(GrantRow.launch_id == launch_id, reason, within=within)

    def revoke_ehr(
        self, client_id: str, reason: str, *, within: Change | None = None, kept_at: Collection[str] = ()
    ) -> int:
        """End what came of the launches of an EHR's credential, but at FHIR servers that it keeps."""
        elsewhere = of_ehr(client_id) & GrantRow.fhir_server.not_in(kept_at)
        return self.revoke(elsewhere, reason, within=within, turn=turns.of_ehr(client_id))

    def revoke_patients(self, concerned: Collection[str], reason: str, *, within: Ending) -> int:
        """End what people were granted for patients whom they act for no more, as ``within`` writes and tells.

        ``concerned``: the turns that it needs. Where nothing has ended, no copy of an answer becomes stale.
        """
        with self.db.write() as session:
            turns.alone(session, *concerned)
            ended = within(session)
            died, tokens = self.end_all(session, for_patients(session, ended), false(), reason)
            if not ended:
                return 0
            self.bury_in(session, tokens)
            self.hot.raise_epoch(session)
        self.settle(tokens, raised=True)
        return died

    def revoke_session(
        self, fhir_server: str | None, session_digest: str, reason: str, *, within: Change | None = None
    ) -> int:
        """End what came from an EHR's session, or from one at this server (None). SMART REF-12."""
        where = GrantRow.session_digest == session_digest
        if fhir_server is not None:
            where &= (GrantRow.fhir_server == fhir_server) & GrantRow.has_ehr_session
        return self.revoke(where, reason, within=within, with_session=True)

    def revoke(
        self,
        where: Where,
        reason: str,
        *,
        within: Change | None = None,
        peer: Peer | None = None,
        turn: str | None = None,
        with_session: bool = False,
    ) -> int:
        """Revoke every grant that matches, with its tokens and its handle; ``within`` runs in the same transaction.

        ``turn``: of whom ``within`` changes (``storage.turns``); what is being granted to them is found as well, and as
        they may hold other tokens than what matches, no copy of any answer is believed from then on.
        ``with_session``: because a session is over, which ``offline_access`` outlives without its handle.
        Returns how many grants died. From the commit on SQL says no; within a second every process does.
        """
        outlives = has_offline_access() if with_session else false()
        with self.db.write() as session:
            if turn is not None:
                turns.alone(session, turn)
            if within is not None:
                within(session)
            died, tokens = self.end_all(session, [where], outlives, reason, peer)
            raised = not self.bury_in(session, tokens)
            if within is not None and turn is not None:
                self.hot.raise_epoch(session)
                raised = True
        self.settle(tokens, raised=raised)
        return died

    def end_all(
        self, session: Session, matching: Iterable[Where], outlives: Where, reason: str, peer: Peer | None = None
    ) -> tuple[int, dict[str, datetime]]:
        """Whatever matches one of these; returns how many grants died, and what ``end`` does."""
        died = 0
        tokens: dict[str, datetime] = {}
        for where in matching:
            for page in pages(session, where, outlives):
                grants = [grant for grant in page if not grant.outlives]
                died += len(grants)
                tokens |= self.end(session, grants, [grant.id for grant in page], reason, peer)
        return died, tokens

    def end(
        self, session: Session, grants: Sequence[Row[Any]], with_handles: list[str], reason: str, peer: Peer | None
    ) -> dict[str, datetime]:
        """Some grants, and the handles of some more; returns what hot copies there may be of all of it."""
        now, ids = self.now(), [grant.id for grant in grants]
        if grants:
            session.execute(update(GrantRow).where(GrantRow.id.in_(ids)).values(revoked_at=now, revoked_reason=reason))
            self.trail.record(session, *(revoked_event(grant, reason, peer) for grant in grants))
        return access_tokens(session, ids) | end_handles(session, with_handles, now)

    def revoke_token(self, client_id: str, token: str, peer: Peer) -> None:
        """RFC 7009 §2.1: a refresh token takes its whole grant along, an access token goes alone.

        Nothing happens, and nothing is told, if the token is unknown or another client's.
        """
        key = digest(token)
        with self.db.read() as session:
            refresh = session.get(RefreshTokenRow, key)
            access = session.get(AccessTokenRow, key)
            grant = session.get(GrantRow, access.grant_id) if access else None
        if refresh is not None and refresh.client_id == client_id:
            self.revoke_grant(refresh.grant_id, "app", peer=peer)
        elif access is not None and grant is not None and grant.client_id == client_id:
            self.revoke_access_token(access, grant, peer)

    def revoke_access_token(self, token: AccessTokenRow, grant: GrantRow, peer: Peer) -> None:
        tokens = {token.digest: token.expires_at}
        with self.db.write() as session:
            lock_grant(session, grant.id)
            only_this = update(AccessTokenRow).where(AccessTokenRow.digest == token.digest)
            session.execute(only_this.values(revoked_at=self.now()))
            self.trail.record(session, revoked_event(grant, "app", peer, token_id=token.jti))
            raised = not self.bury_in(session, tokens)
        self.settle(tokens, raised=raised)

    def bury_in(self, session: Session, tokens: dict[str, datetime]) -> bool:
        """Tombstones before the commit; if that can't be, the epoch is raised with it."""
        if not tokens:
            return True
        if len(tokens) <= MANY_TOKENS:
            return self.hot.bury_in(session, tokens)
        self.hot.raise_epoch(session)
        return False

    def settle(self, tokens: dict[str, datetime], *, raised: bool = False) -> None:
        """Tombstones after the commit, so that a copy made in between is dead as well."""
        if raised:
            self.hot.forget()
        elif not self.hot.bury(tokens):
            with self.db.write() as session:
                self.hot.raise_epoch(session)
            self.hot.forget()
