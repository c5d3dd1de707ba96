"""What a resource server learns of a token (RFC 7662, SMART INT-01..11): the bytes made at issue, or "inactive"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.storage.records import digest
from authz.tokens.response import HotCopy

if TYPE_CHECKING:
    from authz.storage.database import Database
    from authz.tokens.hot import HotAnswers
    from authz.tokens.last_seen import LastSeen
    from authz.tokens.store import AccessTokens, TokenFacts

INACTIVE = b'{"active":false}'


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the introspection credential of a FHIR server, or a token with ``__introspect``."""

    name: str
    fhir_server: str  # answers are for tokens of this FHIR server only (security.md IN-02)


class Introspection:
    def __init__(self, db: Database, tokens: AccessTokens, hot: HotAnswers, last_seen: LastSeen) -> None:
        self.db = db
        self.tokens = tokens
        self.hot = hot
        self.last_seen = last_seen

    def answer(self, token: str, caller: Caller) -> bytes:
        """The JSON answer; for everything but a live token of the caller's own FHIR server just "inactive"."""
        key = digest(token)
        found = self.hot.find(key) or self.from_sql(token)
        if found is None or found[0] != caller.fhir_server:
            return INACTIVE
        self.last_seen.note(key)
        return found[1]

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
