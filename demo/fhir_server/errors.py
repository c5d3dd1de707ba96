"""What the FHIR server says when it cannot do something: always an OperationOutcome."""

from __future__ import annotations

from typing import Any

REALM = "Lakeside General FHIR"


class FhirError(Exception):
    """A refusal: HTTP status, FHIR issue code, a sentence, and headers that belong to it."""

    def __init__(self, status: int, code: str, text: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.status, self.code, self.text = status, code, text
        self.headers = headers or {}

    def outcome(self) -> dict[str, Any]:
        issue = {"severity": "error", "code": self.code, "diagnostics": self.text}
        return {"resourceType": "OperationOutcome", "issue": [issue]}


def _quoted(text: str) -> str:
    """A quoted-string for ``WWW-Authenticate``: RFC 6750 §3 allows neither quote nor backslash in it."""
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "?" for c in text)


def no_token() -> FhirError:
    """RFC 6750 §3.1: a request without a token gets the challenge and no error code."""
    return FhirError(401, "login", "an access token is needed", {"WWW-Authenticate": f'Bearer realm="{REALM}"'})


def invalid_token(text: str) -> FhirError:
    challenge = f'Bearer realm="{REALM}", error="invalid_token", error_description="{_quoted(text)}"'
    return FhirError(401, "login", text, {"WWW-Authenticate": challenge})


def insufficient_scope(text: str, scope: str) -> FhirError:
    """RFC 6750 §3.1; ``scope`` is what would have been needed."""
    challenge = (
        f'Bearer realm="{REALM}", error="insufficient_scope", '
        f'error_description="{_quoted(text)}", scope="{_quoted(scope)}"'
    )
    return FhirError(403, "forbidden", text, {"WWW-Authenticate": challenge})


def unavailable(text: str) -> FhirError:
    return FhirError(503, "transient", text, {"Retry-After": "2"})
