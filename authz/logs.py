"""Structured logs: one JSON object a line on stderr, without secrets even where a message would hold one."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

from authz.endpoints.door import CURRENT_REQUEST

QUIET = {  # what they say below prints tokens, rows and URLs
    "alembic": logging.WARNING,
    "authlib": logging.WARNING,
    "sqlalchemy.engine": logging.WARNING,
    "urllib3": logging.ERROR,  # warns of a bad header of an answer with the whole address that was asked
    "werkzeug": logging.WARNING,
}
NAMES = (
    "access_token|assertion|authorization|client_assertion|client_secret|code|code_verifier|cookie|ehr_session|handle"
    "|id_token_hint|id_token|interaction|launch|login_hint|messagingHandle|password|refresh_token|secret"
    "|smart_web_messaging_handle|state|token|username"
)
SECRETS = (
    (re.compile(r"\b(bearer|basic)\s+[^\s,;\"']+", re.IGNORECASE), r"\1 [redacted]"),
    (re.compile(rf"\b({NAMES})(['\"]?\s*[=:]\s*)['\"]?[^\s,;&\"'}})]+", re.IGNORECASE), r"\1\2[redacted]"),
    (re.compile(r"[A-Za-z0-9_~+/=.-]{40,}"), "[redacted]"),  # a token, a digest, a JWT
)
ENCODE = json.JSONEncoder(default=str).encode
PLAIN = re.compile(r"[^\s=:]{0,39}")  # of no shape that any of them looks for


class JsonLines(logging.Formatter):
    """A record as one line of ASCII: JSON escapes line ends, terminal codes and U+2028."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redacted(record.getMessage()),
            "request_id": CURRENT_REQUEST.get(),
        }
        line |= {name: scrubbed(value) for name, value in getattr(record, "fields", {}).items()}
        if record.exc_info:
            line["traceback"] = redacted(self.formatException(record.exc_info))
        return ENCODE(line)


def redacted(text: str) -> str:
    if PLAIN.fullmatch(text):
        return text
    for pattern, replacement in SECRETS:
        text = pattern.sub(replacement, text)
    return text


def scrubbed(value: Any) -> Any:
    return redacted(value) if isinstance(value, str) else value


def quieten() -> None:
    """Pin the loggers whose lines hold tokens (Authlib, oauth.md 1.1) or addresses, whatever the root's level is."""
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(level)


def configure(level: str) -> None:
    """Log to stderr only, through our own formatter."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(capture=True)  # else Python prints them beside the lines of JSON
    quieten()
