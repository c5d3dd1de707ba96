"""The rules that the attack suite holds against every answer do find what breaks them, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.attacks.live.rules import Asked, check
from tests.transport import Reply

if TYPE_CHECKING:
    from collections.abc import Collection

ISSUER = "http://127.0.0.1:9000"
REGISTERED: dict[str, Collection[str]] = {"public": ["https://app.example/cb", "https://app.example/cb2?x=1"]}
GOOD = "/authorize?client_id=public&redirect_uri=https://app.example/cb"
HEADERS = {"content-type": ["application/json"], "x-content-type-options": ["nosniff"], "x-request-id": ["0" * 32]}


def held(status: int = 200, body: bytes = b"{}", target: str = "/token", **headers: Any) -> None:
    found = {name.replace("_", "-"): [value] for name, value in headers.items() if value is not None}
    kept = {name: value for name, value in HEADERS.items() if headers.get(name.replace("-", "_"), "") is not None}
    check(Asked("GET", target, (), b""), Reply(status, kept | found, body), ISSUER, REGISTERED)


@pytest.mark.parametrize(
    ("rule", "answer"),
    [
        ("G-1", {"status": 500}),
        ("G-1", {"status": 502}),
        ("G-1", {"status": 503}),
        ("G-2", {"body": b'{"error":"sqlalchemy.exc.OperationalError"}'}),
        ("G-2", {"body": b'{"error":"Traceback (most recent call last)"}'}),
        ("G-2", {"body": b'{"error":"SELECT x FROM y"}'}),
        ("G-2", {"server": "gunicorn/27.0.1"}),
        ("G-3", {"x_content_type_options": None}),
        ("G-3", {"body": b"<html>"}),
        ("G-3", {"content_type": "text/plain", "body": b"x"}),
        ("G-4", {"status": 303, "target": "/authorize?client_id=nobody", "location": "https://app.example/cb?error=x"}),
        ("G-4", {"status": 303, "target": f"{GOOD}&client_id=x", "location": "https://app.example/cb?error=x"}),
        ("G-5", {"status": 303, "target": GOOD, "location": "https://evil.example/cb?error=x"}),
        ("G-5", {"status": 303, "target": GOOD, "location": "https://app.example/cb2?error=x"}),
        ("G-5", {"status": 303, "target": "/login", "location": "//evil.example"}),
        ("G-5", {"status": 303, "target": "/login", "location": f"{ISSUER}.evil.example/"}),
        ("G-9", {"status": 400, "body": b'{"error":"x","access_token":"y"}'}),
        ("G-9", {"status": 401, "body": b'{"active":true}'}),
        ("G-9", {"status": 303, "target": GOOD, "location": "https://app.example/cb?error=x&code=y"}),
    ],
)
def test_a_broken_rule_is_named(rule: str, answer: dict[str, Any]) -> None:
    """security.md 2.0."""
    with pytest.raises(AssertionError, match=rule):
        held(**answer)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"status": 503, "retry_after": "2"},
        {"status": 400, "body": b'{"error":"invalid_grant"}'},
        {"body": b'{"access_token":"aaaaaaaaaaaaaaaaaaaasQLiTeaaaaaaaaaaaaaaaaaaaaa"}'},
        {"status": 303, "target": GOOD, "location": "https://app.example/cb?code=x"},
        {"status": 303, "target": "/login", "location": f"{ISSUER}/authorize?interaction=x"},
    ],
)
def test_what_is_right_passes(answer: dict[str, Any]) -> None:
    """Also a token that happens to spell the name of a library."""
    held(**answer)
