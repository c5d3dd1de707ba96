"""Percent-encoding inside a scope token: decoded once to compare, never to answer (SMART digest PROC-03)."""

from __future__ import annotations

import re
import string
from urllib.parse import quote, unquote_to_bytes

ENCODED = re.compile(r"(?:[^%]|%[0-9A-Fa-f]{2})*")  # linear: the alternatives share no first character
TOKEN = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")  # RFC 6749 §3.3 scope-token
RAW = "".join(c for c in string.punctuation if c not in '"\\&%')


def decode(text: str) -> str:
    """Decode ``%XX`` once; ``+`` stays a plus sign.

    Raises ValueError for a broken escape, bytes that are not UTF-8, and characters that do not print: a control
    character or a change of writing direction has no place in what a person consents to.
    """
    if not ENCODED.fullmatch(text):
        raise ValueError("a percent sign must be followed by two hexadecimal digits")
    try:
        decoded = unquote_to_bytes(text).decode()
    except UnicodeDecodeError as cause:
        raise ValueError("percent-encoded text must be UTF-8") from cause
    if not decoded.isprintable():
        raise ValueError("control characters and invisible characters are not allowed")
    return decoded


def encode(text: str) -> str:
    """Encode only what a scope token cannot hold, and what would be read as something else."""
    return quote(text, safe=RAW)
