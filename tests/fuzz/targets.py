"""What a coverage-guided fuzzer throws bytes at: each target takes any bytes, and raises only if something is wrong.

``make fuzz`` runs each for ten minutes and keeps what reached new code in ``corpus/``, which ``test_corpus`` replays.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

from authz.audit.event import Peer
from authz.clients import assertion, redirect_uri
from authz.endpoints.exchange import HttpRequest
from authz.endpoints.gate import basic_credentials, bearer_token
from authz.enforcement.fhir_request import FhirRequest, Server, accesses
from authz.enforcement.url import Undecidable, split
from authz.errors import InvalidClient, InvalidScope, InvalidToken
from authz.keyring import foreign
from authz.scopes import ScopeSet

NOW = datetime(2026, 5, 3, 12, tzinfo=UTC)
ISSUER = "https://authz.example"
BASE = "https://fhir.example/r4"
FHIR = Server(("/r4",), frozenset({"Patient", "Observation", "Condition"}), (BASE,))


def text_of(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def scopes(data: bytes) -> None:
    """What is read is said again, covers itself, and narrowing never widens (SMART 2.2 §"Scopes")."""
    first, _, second = text_of(data).partition("\n")
    try:
        asked, allowed = ScopeSet.parse(first), ScopeSet.parse(second)
        narrowed = asked.narrow_to(allowed)
    except InvalidScope:
        return
    assert ScopeSet.parse(str(asked)) == asked
    known = asked.without(*asked.unknown)
    assert known.covers(known)
    assert asked.covers(narrowed)
    assert allowed.covers(narrowed)


@dataclass(frozen=True)
class App:
    """As much of a client as the matcher looks at."""

    redirect_uris: tuple[str, ...]
    application_type: str = "native"
    any_loopback_port: bool = True


def redirect_uris(data: bytes) -> None:
    """Nobody is sent to another host than that of an address that may be registered (RFC 9700 §2.1, RFC 8252 §7.3)."""
    registered, _, asked = text_of(data).partition("\n")
    if redirect_uri.problems(registered, "native"):
        return
    known = urlsplit(registered)
    assert known.username is None
    assert known.scheme == "https" or "." in known.scheme or known.hostname in {"localhost", "127.0.0.1", "::1"}
    found = redirect_uri.match(App((registered,)), asked)  # type: ignore[arg-type]  # as much of a client as it needs
    if found is None:
        assert asked != registered
        return
    there = urlsplit(found)
    without_port = (there.scheme, there.hostname, there.path, there.query, there.username)
    assert without_port == (known.scheme, known.hostname, known.path, known.query, None)
    assert asked == registered or known.hostname in {"127.0.0.1", "::1"}
    names = {name for name, _ in parse_qsl(there.query, keep_blank_values=True)}
    assert not names & redirect_uri.RESPONSE_PARAMETERS


def authorization_header(data: bytes) -> None:
    """A header of any bytes is read, or refused as what it is (RFC 6749 §2.3.1, RFC 6750 §2.1)."""
    header = data.decode("latin-1")
    request = HttpRequest("POST", "/token", "", {"authorization": header}, b"", Peer("127.0.0.1"))
    try:
        readings = basic_credentials(request)
    except InvalidClient:
        readings = None
    for client_id, secret in readings or ():
        assert client_id
        assert (client_id + secret).isprintable() or not (client_id + secret).isascii()
    try:
        token = bearer_token(request)
    except InvalidToken:
        return
    assert token is None or (token.isascii() and token.isprintable() and " " not in token)


def jwts(data: bytes) -> None:
    """What anybody sends as a JWT is refused before a key is looked for, or is just what it should be (RFC 7523 §3)."""
    token = text_of(data)
    try:
        header, _ = foreign.read(token)
        assert header["alg"] in foreign.KINDS
    except foreign.Unproved:
        pass
    try:
        read = assertion.read(token)
        proved = assertion.claimed(read, None, {ISSUER}, NOW)
    except assertion.BadAssertion:
        return
    claims = read.claims
    assert claims["iss"] == claims["sub"] == read.client_id
    assert claims["aud"] in (ISSUER, [ISSUER])
    assert (
        NOW.timestamp() - assertion.LEEWAY < claims["exp"] <= NOW.timestamp() + assertion.MAX_AHEAD + assertion.LEEWAY
    )
    assert len(proved.digest) == 64
    try:
        assertion.verify(read, {"keys": []})
    except assertion.KeyNotFound:
        return
    raise AssertionError("verified by no key")


def fhir_requests(data: bytes) -> None:
    """Whatever a proxy passes on is understood, or refused as undecidable: nothing else, ever (house.md §4)."""
    line, _, body = data.partition(b"\n")
    method, _, target = line.decode("latin-1").partition(" ")
    headers = {"content-type": "application/fhir+json"}
    try:
        found = accesses(FhirRequest(method, target, headers, body), FHIR)
    except Undecidable:
        return
    path, _ = split(target, FHIR.base_paths)
    assert "%" not in "".join(path)
    for access in found:
        assert access.type is None or access.type in FHIR.types
        assert access.compartment is None or access.compartment


TARGETS = {
    "scopes": scopes,
    "redirect_uris": redirect_uris,
    "authorization_header": authorization_header,
    "jwts": jwts,
    "fhir_requests": fhir_requests,
}
