"""Which session at a provider each session here began with (OpenID Connect Back-Channel Logout 1.0 §2.7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from sqlalchemy import delete, or_, select, update

from authz.keyring.secrets import new_secret
from authz.login.federated.model import SeenLogoutTokenRow, UpstreamEndRow, UpstreamSessionRow
from authz.login.federated.why import UpstreamFailed, Why
from authz.storage.database import insert_once
from authz.storage.records import digest
from authz.users.model import BrowserSessionRow

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sqlalchemy.orm import Session

    from authz.keyring.box import Box
    from authz.login.federated.id_token import Origin, Proof
    from authz.login.federated.logout_token import Ended
    from authz.login.federated.metadata import Published
    from authz.login.federated.provider import Provider
    from authz.login.federated.registry import Providers
    from authz.storage.database import Database


@dataclass(frozen=True, slots=True)
class SignOutThere:
    """Where a person may end their session at the provider as well."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class UpstreamSessions:
    db: Database
    box: Box
    providers: Providers
    published: Published
    now: Callable[[], datetime]

    def note(self, sql: Session, session_digest: str, provider: Provider, proof: Proof) -> None:
        """The same account may sign in again within a session: the last time counts."""
        sql.execute(delete(UpstreamSessionRow).where(UpstreamSessionRow.session_digest == session_digest))
        sql.add(
            UpstreamSessionRow(
                session_digest=session_digest,
                provider=provider.name,
                issuer_digest=digest(proof.issuer),
                subject=proof.subject,
                sid=proof.sid,
                closed_id_token=self.box.close(proof.id_token.encode()),
            )
        )

    def note_end(self, sql: Session, ended: Ended) -> None:
        """Before the sessions are looked for that must end: one that begins meanwhile finds this, or is found."""
        insert_once(
            sql,
            UpstreamEndRow,
            digest=ended.digest,
            issuer_digest=digest(ended.issuer),
            subject=ended.subject,
            sid=ended.sid,
            told_at=self.now(),
        )

    def note_leaving(self, sql: Session, issuer: str) -> None:
        """A provider is switched off, or left for another: who is on the way from it begins nothing by it any more."""
        sql.add(UpstreamEndRow(digest=digest(new_secret()), issuer_digest=digest(issuer), told_at=self.now()))

    def has_ended(self, origin: Origin) -> bool:
        """Whether the provider has told the end of that session since they were sent there (§2.7)."""
        with self.db.read() as sql:
            return end_is_told(sql, origin)

    def check_goes_on(self, origin: Origin) -> None:
        """Raises UpstreamFailed."""
        if self.has_ended(origin):
            raise UpstreamFailed(Why.ENDED, "it told that this session ended, after they were sent there")

    def see_once(self, sql: Session, ended: Ended) -> bool:
        """Whether this logout token comes for the first time; what would be refused as too old is forgotten."""
        now = self.now()
        sql.execute(delete(SeenLogoutTokenRow).where(SeenLogoutTokenRow.expires_at < now))
        return insert_once(sql, SeenLogoutTokenRow, digest=ended.digest, expires_at=ended.forget_at)

    def was_seen(self, sql: Session, ended: Ended) -> bool:
        return sql.get(SeenLogoutTokenRow, ended.digest) is not None

    def meant(self, sql: Session, ended: Ended) -> list[BrowserSessionRow]:
        """The sessions here that go on and must end with it."""
        where = [UpstreamSessionRow.issuer_digest == digest(ended.issuer), BrowserSessionRow.ended_at.is_(None)]
        if ended.sid is not None:
            where.append(UpstreamSessionRow.sid == ended.sid)
        if ended.subject is not None:
            where.append(UpstreamSessionRow.subject == ended.subject)
        joined = select(BrowserSessionRow).join(
            UpstreamSessionRow, UpstreamSessionRow.session_digest == BrowserSessionRow.session_digest
        )
        return list(sql.scalars(joined.where(*where).order_by(BrowserSessionRow.session_digest)))

    def begun_at(self, sql: Session, provider: str) -> list[BrowserSessionRow]:
        """The sessions here that go on and began at this provider."""
        joined = select(BrowserSessionRow).join(
            UpstreamSessionRow, UpstreamSessionRow.session_digest == BrowserSessionRow.session_digest
        )
        mine = joined.where(UpstreamSessionRow.provider == provider, BrowserSessionRow.ended_at.is_(None))
        return list(sql.scalars(mine.order_by(BrowserSessionRow.session_digest)))

    def began_with(self, session_digests: Collection[str]) -> dict[str, str]:
        """At which of them these sessions began, by name; one that began here is not in it."""
        mine = select(UpstreamSessionRow.session_digest, UpstreamSessionRow.provider)
        with self.db.read() as sql:
            rows = sql.execute(mine.where(UpstreamSessionRow.session_digest.in_(session_digests)))
            return {row.session_digest: row.provider for row in rows}

    def way_out(self, session_digest: str) -> SignOutThere | None:
        """Where to sign out at the provider too, told once (RP-Initiated Logout §2); None if it offers none."""
        with self.db.read() as sql:
            row = sql.get(UpstreamSessionRow, session_digest)
        provider = self.providers.get(row.provider) if row is not None else None
        if row is None or row.closed_id_token is None or provider is None or not provider.enabled:
            return None
        with self.db.write() as sql:
            mine = update(UpstreamSessionRow).where(UpstreamSessionRow.session_digest == session_digest)
            sql.execute(mine.values(closed_id_token=None))
        try:
            endpoint = self.published.metadata(provider.issuer).end_session_endpoint
        except UpstreamFailed:
            return None
        hint = self.box.open(row.closed_id_token)
        if endpoint is None or hint is None:
            return None
        asked = urlencode({"id_token_hint": hint.decode(), "client_id": provider.client_id})
        return SignOutThere(provider.label, f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{asked}")


def end_is_told(sql: Session, origin: Origin) -> bool:
    """As ``has_ended``, in the caller's transaction."""
    since = datetime.fromtimestamp(origin.began_at, UTC)
    told = select(UpstreamEndRow.digest).where(
        UpstreamEndRow.told_at >= since,
        UpstreamEndRow.issuer_digest == digest(origin.issuer),
        or_(UpstreamEndRow.subject.is_(None), UpstreamEndRow.subject == origin.subject),
        or_(UpstreamEndRow.sid.is_(None), UpstreamEndRow.sid == origin.sid),
    )
    return sql.scalar(told.limit(1)) is not None
