"""The input gate: what reaches a view has been decoded once, strictly, and is bounded (security.md 3.5)."""

from __future__ import annotations

import re
from base64 import b64decode
from collections import Counter
from typing import TYPE_CHECKING, Any

from authz.errors import InvalidClient, InvalidRequest, InvalidScope, InvalidToken
from authz.strict_json import NotStrictJson, parse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authz.endpoints.exchange import HttpRequest

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
REPEATABLE = frozenset({"resource"})  # RFC 8707 §2
MAX_PARAMETERS = 100
MAX_NAME = 256
MAX_JWT = 16 * 1024
MAX_SCOPE = 8_000
MAX_SCOPES = 200
MAX_URI = 2_048
MAX_LAUNCH = 8_192  # a handle, or a signed and encrypted launch
MAX_VALUE = 16 * 1024
MAX_BYTES = {  # of the decoded value in UTF-8
    "state": 4_096,
    "nonce": 512,
    "login_hint": 256,
    "ui_locales": 256,
    "redirect_uri": MAX_URI,
    "post_logout_redirect_uri": MAX_URI,
    "aud": MAX_URI,
    "resource": MAX_URI,
    "request_uri": MAX_URI,
    "launch": MAX_LAUNCH,
    "client_id": 256,
    "client_assertion": MAX_JWT,
    "id_token_hint": MAX_JWT,
}
NOT_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # C0, DEL and C1 controls
PLAIN_NAME = re.compile(r"[A-Za-z_]{1,64}")  # fit to be repeated in an error
ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})?")
BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 §2.1


def form(request: HttpRequest) -> dict[str, str]:
    """The parameters of a POST: from the body only, each once; one without a value counts as left out.

    RFC 6749 §3.2; the values of a repeated ``resource`` are joined by a space. Raises InvalidRequest, InvalidScope.
    """
    return single(form_pairs(request))


def form_pairs(request: HttpRequest, at_most: int = MAX_PARAMETERS) -> list[tuple[str, str]]:
    """As ``form``, but repeated parameters and empty values are still there."""
    if request.query:
        raise InvalidRequest("send parameters in the body, none in the URL")
    if request.body:
        check_content_type(request, FORM)
    return pairs(request.body.decode("latin-1"), at_most)


def query(request: HttpRequest) -> dict[str, str]:
    """The parameters of a GET, each once; one without a value counts as left out (RFC 6749 §3.1)."""
    return single(pairs(request.query))


def pairs(text: str, at_most: int = MAX_PARAMETERS) -> list[tuple[str, str]]:
    """Names and values in order, decoded once (WHATWG URL §5.1); ``text`` has one character for each byte.

    ``;`` is data. Raises InvalidRequest for wrong escapes, what is not UTF-8, and control characters.
    """
    if text.count("&") >= at_most:
        raise InvalidRequest(f"more than {at_most} parameters")
    found = []
    for part in text.split("&"):
        if not part:
            continue
        raw_name, _, raw_value = part.partition("=")
        name = decoded(raw_name, "the name of a parameter", MAX_NAME)
        found.append((name, parameter(name, raw_value)))
    return found


def parameter(name: str, value: str) -> str:
    """A decoded value within the bounds of its name."""
    if name == "scope":
        return scope(value)
    shown = name if PLAIN_NAME.fullmatch(name) else "a parameter"
    return decoded(value, shown, MAX_BYTES.get(name, MAX_VALUE))


def scope(value: str) -> str:
    text = decoded(value, "scope", MAX_VALUE)
    if len(text.encode()) > MAX_SCOPE:
        raise InvalidScope(f"scope must not be longer than {MAX_SCOPE} bytes")
    if len(text.split(" ")) > MAX_SCOPES:
        raise InvalidScope(f"scope must not have more than {MAX_SCOPES} items")
    return text


def decoded(text: str, what: str, limit: int) -> str:
    """Percent-decode strictly; ``what`` names the thing in the error."""
    try:
        raw = ESCAPE.sub(byte, text.replace("+", " ").encode("latin-1"))
        value = raw.decode()
    except ValueError as error:
        raise InvalidRequest(f"{what} is not percent-encoded UTF-8") from error
    if len(raw) > limit:
        raise InvalidRequest(f"{what} must not be longer than {limit} bytes")
    if NOT_TEXT.search(value):
        raise InvalidRequest(f"{what} contains control characters")
    return value


def byte(escape: re.Match[bytes]) -> bytes:
    if escape.group(1) is None:
        raise ValueError("% without two hexadecimal digits")
    return bytes.fromhex(escape.group(1).decode())


def duplicates(found: Iterable[tuple[str, str]]) -> set[str]:
    """The parameters that occur more than once and must not."""
    counts = Counter(name for name, _ in found)
    return {name for name, count in counts.items() if count > 1} - REPEATABLE


def single(found: list[tuple[str, str]]) -> dict[str, str]:
    if duplicates(found):
        raise InvalidRequest("a parameter occurs more than once")
    parameters: dict[str, str] = {}
    for name, value in found:
        if value and value not in parameters.get(name, "").split(" "):
            parameters[name] = f"{parameters[name]} {value}" if name in parameters else value
    return parameters


def json_object(request: HttpRequest) -> dict[str, Any]:
    """The JSON object in the body. Raises InvalidRequest."""
    check_content_type(request, JSON)
    if request.query:
        raise InvalidRequest("send everything in the body, nothing in the URL")
    try:
        value = parse(request.body)
    except NotStrictJson as error:
        raise InvalidRequest(f"the body can not be read: {error}") from error
    if not isinstance(value, dict):
        raise InvalidRequest("the body must be a JSON object")
    return value


def check_content_type(request: HttpRequest, wanted: str) -> None:
    sent, _, parameters = request.headers.get("content-type", "").partition(";")
    if sent.strip().lower() != wanted:
        raise InvalidRequest(f"Content-Type must be {wanted}")
    charset = parameters.strip().lower().replace('"', "")
    if charset.startswith("charset=") and charset != "charset=utf-8":
        raise InvalidRequest("the body must be UTF-8")


def basic_credentials(request: HttpRequest) -> list[tuple[str, str]] | None:
    """Every reading of an HTTP Basic header: as sent, and decoded once (RFC 6749 §2.3.1, SMART SYM-04).

    None without such a header. Raises InvalidClient for one that can't be read or an unknown scheme.
    """
    scheme, value = authorization(request)
    if scheme in {"", "bearer"}:
        return None
    try:
        text = b64decode(value, validate=True).decode()
    except ValueError as error:
        raise InvalidClient from error
    client_id, colon, secret = text.partition(":")
    if scheme != "basic" or not colon or not client_id or NOT_TEXT.search(text):
        raise InvalidClient
    readings = [(client_id, secret)]
    try:
        other = (decoded(client_id, "client_id", MAX_VALUE), decoded(secret, "client_secret", MAX_VALUE))
    except InvalidRequest:
        return readings
    return readings if other in readings else [*readings, other]


def bearer_token(request: HttpRequest) -> str | None:
    """The token of a Bearer header; None without one. Raises InvalidToken if it can't be one (RFC 6750 §3.1)."""
    scheme, value = authorization(request)
    if scheme != "bearer":
        return None
    if not BEARER.fullmatch(value):
        raise InvalidToken("the access token is malformed")
    return value


def authorization(request: HttpRequest) -> tuple[str, str]:
    """The scheme in lower case and the credentials; two headers come joined by a comma, which neither scheme has."""
    scheme, _, value = request.headers.get("authorization", "").strip().partition(" ")
    return scheme.lower(), value.strip()
