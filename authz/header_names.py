"""Header names with an underscore: to CGI, WSGI, PHP and Rack ``X_A`` and ``X-A`` are one name (RFC 3875 §4.1.18).

None is read here. That there were some is told: a proxy may pass them on to a FHIR server that takes them for others.
"""

from __future__ import annotations

UNDERSCORED = "X-Authz-Underscored"  # whoever sends this one says so of themselves


def without_underscores(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The others, and whether there were any."""
    plain = [header for header in headers if "_" not in header[0]]
    return headers if len(plain) == len(headers) else [*plain, (UNDERSCORED.upper(), "yes")]
