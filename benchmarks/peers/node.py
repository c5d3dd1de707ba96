"""node-oidc-provider on Redis, which keeps nothing on disk: what is lost with it is lost."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import urllib3

from benchmarks.process import pinned
from benchmarks.questions import CALLBACK, FHIR_SERVER, LANES, SECRET, Server, key_set
from benchmarks.running import Running, running, serves
from tests.live import ROOT, START_SECONDS
from tests.servers import free_port, redis_server, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from benchmarks.questions import Code

MODULES = ROOT / "build/peers/oidc-provider"
PATHS = {
    "introspect": "/token/introspection",
    "token": "/token",
    "audience": "",
    "jwks": "/jwks",
    "discovery": "/.well-known/openid-configuration",
}


def clients() -> list[dict[str, Any]]:
    nothing: dict[str, list[str]] = {"redirect_uris": [], "response_types": [], "grant_types": []}
    bulk = {**nothing, "grant_types": ["client_credentials"], "scope": "system/*.rs"}
    code = {"grant_types": ["authorization_code", "refresh_token"], "redirect_uris": [CALLBACK]}
    by_key = [
        {
            "client_id": f"bulk-{alg.lower()}",
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": alg,
            "jwks": key_set(alg),
            **bulk,
        }
        for alg in ("ES384", "RS384")
    ]
    return [
        {"client_id": FHIR_SERVER[0], "client_secret": FHIR_SERVER[1], **nothing},
        {"client_id": "app", "client_secret": SECRET, **code},
        {"client_id": "bulk-secret", "client_secret": SECRET, **bulk},
        *by_key,
    ]


def minted(port: int, count: int) -> list[Code]:
    """Codes of the peer itself: a path beside the provider makes them."""
    answer = urllib3.request("GET", f"http://127.0.0.1:{port}/mint/{count}", timeout=60)
    return [(code, verifier) for code, verifier in answer.json()]


@contextmanager
def node_with_redis(folder: Path) -> Iterator[Running]:
    port, log = free_port(), folder / "node.log"
    with redis_server() as store:
        script = [str(MODULES / "server.mjs"), str(port), store.url, json.dumps(clients()), str(LANES)]
        begun = time.perf_counter()
        with pinned(["node", *script], log) as process:
            wait_until(lambda: serves(process, port, log, "/jwks"), "node", START_SECONDS)
            started = time.perf_counter() - begun
            said = json.loads(next(line for line in log.read_text().splitlines() if line.startswith("{")))
            issuer, refresh_tokens = f"http://127.0.0.1:{port}", said["refreshTokens"]
            server = Server(port, issuer, PATHS, said["token"], refresh_tokens, partial(minted, port))
            yield replace(running(process.pid, started, server), compiles=True)
