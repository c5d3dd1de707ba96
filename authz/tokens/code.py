"""The authorization code: 60 seconds, one redemption, and a replay takes back what it bought."""

from __future__ import annotations

import re
import secrets
from base64 import urlsafe_b64encode
from datetime import timedelta
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING

from sqlalchemy import update

from authz.errors import InvalidGrant, InvalidRequest
from authz.storage.database import changed
from authz.storage.records import digest
from authz.tokens.model import CodeRow
from authz.tokens.store import lock_grant
from authz.tokens.usable import around, check_usable

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.settings import Settings
    from authz.tokens.model import GrantRow
    from authz.tokens.store import NewGrant

VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")
MAX_FAILURES = 5
UNUSABLE = "the authorization code is unknown, expired or already used"


class CodeReplayed(InvalidGrant):
    """A valid redemption of a used code: what the code bought must be revoked (decision 8)."""

    def __init__(self, grant_id: str, *, is_first: bool) -> None:
        super().__init__(UNUSABLE)
        self.grant_id = grant_id
        self.is_first = is_first


class WrongVerifier(InvalidGrant):
    """The verifier does not fit; the caller counts it with ``count_failure``, in a transaction of its own."""


def challenge_of(verifier: str) -> str:
    """RFC 7636 §4.2, S256."""
    return urlsafe_b64encode(sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()


class Codes:
    """Issues codes for grants and redeems them."""

    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        self.settings = settings
        self.now = now

    def issue(
        self, session: Session, grant_id: str, grant: NewGrant, redirect_uri: str, code_challenge: str | None
    ) -> str:
        """Write the grant and its code in the caller's transaction; the code is told once.

        ``code_challenge`` is None for an older confidential app that is allowed to do without PKCE (VER-04).
        """
        code = secrets.token_urlsafe(32)
        now = self.now()
        session.add(grant.as_row(grant_id, now))
        session.flush()
        session.add(
            CodeRow(
                digest=digest(code),
                grant_id=grant_id,
                client_id=grant.client_id,
                redirect_uri=redirect_uri,
                code_challenge=code_challenge,
                expires_at=now + timedelta(seconds=self.settings.code_seconds),
                failures=0,
            )
        )
        return code

    def spend(self, session: Session, client_id: str, form: dict[str, str]) -> GrantRow:
        """Redeem a code; of two racing callers one succeeds (RFC 6749 §4.1.2, §4.1.3; RFC 7636 §4.6).

        Raises InvalidRequest if a parameter is missing; InvalidGrant if the code is not this client's, not live, or
        redirect_uri or verifier do not fit; CodeReplayed if everything fits but the code was used.
        """
        for name in ("code", "redirect_uri"):
            if not form.get(name):
                raise InvalidRequest(f"{name} is missing")
        row = session.get(CodeRow, digest(form["code"]))
        if not form.get("code_verifier") and (row is None or row.code_challenge is not None):
            raise InvalidRequest("code_verifier is missing")
        if row is None or row.client_id != client_id:
            raise InvalidGrant(UNUSABLE)
        grant = lock_grant(session, row.grant_id)
        if not compare_digest(row.redirect_uri, form["redirect_uri"]):
            raise InvalidGrant("redirect_uri is not the one of the authorization request")
        if not fits(form.get("code_verifier"), row.code_challenge):
            raise WrongVerifier("code_verifier does not fit the code_challenge")
        if row.used_at is None:
            check_usable(grant, around(session, grant), self.now())
        now = self.now()
        live = (CodeRow.digest == row.digest, CodeRow.used_at.is_(None), CodeRow.expires_at > now)
        if changed(session, update(CodeRow).where(*live, CodeRow.failures < MAX_FAILURES).values(used_at=now)):
            return grant
        session.refresh(row)
        if row.used_at is None:
            raise InvalidGrant(UNUSABLE)
        raise CodeReplayed(grant.id, is_first=grant.revoked_at is None)

    def count_failure(self, session: Session, code: str) -> None:
        """A wrong verifier was tried; after five the code is dead."""
        session.execute(update(CodeRow).where(CodeRow.digest == digest(code)).values(failures=CodeRow.failures + 1))


def fits(verifier: str | None, challenge: str | None) -> bool:
    """Neither without the other: a verifier for a code without a challenge is a downgrade (RFC 9700 §4.8.2)."""
    if verifier is None or challenge is None:
        return verifier is challenge
    return bool(VERIFIER.fullmatch(verifier)) and compare_digest(challenge_of(verifier), challenge)
