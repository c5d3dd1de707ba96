"""What is asked of every server: the same operation in its own words, never the same single-use thing twice.

A server that can not do an operation names no path or gives nothing to begin with, and has no lanes for it.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from authz.clients.assertion import ASSERTION_TYPE
from benchmarks.lanes import Question
from benchmarks.load import END_OF_HEADERS
from tests.actors import FORM, basic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.lanes import Source

LANES = 16
KEYS: dict[str, ECKey | RSAKey] = {"ES384": ECKey.generate_key("P-384"), "RS384": RSAKey.generate_key(2048)}
SECRET = secrets.token_urlsafe(32)
CALLBACK = "https://conf.example/cb"
BACKEND = {"grant_type": "client_credentials", "scope": "system/*.rs"}
FHIR_SERVER = ("rs-main", "rs-main-secret")


# The code, and what proves who asked for it.
Code: TypeAlias = tuple[str, str]


def key_set(alg: str) -> dict[str, Any]:
    return {"keys": [{**KEYS[alg].as_dict(private=False), "kid": alg, "alg": alg, "use": "sig"}]}


@dataclass(frozen=True)
class Server:
    """Where a server answers what; ``refresh_tokens``: one to begin each lane with.

    ``mint`` makes so many codes that were never used, outside of what is measured.
    """

    port: int
    issuer: str
    paths: Mapping[str, str]  # introspect, token, jwks, discovery
    token: str
    refresh_tokens: list[str]
    mint: Callable[[int], list[Code]] | None = None
    has_assertions: bool = True  # takes private_key_jwt
    codes: deque[Code] = field(default_factory=deque)

    def refill(self, count: int) -> None:
        """Codes are good for a minute: none of an earlier round is used."""
        assert self.mint is not None
        self.codes.clear()
        self.codes.extend(self.mint(count))

    def get(self, name: str) -> bytes:
        return f"GET {self.paths[name]} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}".encode() + END_OF_HEADERS

    def post(self, name: str, form: Mapping[str, str], caller: tuple[str, str] | None = None) -> bytes:
        body = urlencode(form).encode()
        headers = {"Content-Type": FORM, "Content-Length": str(len(body)), **(basic(*caller) if caller else {})}
        lines = [f"POST {self.paths[name]} HTTP/1.1", f"Host: 127.0.0.1:{self.port}"]
        lines += [f"{header}: {value}" for header, value in headers.items()]
        return "\r\n".join(lines).encode() + END_OF_HEADERS + body

    def introspect(self, token: str, expected: bytes, **more: str) -> Question:
        return Question(self.post("introspect", {"token": token, **more}, FHIR_SERVER), expected)

    def signed(self, alg: str) -> Question:
        now = int(time.time())
        client = f"bulk-{alg.lower()}"
        claims = {"iss": client, "sub": client, "aud": f"{self.issuer}{self.paths['audience']}", "jti": new_jti()}
        head = {"alg": alg, "kid": alg, "typ": "JWT"}
        assertion = jwt.encode(head, {**claims, "iat": now, "exp": now + 240}, KEYS[alg], algorithms=[alg])
        form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion, "client_id": client}
        return Question(self.post("token", {**BACKEND, **form}), b'"access_token":')

    def redeeming(self, code: str, verifier: str) -> Question:
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "redirect_uri": CALLBACK}
        return Question(self.post("token", form, ("app", SECRET)), b'"id_token":')


def new_jti() -> str:
    return secrets.token_hex(16)


def always(question: Question) -> Source:
    while True:
        yield question


def signing(server: Server, alg: str) -> Source:
    while True:
        yield server.signed(alg)


def redeeming(server: Server) -> Source:
    while True:
        yield server.redeeming(*server.codes.popleft()) if server.codes else None


def refreshing(server: Server, refresh_token: str) -> Source:
    """Each answer holds the next refresh token, and a new access token."""
    while True:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        body = yield Question(server.post("token", form, ("app", SECRET)), b'"access_token":')
        assert body is not None
        rotated = json.loads(body)["refresh_token"]
        assert rotated != refresh_token
        refresh_token = rotated


def shared(make: Callable[[Server], Question]) -> Callable[[Server], list[Source]]:
    return lambda server: [always(make(server)) for _ in range(LANES)]


def assertions(alg: str) -> Callable[[Server], list[Source]]:
    return lambda server: [signing(server, alg) for _ in range(LANES)] if server.has_assertions else []


def backend(server: Server) -> Question:
    return Question(server.post("token", BACKEND, ("bulk-secret", SECRET)), b'"access_token":')


INTROSPECTION = "introspection"
ACTIVE, INACTIVE = b'"active":true', b'"active":false'
CODE = "code exchange, id_token"
OPERATIONS: dict[str, Callable[[Server], list[Source]]] = {
    INTROSPECTION: shared(lambda server: server.introspect(server.token, ACTIVE)),
    "introspection, hint": shared(
        lambda server: server.introspect(server.token, ACTIVE, token_type_hint="access_token")
    ),
    "introspection, unknown": shared(lambda server: server.introspect("a" * 43, INACTIVE)),
    "discovery": shared(lambda server: Question(server.get("discovery"), b'"token_endpoint":')),
    "jwks": shared(lambda server: Question(server.get("jwks"), b'"keys":')),
    "client_credentials, secret": shared(backend),
    "client_credentials, ES384": assertions("ES384"),
    "client_credentials, RS384": assertions("RS384"),
    "refresh": lambda server: [refreshing(server, token) for token in server.refresh_tokens],
    CODE: lambda server: [redeeming(server) for _ in range(LANES)] if server.mint else [],
}
