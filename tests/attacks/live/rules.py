"""The twelve global rules of security.md 2.0, held against every answer that the attack suite gets.

What one answer can show is here (G-1 to G-5, G-9); what is changed (G-8), logged (G-6), put on the trail (G-11), how
much memory a worker takes (G-7) and what works afterwards (G-12) is asked by ``target``. G-10 is in how the suite
runs: the workers answer in turn, and each case runs on either pair of stores.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Collection

    from tests.transport import Reply

SERVER_ERROR = 500
UNAVAILABLE = 503
LONGEST_WORDS = 500
OURS = str(Path(__file__).resolve().parents[3])
LEAKS = re.compile(
    r"Traceback|File \"/|site-packages|sqlalchemy|psycopg|sqlite|\.py\b|/usr/lib|authlib|joserfc|werkzeug|flask"
    r"|gunicorn/|redis\.exceptions|\bSELECT\b[^<]{0,200}\bFROM\b|\bINSERT INTO\b|\bUPDATE \w+ SET\b|python/\d"
    rf"|{re.escape(OURS)}",
    re.IGNORECASE,
)
RANDOM = re.compile(r"[A-Za-z0-9_-]{32,}")  # a token may spell anything
TYPES = {
    "text/html; charset=utf-8": re.compile(rb"\s*<!doctype html>", re.IGNORECASE),
    "application/json": re.compile(rb"\s*[{\[]"),
    "application/fhir+json": re.compile(rb"\s*\{"),
}
LOOPBACK = re.compile(r"http://127\.0\.0\.1:\d+(/.*)")  # RFC 8252 §7.3: the port is the app's to choose


@dataclass(frozen=True)
class Asked:
    """A request as it was sent."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """Of the query for GET, of the body for POST; empty for what no form would send."""
        text = self.body.decode("latin-1") if self.method == "POST" else urlsplit(self.target).query
        return parse_qsl(text, keep_blank_values=True, errors="replace")


def is_refusal(reply: Reply) -> bool:
    """Whether the answer says no: by its status, or to the app by redirect."""
    return 400 <= reply.status < 600 or "error" in redirected_with(reply)


def redirected_with(reply: Reply) -> dict[str, str]:
    location = reply.header("location")
    return {} if location is None else dict(parse_qsl(urlsplit(location).query, keep_blank_values=True))


def check(asked: Asked, reply: Reply, issuer: str, registered: dict[str, Collection[str]]) -> None:
    """``registered``: the redirect URIs of each client. AssertionError names the rule that is broken."""
    said = f"{asked} -> {reply}"
    is_away = reply.status == UNAVAILABLE and (reply.header("retry-after") or "").isdigit()
    assert reply.status < SERVER_ERROR or is_away, f"G-1: {said}"
    told = " ".join(f"{name}: {', '.join(values)}" for name, values in reply.headers.items())
    read = RANDOM.sub("", f"{told}\n{reply.body.decode('latin-1')}")
    assert not (leak := LEAKS.search(read)), f"G-2: {leak}: {said}"
    check_content_type(reply, said)
    check_location(asked, reply, issuer, registered, said)
    if is_refusal(reply):
        check_says_no(reply, said)


def check_content_type(reply: Reply, said: str) -> None:
    if reply.header("x-request-id") is None:  # gunicorn itself could not read the message
        assert (reply.status in {400, 414, 431}, len(reply.body) < LONGEST_WORDS) == (True, True), f"G-3: {said}"
        return
    assert reply.header("x-content-type-options") == "nosniff", f"G-3: {said}"
    kind = reply.header("content-type") or ""
    if reply.body and kind in TYPES:
        assert TYPES[kind].match(reply.body), f"G-3: {said}"
        if kind.endswith("json"):
            json.loads(reply.body)
    elif reply.body:
        assert kind.startswith(("text/css", "image/", "text/javascript", "application/jwk-set+json")), f"G-3: {said}"


def check_location(asked: Asked, reply: Reply, issuer: str, registered: dict[str, Collection[str]], said: str) -> None:
    location = reply.header("location")
    if location is None:
        return
    assert len(reply.headers["location"]) == 1, f"G-5: {said}"
    known = {uri for uris in registered.values() for uri in uris}
    assert is_at(location, issuer) or any(is_same_place(location, uri) for uri in known), f"G-5: {said}"
    names = [name for name, _ in asked.parameters]
    if asked.path == "/authorize" and "interaction" not in names:
        sent = dict(asked.parameters)
        assert (names.count("client_id"), names.count("redirect_uri")) == (1, 1), f"G-4: {said}"
        own = registered.get(sent["client_id"], ())
        assert any(is_same_place(sent["redirect_uri"], uri) for uri in own), f"G-4: {said}"


def is_at(location: str, issuer: str) -> bool:
    is_path = location.startswith("/") and not location.startswith(("//", "/\\"))
    return is_path or location.startswith(f"{issuer}/")


def is_same_place(location: str, registered: str) -> bool:
    """Scheme, host and path are those of a registered URI, and its query comes first."""
    wanted, _, query = registered.partition("?")
    if (loopback := LOOPBACK.match(location)) and wanted.startswith("http://127.0.0.1/"):
        location = f"http://127.0.0.1{loopback[1]}"
    place, _, rest = location.partition("?")
    return place == wanted and rest.startswith(query)


def check_says_no(reply: Reply, said: str) -> None:
    """G-9: what refuses gives nothing, by no way."""
    assert not {"code", "access_token", "id_token"} & redirected_with(reply).keys(), f"G-9: {said}"
    if (reply.header("content-type") or "").endswith("json") and reply.body:
        body = json.loads(reply.body)
        given = {"access_token", "refresh_token", "id_token", "client_secret", "launch"}
        assert not given & set(body), f"G-9: {said}"
        assert not (isinstance(body, dict) and body.get("active") is True), f"G-9: {said}"
