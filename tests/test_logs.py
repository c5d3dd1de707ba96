"""Structured logs without secrets (security.md 0.7, 4.2, AU-7)."""

from __future__ import annotations

import io
import json
import logging
import sys
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from authz import logs
from authz.endpoints.door import CURRENT_REQUEST
from authz.outbound import Outbound
from tests.outbound.test_client import LOOPBACK, OK, peer

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "Zk9SECRETabcdefghijklmnopqrstuvwxyz0123456789_-"


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """The log as configured, on a stream of the test's own; everything is as before at the end."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs.QUIET}
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure("DEBUG")
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_record_is_one_line_of_json(stderr: io.StringIO) -> None:
    token = CURRENT_REQUEST.set("abcdef12")
    logging.getLogger("some.place").warning("%s of %s", 1, "two", extra={"fields": {"path": "/token", "status": 200}})
    CURRENT_REQUEST.reset(token)
    (line,) = lines(stderr)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "WARNING",
        "logger": "some.place",
        "message": "1 of two",
        "request_id": "abcdef12",
        "path": "/token",
        "status": 200,
    }


def test_a_warning_of_a_library_is_a_line_of_json_too(stderr: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """AU-7: whoever reads the log line by line reads nothing else."""
    monkeypatch.setattr(sys, "stderr", stderr)  # pytest has put its own in the place of this, and of the warnings
    logging.captureWarnings(capture=False)
    logs.configure("INFO")
    with warnings.catch_warnings():
        warnings.simplefilter("always")  # the tests make an error of each
        warnings.warn("of a\nlibrary", stacklevel=1)
    (line,) = lines(stderr)
    assert (line["level"], line["logger"]) == ("WARNING", "py.warnings")
    assert "UserWarning: of a\nlibrary" in line["message"]


@pytest.mark.parametrize(
    "text", ["a\r\nb", "a\nFAKE line", "\x1b[31mred", "a\u2028b\u2029c", "\x00\x07", '"}\n{"level":"X"}']
)
def test_nothing_leaves_its_line_or_reaches_the_terminal(stderr: io.StringIO, text: str) -> None:
    """AU-7: CR, LF, ANSI, U+2028, JSON's own characters; as message, argument and field."""
    logging.getLogger().error("message %s", text, extra={"fields": {"path": text}})
    raw = stderr.getvalue()
    assert raw.isascii()
    assert raw.count("\n") == 1
    assert all(" " <= character <= "~" for character in raw.rstrip("\n"))
    assert lines(stderr)[0]["path"] == text


def test_a_lone_surrogate_is_escaped_as_well() -> None:
    """AU-7; formatted by hand, for the test runner's own log capture can't carry it between processes."""
    record = logging.LogRecord("some.place", logging.ERROR, "", 0, "message %s", ("\ud800",), None)
    raw = logs.JsonLines().format(record)
    assert raw.isascii()
    assert json.loads(raw)["message"] == "message \ud800"


@pytest.mark.parametrize(
    "text",
    [
        f"Issue token {TOKEN} to client",
        f"{{'access_token': '{TOKEN}', 'refresh_token': '{TOKEN}'}}",
        "Authorization: Bearer Zk9SECRET",
        "authorization='Basic Zk9SECRET=='",
        "POST /token code=Zk9SECRET&code_verifier=Zk9SECRET",
        '{"client_secret": "Zk9SECRET", "password":"Zk9SECRET"}',
        "login username=Zk9SECRET launch=Zk9SECRET state: Zk9SECRET",
        f"jwt eyJhbGciOiJub25lIn0.{TOKEN}.{TOKEN}",
        "Cookie: Zk9SECRET",
    ],
)
def test_secrets_are_taken_out_of_messages_fields_and_tracebacks(stderr: io.StringIO, text: str) -> None:
    """security.md 4.2."""
    logging.getLogger().info(text, extra={"fields": {"path": text}})
    logging.getLogger().info("%s", text)
    try:
        int(text)
    except ValueError:
        logging.getLogger().exception("failed")
    assert len(lines(stderr)) == 3
    assert "SECRET" not in stderr.getvalue()
    assert "Traceback" in lines(stderr)[2]["traceback"]


def test_ordinary_words_stay(stderr: io.StringIO) -> None:
    logging.getLogger().info("the token endpoint refused client growth-chart: invalid_grant (8f3a-22)")
    assert lines(stderr)[0]["message"] == "the token endpoint refused client growth-chart: invalid_grant (8f3a-22)"


@pytest.mark.parametrize("name", ["authlib", "authlib.oauth2.rfc6749.grants", "sqlalchemy.engine", "werkzeug"])
def test_loggers_that_print_tokens_are_pinned_even_at_debug(stderr: io.StringIO, name: str) -> None:
    """security.md 0.7: Authlib's DEBUG lines hold tokens in clear."""
    logging.getLogger(name).debug("Issue token %r", TOKEN)
    logging.getLogger(name).info("Issue token %r", TOKEN)
    assert stderr.getvalue() == ""


def test_a_bad_header_of_an_answer_brings_no_address_into_the_log(stderr: io.StringIO) -> None:
    """security.md 4.2: urllib3 warns of it with all that was asked, and with what follows in the answer."""
    with peer(OK.replace(b"\r\n", b"\r\nBad Header Line\r\nSet-Cookie: ZZ9PHI-COOKIE\r\n", 1)) as server:
        url = f"http://127.0.0.1:{server.port}/fhir/Patient?_id=ZZ9PHI-MRN-4711&name=ZZ9PHISmith"
        assert Outbound(LOOPBACK).get(url).status == 200
    assert stderr.getvalue() == ""
