"""Small requests that could cost much time or memory, a hundred of each beside an ordinary load (security.md R-23)."""

from __future__ import annotations

import gzip
import json
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
import urllib3

from authz.clients.assertion import ASSERTION_TYPE
from tests.actors import FORM, basic
from tests.attacks.live.jose import segment
from tests.faults.campaign import Campaign
from tests.faults.load import OneByOne
from tests.faults.site import site

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.faults.site import Site
    from tests.servers import PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.fault, pytest.mark.campaign]

TIMES, AT_ONCE = 100, 10
WAIT_SECONDS = 1.0
JSON = {"Content-Type": "application/json"}
EHR = {**basic("ehr-main", "ehr-main-secret"), **JSON}
SENT_AS_FORM = {"Content-Type": FORM}
Bomb = tuple[str, "Mapping[str, str]", bytes]


def assertion(header: Mapping[str, object], content: bytes) -> bytes:
    """A client's proof with this header, of which nothing is true."""
    proof = f"{segment(header)}.{content.decode()}.{'A' * 128}"
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": proof}
    return urlencode(form).encode()


DEEP = b"[" * 100_000
SCOPE = " ".join(f"patient/Observation.rs?category={number}" for number in range(1_500))
BOMBS: dict[str, Bomb] = {
    "deep JSON, /register": ("/register", JSON, DEEP),
    "deep JSON, /launch": ("/launch", EHR, DEEP),
    "many values": ("/register", JSON, b"[" + b"0," * 100_000 + b"0]"),
    "a long number": ("/launch", EHR, b'{"patient": ' + b"9" * 200_000 + b"}"),
    "many names": ("/launch", EHR, json.dumps({f"n{number}": 0 for number in range(20_000)}).encode()),
    "many parameters": ("/token", SENT_AS_FORM, b"&".join(b"p%d=1" % number for number in range(8_000))),
    "many scopes": ("/token", SENT_AS_FORM, urlencode({"grant_type": "client_credentials", "scope": SCOPE}).encode()),
    "ten megabytes": ("/token", SENT_AS_FORM, b"a" * 10_000_000),
    "gzip": ("/register", {**JSON, "Content-Encoding": "gzip"}, gzip.compress(b"0" * 20_000_000)),
    "a long assertion": ("/token", SENT_AS_FORM, assertion({"alg": "ES384"}, b"A" * 60_000)),
    "a password's work": ("/token", SENT_AS_FORM, assertion({"alg": "PBES2-HS256+A128KW", "p2c": 10**9}, b"e30")),
    "a compressed JWE": ("/token", SENT_AS_FORM, assertion({"alg": "dir", "enc": "A128GCM", "zip": "DEF"}, b"e30..")),
}
REFUSALS = {400, 401, 403, 413, 415, 422, 429}
CUT = 0
OF_THE_LARGEST = {CUT, 503}  # there is a thread for a few of them at once (HP-14, decision 43)


def throw(running: Site, bomb: Bomb) -> int:
    path, headers, body = bomb
    try:
        return OneByOne(running.issuer).send("POST", f"{running.issuer}{path}", dict(headers), body).status
    except urllib3.exceptions.HTTPError:
        return CUT  # what is too large is not read to its end: the answer may be lost with the connection


def test_bombs_harm_nobody(tmp_path: Path, postgres: PostgresServer) -> None:
    """R-23, I8, I12: each is refused, no worker dies or swells, and apps go on meanwhile."""
    statuses: dict[str, set[int]] = {}

    def bomb(running: Site) -> None:
        for name, each in BOMBS.items():
            with ThreadPoolExecutor(AT_ONCE) as pool:
                statuses[name] = set(pool.map(partial(throw, running), [each] * TIMES))
        time.sleep(1)

    with site(tmp_path, postgres) as running:
        before = running.workers
        bomb(running)  # what is set aside for the largest of them is kept; more of them must not take more
        history = Campaign("R-23 bombs", 23).run(running, bomb)
        assert running.workers == before, "a worker died"
    wrong = {name: found - REFUSALS for name, found in statuses.items() if found - REFUSALS}
    assert wrong.pop("ten megabytes", set()) <= OF_THE_LARGEST
    assert wrong == {}
    assert {each.outcome.value for each in history.ledger.operations} <= {"ok", "refused"}
    calm, meanwhile = history.p95_seconds()
    assert meanwhile < calm + WAIT_SECONDS
