"""What is said of a token that is good (RFC 7662 §2.2, SMART INT-02..11)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from authz.tokens.model import GrantRow


def for_access_token(grant: GrantRow, issuer: str, aud: str, **members: Any) -> str:
    """``aud`` is the base URL of the FHIR server it is for."""
    return written(grant, members | {"aud": aud} | same_for_all(issuer))


def ending(issuer: str) -> bytes:
    """What every answer about an access token ends with."""
    return f",{dumped(same_for_all(issuer))[1:]}".encode()


def same_for_all(issuer: str) -> dict[str, str]:
    return {"token_type": "Bearer", "iss": issuer}


def for_refresh_token(grant: GrantRow, issuer: str, issued_at: datetime, expires_at: datetime) -> str:
    """It is for this server and no other, which ``aud`` says; and it is of no ``token_type`` (RFC 6749 §5.1)."""
    times = {"exp": int(expires_at.timestamp()), "iat": int(issued_at.timestamp())}
    return written(grant, {"scope": grant.scope, "iss": issuer, "aud": issuer, **times})


def written(grant: GrantRow, members: dict[str, Any]) -> str:
    """The launch context and who it is about beside the members; what there is not is left out."""
    about = {"client_id": grant.client_id, "sub": grant.sub, "fhirUser": grant.fhir_user}
    known = {name: value for name, value in about.items() if value is not None}
    return dumped({**grant.context, "active": True, **known, **members})


def dumped(members: Mapping[str, Any]) -> str:
    return json.dumps(members, separators=(",", ":"))
