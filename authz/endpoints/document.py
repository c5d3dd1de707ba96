"""A JSON document for everybody, cacheable and revalidated by its ``ETag`` (RFC 9110 §8.8.3)."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from authz.endpoints.exchange import HttpAnswer

if TYPE_CHECKING:
    from authz.endpoints.exchange import HttpRequest


def document(
    content: dict[str, Any], request: HttpRequest, max_age_seconds: int, media_type: str = "application/json"
) -> HttpAnswer:
    """The document as JSON whatever ``Accept`` says (SMART DISC-03), or 304."""
    body = json.dumps(content, indent=1).encode()
    etag = f'"{sha256(body).hexdigest()[:32]}"'
    headers = {"Cache-Control": f"public, max-age={max_age_seconds}", "ETag": etag}
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if etag in known or "*" in known:
        return HttpAnswer(304, headers)
    return HttpAnswer(200, {"Content-Type": media_type, **headers}, body)
