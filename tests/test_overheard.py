"""The ear of the suite hears what it is there for: security.md 4.3 can fail."""

from __future__ import annotations

import logging
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from tests.overheard import HEARD, Overheard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.world import World

LONG = "q7Zr-0dK_1mT9xW4bN2c"
JWT = "eyJhbGciOiJFUzM4NCJ9AAAA.eyJzdWIiOiJwYXRpZW50In0-body.c2lnbmF0dXJlLW9mLWl0-end"


@pytest.fixture
def ear() -> Overheard:
    return Overheard()


@pytest.fixture
def deaf() -> Iterator[None]:
    """What this test writes on purpose is forgotten."""
    yield
    HEARD.lines.clear()


@pytest.mark.parametrize(
    ("url", "headers", "body", "answer_headers", "answer", "secret"),
    [
        (f"/authorize?launch={LONG}", {}, b"", {}, b"", LONG),
        ("/token", {}, f"grant_type=authorization_code&code={LONG}".encode(), {}, b"", LONG),
        ("/token", {}, b"client_secret=correct horse", {}, b"", "correct horse"),
        ("/token", {"Authorization": f"Bearer {LONG}"}, b"", {}, b"", LONG),
        (
            "/token",
            {"authorization": "Basic " + b64encode(b"app:battery staple").decode()},
            b"",
            {},
            b"",
            "battery staple",
        ),
        ("/login", {"Cookie": f"a=b; __Host-session={LONG}"}, b"", {}, b"", LONG),
        ("/authorize", {}, b"", {"location": [f"https://app.example/cb?code={LONG}&state=s"]}, b"", LONG),
        ("/login", {}, b"", {"set-cookie": [f"__Host-session={LONG}; Path=/; Secure"]}, b"", LONG),
        ("/token", {}, b"", {}, f'{{"context": [{{"refresh_token": "{LONG}"}}]}}'.encode(), LONG),
        ("/token", {}, b"", {}, f'{{"id_token": "{JWT}"}}'.encode(), JWT.rpartition(".")[2]),
        ("/login", {}, b"", {}, f'<input type="hidden" name="csrf" value="{LONG}">'.encode(), LONG),
    ],
)
def test_what_is_secret_in_a_request_or_its_answer_may_be_in_no_line(
    url: str,
    headers: dict[str, str],
    body: bytes,
    answer_headers: dict[str, list[str]],
    answer: bytes,
    secret: str,
) -> None:
    """security.md 4.2: codes, tokens, secrets, launches, cookies, assertions."""
    ear = Overheard()
    ear.exchange(url, headers, body, answer_headers, answer)
    assert ear.leaks(["nothing of the kind", f"a line with {secret}, which is secret"]) == [
        f"{[secret]} in a line with {secret}, which is secret"
    ]


def test_the_header_of_a_jwt_and_what_is_no_secret_may_be_in_a_line(ear: Overheard) -> None:
    answer = f'{{"id_token": "{JWT}", "scope": "patient/Observation.rs"}}'.encode()
    ear.exchange(f"/authorize?state={LONG}", {}, b"", {}, answer)
    assert ear.leaks([JWT.partition(".")[0], "patient/Observation.rs", LONG]) == []


@pytest.mark.parametrize("words", ["Anders was chosen", "MRN-A", "of SSN-B"])
def test_a_person_of_the_test_hospital_is_in_no_line(ear: Overheard, words: str) -> None:
    """security.md 4.2: PHI has no place in general logs."""
    assert len(ear.leaks([words, "Andersen"])) == 1


@pytest.mark.usefixtures("deaf")
def test_a_logger_of_ours_that_would_write_a_token_is_heard() -> None:
    """The last filter would take it out of the line; that it was written at all is a mistake."""
    logging.getLogger("authz.somewhere").debug("Issue token %r", LONG)
    HEARD.pieces.add(LONG)
    with pytest.raises(AssertionError, match="a log must not hold this"):
        HEARD.check()


def test_each_request_of_a_test_is_heard(world: World) -> None:
    before = len(HEARD.lines)
    world.transport.send("GET", f"{world.issuer}/.well-known/smart-configuration")
    assert any("/.well-known/smart-configuration" in line for line in HEARD.lines[before:])


def test_the_output_of_a_server_is_read_when_it_stops(ear: Overheard, tmp_path: Path) -> None:
    log = tmp_path / "gunicorn.log"
    log.write_text(f"one line\nanother with {LONG}\n")
    ear.check_file(log)
    ear.exchange(f"/authorize?launch={LONG}", {}, b"", {}, b"")
    with pytest.raises(AssertionError, match=r"gunicorn\.log must not hold this"):
        ear.check_file(log)
