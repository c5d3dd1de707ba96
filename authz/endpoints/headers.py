"""Headers that every answer carries (security.md HC-01); what an answer has set for itself stays."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flask import Response

NOBODY_FRAMES_IT = "frame-ancestors 'none'"
NOT_A_PAGE = f"default-src 'none'; {NOBODY_FRAMES_IT}"
ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]+)?")
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": NOT_A_PAGE,
    "Cache-Control": "no-store",
}
HSTS = "max-age=63072000; includeSubDomains"


def harden(response: Response, *, is_https: bool) -> Response:
    own = {name: response.headers[name] for name in ALWAYS if name in response.headers}
    response.headers.update(hardened(own, is_https=is_https))
    return response


def hardened(headers: Mapping[str, str], *, is_https: bool) -> dict[str, str]:
    """The headers of an answer, and all that it has not set for itself."""
    found = {**ALWAYS, **headers}
    if is_https:
        found["Strict-Transport-Security"] = HSTS
    if NOBODY_FRAMES_IT in found["Content-Security-Policy"]:
        found["X-Frame-Options"] = "DENY"  # it has no word for "only these origins"
    return found


def page_policy(nonce: str, frame_ancestors: Iterable[str], form_targets: Iterable[str]) -> str:
    """The Content-Security-Policy of a page: nothing but our style sheet and forms.

    ``frame_ancestors`` are the origins that may frame it, ``form_targets`` redirect URIs that a form may end at:
    browsers hold ``form-action`` against the redirects after it as well. Raises ValueError for what is not an origin.
    """
    ancestors = list(frame_ancestors)
    for origin in ancestors:
        if not ORIGIN.fullmatch(origin):
            raise ValueError("frame_ancestors must be origins")
    targets = dict.fromkeys(map(form_source, form_targets))
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src 'self' 'nonce-{nonce}'",
            "img-src 'self' data:",
            " ".join(["form-action 'self'", *targets]),
            " ".join(["frame-ancestors", *ancestors]) if ancestors else NOBODY_FRAMES_IT,
            "base-uri 'none'",
            "object-src 'none'",
        ]
    )


def form_source(uri: str) -> str:
    """A redirect URI as a source of ``form-action``: its origin, or its scheme if CSP can't name the origin."""
    parts = urlsplit(uri)
    origin = f"{parts.scheme}://{parts.netloc}"
    if ORIGIN.fullmatch(origin):
        return origin
    if not SCHEME.fullmatch(parts.scheme):
        raise ValueError("a form target must be an absolute URI")
    return f"{parts.scheme}:"  # com.example.app:/callback, http://[::1]:4000/callback
