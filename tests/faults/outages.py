"""What twelve endpoints answer while Redis or PostgreSQL is missing, slow or read-only; and the page that says so."""

from __future__ import annotations

import json
import time
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import psycopg

from tests.actors import Ehr, FhirServer, SmartApp, new_verifier
from tests.faults.checker import RECOVERY_SECONDS
from tests.faults.load import SCOPE, OneByOne, content, service_form
from tests.faults.proxy import Mode
from tests.faults.site import OTHERS
from tests.world import actors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.site import Site
    from tests.transport import Reply

REDIS = ("up", "down", "slow")
POSTGRES = ("up", "down", "read-only")
DISCOVERY = "/fhir-servers/main/.well-known/smart-configuration"
SLOW_SECONDS = 0.3  # longer than the server waits for Redis
SETTLED_SECONDS = 1.2  # after this no process goes on with what it has read before
DATABASES = {
    "up": "PostgreSQL answers",
    "down": "PostgreSQL is down",
    "read-only": "PostgreSQL is read-only, as after a fail-over to a replica",
}
APP = {
    "client_name": "An app that comes in the middle of an outage",
    "token_endpoint_auth_method": "none",
    "redirect_uris": ["https://outage.example/cb"],
    "scope": "openid fhirUser",
}


@dataclass(frozen=True)
class Prepared:
    """What was made while everything was well, for one cell of the matrix."""

    launch: str
    code: str
    verifier: str
    access_token: str
    refresh_token: str
    to_revoke: str


class Matrix:
    def __init__(self, site: Site) -> None:
        self.site = site
        self.transport = OneByOne(site.issuer)
        cast = actors(self.transport)
        ehr, app, fhir_server = cast["ehr"], cast["public"], cast["fhir_server"]
        assert isinstance(ehr, Ehr)
        assert isinstance(app, SmartApp)
        assert isinstance(fhir_server, FhirServer)
        self.ehr, self.app, self.fhir_server = ehr, app, fhir_server
        self.service = SmartApp(self.transport, "bulk", "", "")

    def cell(self, redis: str, postgres: str) -> dict[str, str]:
        """The answer of each endpoint; raise AssertionError if one is wrong whatever the page says."""
        ready = self.prepare()
        with redis_is(self.site, redis), postgres_is(self.site, postgres):
            time.sleep(SETTLED_SECONDS)
            found = {name: described(name, ask()) for name, ask in self.questions(ready).items()}
        assert self.site.seconds_to_heal() < RECOVERY_SECONDS, "I9"
        time.sleep(SETTLED_SECONDS)
        assert self.fhir_server.introspect(ready.access_token)["active"] is True, "I5"
        return found

    def prepare(self) -> Prepared:
        first, second = self.tokens(), self.tokens()
        waiting = replace(self.app, verifier=new_verifier())
        code = waiting.code(self.launch(), SCOPE)
        return Prepared(
            self.launch(),
            code,
            waiting.verifier,
            first["access_token"],
            first["refresh_token"],
            second["refresh_token"],
        )

    def tokens(self) -> dict[str, Any]:
        return self.app.tokens(self.launch(), SCOPE)

    def launch(self) -> str:
        reply = self.create_launch()
        assert reply.status == 201, f"everything is well, and still: {reply.text}"
        return str(reply.json()["launch"])

    def create_launch(self) -> Reply:
        record = {
            "client_id": "public",
            "fhir_server": self.ehr.fhir_server,
            "user": "Practitioner/dr",
            "patient": "A",
            "launch_url": "https://app.example/launch",
        }
        return self.ehr.post("/launch", record)

    def questions(self, ready: Prepared) -> dict[str, Callable[[], Reply]]:
        """Introspection first, as nothing of this cell has been refused yet."""
        get = self.transport.send
        issuer, app = self.site.issuer, self.app
        body = json.dumps(APP).encode()
        json_type = {"Content-Type": "application/json"}
        standalone = app.authorize_url(scope="launch/patient openid fhirUser patient/*.rs")
        return {
            "POST /introspect": lambda: self.fhir_server.ask(ready.access_token),
            "GET /.well-known/smart-configuration": lambda: get("GET", f"{issuer}{DISCOVERY}"),
            "GET /jwks": lambda: get("GET", f"{issuer}/jwks"),
            "GET /readyz": lambda: get("GET", f"{issuer}/readyz"),
            "POST /launch": self.create_launch,
            "GET /authorize, from an EHR": lambda: app.launched(ready.launch, SCOPE),
            "GET /authorize, standalone": lambda: get("GET", standalone),
            "POST /token, code": lambda: app.redeem(ready.code, code_verifier=ready.verifier),
            "POST /token, refresh_token": lambda: app.refresh(ready.refresh_token),
            "POST /token, client_credentials": lambda: self.service.post(
                "/token", service_form(issuer, self.site.keys)
            ),
            "POST /revoke": lambda: app.revoke(ready.to_revoke),
            "POST /register": lambda: get("POST", f"{issuer}/fhir-servers/main/register", json_type, body),
        }


def described(name: str, reply: Reply) -> str:
    """As the page says it. Raises AssertionError for what is never right: I8."""
    told = content(reply)
    assert reply.status < 500 or reply.status == 503, f"{name}: {reply.status} {reply.text}"
    assert reply.status != 503 or reply.header("retry-after"), f"{name}: 503 without Retry-After"
    assert told.get("active") is not False, f"{name}: a live token is told to be dead"
    if "error" in told:
        return f"{reply.status} `{told['error']}`"
    if "code" in told:
        return f"{reply.status} with a code"
    if reply.status in {302, 303}:
        return f"{reply.status} to the sign-in page"
    return f"{reply.status}"


@contextmanager
def redis_is(site: Site, state: str) -> Iterator[None]:
    assert site.redis is not None
    ways: dict[str, AbstractContextManager[None]] = {
        "up": nullcontext(),
        "down": site.redis.misbehaving(Mode.RESET),
        "slow": site.redis.misbehaving(delay_seconds=SLOW_SECONDS),
    }
    with ways[state]:
        yield


@contextmanager
def postgres_is(site: Site, state: str) -> Iterator[None]:
    assert site.database is not None
    if state == "read-only":
        with read_only(site):
            yield
        return
    with site.database.misbehaving(Mode.RESET) if state == "down" else nullcontext():
        yield


@contextmanager
def read_only(site: Site) -> Iterator[None]:
    """For every connection but this one, which turns it back."""
    with psycopg.connect(site.settings.database_url.replace("+psycopg", ""), autocommit=True) as rows:
        name = rows.info.dbname
        rows.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
        rows.execute(OTHERS)
        try:
            yield
        finally:
            rows.execute("SET default_transaction_read_only = off")
            rows.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only".encode())
            rows.execute(OTHERS)


def page(found: dict[tuple[str, str], dict[str, str]]) -> str:
    """``found``: (Redis, PostgreSQL) -> endpoint -> answer."""
    lines = [
        "# What is answered during an outage",
        "",
        "Made by `make outages`, which takes Redis and PostgreSQL away from a running server and asks; `make faults`",
        "checks that it is still so. *Slow* is slower than the server waits for Redis (0.25 s). What is refused here",
        "comes with `Retry-After` and may be sent again; nothing that was granted before is lost, and no live token is",
        "ever told to be dead (RFC 7662 §2.2).",
        "",
    ]
    endpoints = sorted(next(iter(found.values())), key=lambda name: name.partition(" ")[2])
    for postgres, title in DATABASES.items():
        lines += [f"## {title}", "", "| request | Redis up | Redis down | Redis slow |", "|---|---|---|---|"]
        lines += [f"| `{name}` | {' | '.join(found[redis, postgres][name] for redis in REDIS)} |" for name in endpoints]
        lines.append("")
    return "\n".join(lines)
