"""What a resource server learns of a token (RFC 7662, SMART INT-01..11): the bytes made at issue, or "inactive"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.storage.records import digest
from authz.tokens.answer import for_refresh_token
from authz.tokens.response import HotCopy

if TYPE_CHECKING:
    from authz.storage.database import Database
    from authz.tokens.hot import HotAnswers
    from authz.tokens.last_seen import LastSeen
    from authz.tokens.refresh import RefreshTokens
    from authz.tokens.scan_alarm import ScanAlarm
    from authz.tokens.store import AccessTokens, TokenFacts

REFRESH_TOKEN = "refresh_token"  # noqa: S105  a value of token_type_hint (RFC 7009 §2.1)
INACTIVE = b'{"active":false}'


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a FHIR server by its credential, a client or a token with ``__introspect``."""

    name: str
    fhir_servers: frozenset[str] | None  # whose tokens it may ask about (security.md IN-02); None: every one's
    ehr: str | None = None  # if it is one: the client id of its credential, or see clients.speakers

    def may_see(self, fhir_server: str) -> bool:
        return self.fhir_servers is None or fhir_server in self.fhir_servers


@dataclass(frozen=True, slots=True)
class Introspection:
    db: Database
    tokens: AccessTokens
    refresh_tokens: RefreshTokens
    hot: HotAnswers
    last_seen: LastSeen
    alarm: ScanAlarm

    def answer(self, token: str, caller: Caller, hint: str | None = None) -> bytes:
        """The JSON answer; for everything but a live token of the caller's own FHIR server just "inactive".

        An access token is found whatever the hint. A refresh token is spoken of only to who asks for one: a FHIR server
        asks about what it was given as an access token, and must not hear that it is active.
        """
        key = digest(token)
        found = self.hot.find(key) or self.from_sql(token)
        if found is None and hint == REFRESH_TOKEN:
            found = self.of_refresh_token(token)
        if found is None or not caller.may_see(found[0]):
            self.alarm.missed(caller.name)
            return INACTIVE
        self.last_seen.note(key)
        return found[1]

    def of_refresh_token(self, token: str) -> tuple[str, bytes] | None:
        with self.db.read() as session:
            found = self.refresh_tokens.alive(session, token)
        if found is None:
            return None
        answer = for_refresh_token(found.grant, self.refresh_tokens.settings.issuer, found.row.issued_at, found.ends_at)
        return found.grant.fhir_server, answer.encode()

    def from_sql(self, token: str) -> tuple[str, bytes] | None:
        epoch = self.hot.current_epoch()  # read before the row, so that a revocation in between leaves the copy stale
        facts = self.token_facts(token)
        if facts is None:
            return None
        copy = HotCopy(facts.digest, facts.answer.encode(), facts.fhir_server, facts.expires_at)
        self.hot.keep(copy, epoch)
        return copy.fhir_server, copy.answer

    def token_facts(self, token: str) -> TokenFacts | None:
        """The facts of a live access token, from SQL; None for any other."""
        with self.db.read() as session:
            return self.tokens.find(session, token)
