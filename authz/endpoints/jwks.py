"""``GET /jwks``: the public signing keys (RFC 7517 §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from authz.endpoints.current import answer, services
from authz.endpoints.document import JSON, cacheable

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from authz.endpoints.exchange import HttpAnswer, HttpRequest

bp = Blueprint("jwks", __name__)


def jwks(request: HttpRequest) -> HttpAnswer:
    """Next, active and retired keys; to be cached for less time than a next key is published before it signs."""
    return cacheable(services().keyring.jwks_document(), request, services().settings.jwks_max_age_seconds, JSON)


@bp.get("/jwks")
def view() -> ResponseReturnValue:
    return answer(jwks)
