"""The id_token (OIDC Core §2, SMART OID-01..14)."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from authz.clients.legacy import Legacy

if TYPE_CHECKING:
    from datetime import datetime

    from authz.keyring.signing import Keyring
    from authz.scopes import ScopeSet
    from authz.settings import Settings
    from authz.tokens.model import GrantRow


def at_hash(access_token: str) -> str:
    """OIDC Core §3.1.3.6 for RS256: the left half of SHA-256, base64url without padding."""
    return urlsafe_b64encode(sha256(access_token.encode()).digest()[:16]).rstrip(b"=").decode()


class IdTokens:
    """Makes and signs id_tokens, always with RS256 (SMART OID-04)."""

    def __init__(self, settings: Settings, keyring: Keyring) -> None:
        self.settings = settings
        self.keyring = keyring

    def issue(self, grant: GrantRow, scope: ScopeSet, access_token: str, nonce: str | None, now: datetime) -> str:
        return self.keyring.sign(self.claims(grant, scope, access_token, nonce, now))

    def claims(
        self, grant: GrantRow, scope: ScopeSet, access_token: str, nonce: str | None, now: datetime
    ) -> dict[str, Any]:
        """The claims; ``auth_time`` stays that of the sign-in on every refresh (OIDC Core §12.2)."""
        issued_at = int(now.timestamp())
        fhir_user = grant.fhir_user if "fhirUser" in scope else None
        optional = {
            "auth_time": None if grant.auth_time is None else int(grant.auth_time.timestamp()),
            "nonce": nonce,
            "amr": grant.amr or None,
            "acr": grant.acr,
            "sid": grant.sid,
            "fhirUser": fhir_user,
            "profile": fhir_user if Legacy.PROFILE in grant.legacy else None,
        }
        return {
            "iss": self.settings.issuer,
            "sub": grant.sub,
            "aud": grant.client_id,
            "iat": issued_at,
            "exp": issued_at + self.settings.id_token_seconds,
            "at_hash": at_hash(access_token),
            **{name: value for name, value in optional.items() if value is not None},
        }
