"""What is asked of every server: the same operation in its own words, never the same single-use thing twice."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from authz.clients.assertion import ASSERTION_TYPE
from benchmarks.lanes import Question
from benchmarks.load import END_OF_HEADERS
from tests.actors import FORM, basic

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from benchmarks.lanes import Source

LANES = 16
KEYS: dict[str, ECKey | RSAKey] = {"ES384": ECKey.generate_key("P-384"), "RS384": RSAKey.generate_key(2048)}
SECRET = secrets.token_urlsafe(32)
FHIR_SERVER = ("rs-main", "rs-main-secret")


def key_set(alg: str) -> dict[str, Any]:
    return {"keys": [{**KEYS[alg].as_dict(private=False), "kid": alg, "alg": alg, "use": "sig"}]}


@dataclass(frozen=True)
class Server:
    """Where a server answers what; ``refresh_tokens``: one to begin each lane with."""

    port: int
    issuer: str
    paths: Mapping[str, str]  # introspect, token, jwks, discovery
    token: str
    refresh_tokens: list[str]

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
        what = {"grant_type": "client_credentials", "scope": "system/*.rs"}
        return Question(self.post("token", {**what, **form}), b'"access_token":')


def new_jti() -> str:
    return secrets.token_hex(16)


def always(question: Question) -> Source:
    while True:
        yield question


def signing(server: Server, alg: str) -> Source:
    while True:
        yield server.signed(alg)


def refreshing(server: Server, refresh_token: str) -> Generator[Question, bytes, None]:
    """Each answer holds the next refresh token, and a new access token."""
    while True:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        body = yield Question(server.post("token", form, ("app", SECRET)), b'"access_token":')
        rotated = json.loads(body)["refresh_token"]
        assert rotated != refresh_token
        refresh_token = rotated


def shared(make: Callable[[Server], Question]) -> Callable[[Server], list[Source]]:
    return lambda server: [always(make(server)) for _ in range(LANES)]


OPERATIONS: dict[str, Callable[[Server], list[Source]]] = {
    "introspection": shared(lambda server: server.introspect(server.token, b'"active":true')),
    "introspection, hint": shared(
        lambda server: server.introspect(server.token, b'"active":true', token_type_hint="access_token")
    ),
    "introspection, unknown": shared(lambda server: server.introspect("a" * 43, b'{"active":false}')),
    "discovery": shared(lambda server: Question(server.get("discovery"), b'"token_endpoint":')),
    "jwks": shared(lambda server: Question(server.get("jwks"), b'"keys":')),
    "client_credentials, ES384": lambda server: [signing(server, "ES384") for _ in range(LANES)],
    "client_credentials, RS384": lambda server: [signing(server, "RS384") for _ in range(LANES)],
    "refresh": lambda server: [refreshing(server, token) for token in server.refresh_tokens],
}
