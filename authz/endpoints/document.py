"""A document for everybody, cacheable and revalidated by its ``ETag`` (RFC 9110 §8.8.3)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from authz.discovery.ready import Tagged
from authz.endpoints.exchange import HttpAnswer

if TYPE_CHECKING:
    from authz.endpoints.exchange import HttpRequest

JSON = "application/json"


def document(content: dict[str, Any], request: HttpRequest, max_age_seconds: int, media_type: str = JSON) -> HttpAnswer:
    """The document as JSON whatever ``Accept`` says (SMART DISC-03), or 304."""
    return cacheable(json.dumps(content, indent=1).encode(), request, max_age_seconds, media_type)


def cacheable(body: bytes, request: HttpRequest, max_age_seconds: int, content_type: str) -> HttpAnswer:
    return tagged(Tagged.of(body), request, max_age_seconds, content_type)


def tagged(
    document: Tagged, request: HttpRequest, max_age_seconds: int, content_type: str, *, weak: bool = False
) -> HttpAnswer:
    """``weak``: the tag is for the same content, whatever bytes a proxy makes of it."""
    tag = document.tag
    headers = {"Cache-Control": f"public, max-age={max_age_seconds}", "ETag": f"W/{tag}" if weak else tag}
    known = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
    if tag in known or "*" in known:
        return HttpAnswer(304, headers)
    return HttpAnswer(200, {"Content-Type": content_type, **headers}, document.body)
