"""The attack suite: the cases of security.md 2 and our own, against gunicorn with two workers, on each pair of stores.

How to write a case
-------------------
* A test in ``tests/attacks/live`` takes the fixture ``target``. Its docstring, or the id of its parameter, begins with
  the id of the case; ``tests/attacks/catalogue.toml`` gives the severity (C, H, M, L) and one sentence for each id.
  M and L carry the marker ``lesser`` by themselves: they are left to ``make test-all`` and ``make attacks``.
* ``target.send(method, path, headers, body)`` sends what it is told, byte for byte; headers may be a list of pairs.
  The actors of ``tests/actors`` work over it: ``target.pub``, ``native``, ``sec``, ``asking`` (may introspect),
  ``posting``, ``key``, ``key2``, ``bulk``, ``dyn``, ``off``, ``rs``, ``rs2``, ``ehr``, ``ehr2``; ``target.browser()``.
* Every answer is held against ``rules`` (G-1..G-5, G-9). Around a refusal the rows are counted (G-8) and the trail
  must have grown (G-11). After the case nothing secret may be in the log, no error either (G-6), nobody may have been
  called by the server who was not to be (SSRF), and a whole new flow must work (G-12). The workers answer in turn, so
  that what one has done the other must know (G-10); the memory of both is looked at in the end (G-7).
* ``target.page``, ``redirected``, ``refused``, ``inactive`` assert the outcomes of security.md 2.0 as a whole.
* ``target.clock.forward(seconds=61)`` lets time pass on the server. There is no other waiting.
* ``target.at_once(jobs)`` runs jobs together; ``target.crowd`` is the transport for them: no counting of rows there.
* Each case comes from an address of its own, as a trusted proxy tells it; ``target.stranger`` is somebody whose
  ``X-Forwarded-For`` nobody believes.
"""

from __future__ import annotations

import json
import os
import re
import signal
from base64 import b64decode
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from sqlalchemy import select, text

from authz.audit.model import AuditEventRow
from authz.clients.model import ClientRow
from tests.actors import Browser, Ehr, FhirServer, Forms, SmartApp
from tests.attacks.live import rules
from tests.attacks.live.cast import ASKER_SECRET, OFF_SECRET, KeyedApp
from tests.attacks.live.wire import children
from tests.live import at_once
from tests.servers import wait_until
from tests.transport import OverHttp, Reply
from tests.vendor import Vendor
from tests.world import APP, FHIR, OTHER_FHIR, SECRET

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Collection, Iterable, Sequence
    from pathlib import Path

    from flask import Flask
    from sqlalchemy import Connection

    from authz.services import Services
    from authz.settings import Settings
    from tests.attacks.live.clock import SharedClock
    from tests.attacks.live.jose import Keys
    from tests.attacks.live.publisher import Publisher
    from tests.attacks.live.wire import Wire
    from tests.canary import Canary

    Sent = Mapping[str, str] | Iterable[tuple[str, str]] | None

T = TypeVar("T")
ALONE = "launch/patient patient/Observation.rs openid fhirUser"
LAUNCHED = "launch patient/Observation.rs openid fhirUser"
TABLES = (
    "authorization_code",
    "access_token",
    "refresh_token",
    "grant_record",
    "client",
    "spent_launch",
    "messaging_handle",
)
SECRET_NAMES = frozenset(
    {
        *(
            "code",
            "code_verifier",
            "token",
            "access_token",
            "refresh_token",
            "id_token",
            "id_token_hint",
            "client_secret",
        ),
        *("client_assertion", "password", "handle", "launch", "interaction", "ehr_session", "username"),
        *("smart_web_messaging_handle", "registration_access_token"),
    }
)
WORD = re.compile(r"[A-Za-z0-9_~.-]{16,}")
CANARY = "ZZ9"
SUPPORT_CODE = re.compile(r"[0-9A-HJKMNP-TV-Z]{8}")
DESCRIPTION = re.compile(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+")  # RFC 6749 §4.1.2.1
ON_THE_TRAIL = ("/token", "/authorize", "/introspect", "/revoke", "/launch", "/register", "/login", "/ehr-session/")
WITH_LENGTH = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True)
class Store:
    """What a case may do to the short-lived store: empty it, or have nobody's tries counted yet."""

    empty: Callable[[], object]
    forget_tries: Callable[[], object]


@dataclass
class Target:
    """The running server, everybody who is registered there, and the eyes that watch it."""

    app: Flask
    settings: Settings
    clock: SharedClock
    log: Path
    process: subprocess.Popen[bytes]
    wire: Wire
    strange_wire: Wire
    rows: Connection
    publisher: Publisher
    canary: Canary
    bulk_keys: Keys
    store: Store
    address: str = "10.0.0.7"
    secrets: set[str] = field(default_factory=set)
    log_read: int = 0
    cases: int = 0

    def __post_init__(self) -> None:
        self.issuer = self.settings.issuer
        self.services: Services = self.app.extensions["authz"]
        self.pub = SmartApp(self, "public", f"{APP}/cb", FHIR)
        self.native = SmartApp(self, "native", "http://127.0.0.1:51004/cb", FHIR)
        self.sec = SmartApp(self, "confidential", "https://conf.example/cb", FHIR, SECRET)
        self.asking = SmartApp(self, "asking", "https://conf.example/cb", FHIR, ASKER_SECRET)
        self.posting = SmartApp(self, "posting", "https://conf.example/cb", FHIR, ASKER_SECRET)
        self.off = SmartApp(self, "off", "https://conf.example/cb", FHIR, OFF_SECRET)
        self.key = self.keyed("key", self.publisher.keys["key"])
        self.key2 = self.keyed("key2", self.publisher.keys["key2"])
        self.bulk = self.keyed("bulk", self.bulk_keys)
        self.rs = FhirServer(self, "rs-main", "rs-main-secret")
        self.rs2 = FhirServer(self, "rs-other", "rs-other-secret")
        self.ehr = Ehr(self, "ehr-main", "ehr-main-secret", FHIR)
        self.ehr2 = Ehr(self, "ehr-other", "ehr-other-secret", OTHER_FHIR)
        self.vendor = Vendor(self, "/fhir-servers/main/register")
        self.crowd = Watched(self)
        self.stranger = Stranger(self)
        self.alice = self.browser()

    def keyed(self, client_id: str, keys: Keys) -> KeyedApp:
        return KeyedApp(self, client_id, "https://conf.example/cb", FHIR, keys=keys, clock=self.clock)

    @cached_property
    def dyn(self) -> SmartApp:
        """An app that registered itself and that nobody has approved."""
        return self.vendor.app(self.vendor.register(), FHIR)

    def browser(self) -> Browser:
        return Browser(self)

    # ---- asking ----

    def send(self, method: str, url: str, headers: Sent = None, body: bytes = b"", worker: int | None = None) -> Reply:
        """Send a request and hold its answer against every rule."""
        asked = self.asked(method, url, headers, body)
        before = self.counts()
        reply = self.wire.send(asked.method, asked.target, asked.headers, asked.body, worker)
        self.watch(asked, reply)
        if rules.is_refusal(reply):
            after = self.counts()
            assert before[1:] == after[1:], f"G-8: {before} -> {after}: {asked} -> {reply}"
            assert after[0] > before[0] or not must_be_on_trail(asked, reply), f"G-11: {asked} -> {reply}"
        return reply

    def asked(self, method: str, url: str, headers: Sent, body: bytes) -> rules.Asked:
        """The request with what every client adds, unless the case says it."""
        given = list(headers.items() if isinstance(headers, Mapping) else headers or ())
        names = {name.lower() for name, _ in given}
        added = {"Host": urlsplit(self.issuer).netloc, "X-Forwarded-For": self.address}
        if (body or method in WITH_LENGTH) and "transfer-encoding" not in names:
            added["Content-Length"] = str(len(body))
        more = [(name, value) for name, value in added.items() if name.lower() not in names]
        return rules.Asked(method, url.removeprefix(self.issuer), (*more, *given), body)

    def watch(self, asked: rules.Asked, reply: Reply) -> None:
        self.secrets |= secrets_in(asked, reply)
        rules.check(asked, reply, self.issuer, self.registered if reply.header("location") else {})

    @property
    def registered(self) -> dict[str, Collection[str]]:
        """Where each client may be answered, and sent after a sign-out."""
        with self.services.db.read() as session:
            rows = session.execute(select(ClientRow.client_id, ClientRow.redirect_uris, ClientRow.logout)).all()
        return {row[0]: [*row[1], *row[2].get("post_logout_redirect_uris", [])] for row in rows}

    def counts(self) -> tuple[int, ...]:
        """Rows of the trail, then of everything that a refusal must leave alone."""
        tables = ", ".join(f"(SELECT count(*) FROM {name})" for name in ("audit_event", *TABLES))  # noqa: S608  ours
        return tuple(self.rows.execute(text(f"SELECT {tables}")).one())

    def at_once(self, jobs: Sequence[Callable[[], T]]) -> list[T]:
        with ThreadPoolExecutor(len(jobs)) as pool:
            return at_once(jobs, pool)

    # ---- the ordinary way of things ----

    def ask(self, app: SmartApp | None = None, /, **changes: str | None) -> Reply:
        """A standalone request by GET, good but for the changes, in a browser without cookies."""
        return self.browser().request("GET", (app or self.pub).authorize_url(**{"scope": ALONE, **changes}))

    def launch(self, app: SmartApp | None = None, user: str = "Practitioner/dr", **context: Any) -> dict[str, Any]:
        """The answer to the EHR that puts down a launch with patient A."""
        return self.ehr.launch((app or self.pub).client_id, user, **{"patient": "A", **context})

    def bought(self, app: SmartApp | None = None, scope: str = LAUNCHED, **context: Any) -> dict[str, Any]:
        """The token response of an EHR launch for a clinician, whom the app's vetting spares every page."""
        used = app or self.pub
        return used.tokens(str(self.launch(used, **context)["launch"]), scope)

    def signed_in(self, name: str = "alice", **changes: str | None) -> tuple[Browser, Reply]:
        """A browser after its sign-in, and the page that it is shown then."""
        browser = self.browser()
        app = self.pub
        page = browser.open(app.authorize_url(**{"scope": ALONE, **changes}))
        return browser, browser.sign_in(page, name, f"{name}-password")

    def code_for_alice(self, app: SmartApp | None = None, **changes: str | None) -> str:
        """The code of a standalone launch by the browser in which alice stays signed in."""
        return self.agreed(self.alice, "alice", (app or self.pub).authorize_url(**{"scope": ALONE, **changes}))

    def agreed(self, browser: Browser, name: str, url: str) -> str:
        reply = browser.open(url)
        if reply.status == 200 and 'name="password"' in reply.text:
            reply = browser.sign_in(reply, name, f"{name}-password")
        if reply.status == 200:
            reply = browser.submit(reply, press="allow")
        return reply.location_parameters["code"]

    def tokens_for_alice(self, scope: str = f"{ALONE} offline_access", app: SmartApp | None = None) -> dict[str, Any]:
        used = app or self.pub
        reply = used.redeem(self.code_for_alice(used, scope=scope))
        assert reply.status == 200, reply
        answer: dict[str, Any] = reply.json()
        return answer

    def is_active(self, token: str) -> bool:
        """Every worker says the same."""
        answers = [self.ask_about(token, worker) for worker in self.wire.workers]
        assert all(answer == answers[0] for answer in answers), f"G-10: {answers}"
        assert answers[0] == {"active": False} or answers[0]["active"] is True
        return bool(answers[0]["active"])

    def is_somewhere_active(self, token: str) -> bool:
        """For what every process hears of within a second (IN-09)."""
        return any(self.ask_about(token, worker)["active"] for worker in self.wire.workers)

    def ask_about(self, token: str, worker: int) -> dict[str, Any]:
        once = OneWorker(self, worker)
        answer: dict[str, Any] = FhirServer(once, self.rs.client_id, self.rs.secret).introspect(token)
        return answer

    # ---- the outcomes of security.md 2.0 ----

    def page(self, reply: Reply, status: int = 400) -> None:
        """PAGE: told to the person, sent nowhere; its code finds the entry on the trail."""
        assert (reply.status, reply.header("location"), reply.header("set-cookie")) == (status, None, None), reply
        assert reply.header("content-type") == "text/html; charset=utf-8"
        assert reply.header("cache-control") == "no-store"
        for shown in re.findall(r"<code>([0-9A-Z]{8})</code>", reply.text):
            assert self.events_of(shown) == ["authorize.refused"]

    def redirected(self, reply: Reply, error: str, app: SmartApp | None = None, state: str | None = "") -> None:
        """REDIR(error): exactly error, its description, state and iss; ``state=None`` if none was sent."""
        used = app or self.pub
        assert reply.status in {302, 303}, reply
        assert reply.location.startswith(used.redirect_uri), reply
        sent = reply.location_parameters
        description, error_uri = sent.pop("error_description"), sent.pop("error_uri")
        wanted = used.state if state == "" else state
        assert sent == {"error": error, "iss": self.issuer} | ({} if wanted is None else {"state": wanted})
        assert DESCRIPTION.fullmatch(description)
        code = SUPPORT_CODE.search(description.rpartition("(support code ")[2])
        assert code is not None
        assert self.events_of(code[0]) in (["authorize.refused"], ["consent.denied"])
        assert error_uri == f"{self.issuer}/support/{code[0]}"
        assert (reply.header("cache-control"), reply.header("referrer-policy")) == ("no-store", "no-referrer")

    def refused(self, reply: Reply, status: int, *errors: str) -> None:
        """J(status, error): JSON that no cache keeps, one of these errors, and nothing else in it."""
        assert (reply.status, reply.header("cache-control")) == (status, "no-store"), reply
        body = reply.json()
        assert body.keys() <= {"error", "error_description", "error_uri"}, reply
        assert body["error"] in errors, reply

    def inactive(self, reply: Reply) -> None:
        assert (reply.status, reply.json()) == (200, {"active": False}), reply

    def events_of(self, support_code: str) -> list[str]:
        with self.services.db.read() as session:
            return list(session.scalars(select(AuditEventRow.event).where(AuditEventRow.support_code == support_code)))

    def begin_anew(self) -> None:
        """Other workers, as after a deployment, and a short-lived store in which there is nothing."""
        before = self.wire.workers
        for pid in before:
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: self.has_other_workers(before), "new workers", 60)
        self.store.empty()
        now = children(self.process.pid)
        self.wire.begin_with(now)
        self.strange_wire.begin_with(now)
        wait_until(lambda: self.wire.send("GET", "/readyz", [("Host", "x")], b"").status == 200, "the server", 30)
        self.alice = self.browser()

    def has_other_workers(self, before: list[int]) -> bool:
        now = children(self.process.pid)
        return len(now) == len(before) and not set(now) & set(before)

    # ---- before and after a case ----

    def begin(self) -> None:
        self.cases += 1
        self.address = f"10.{self.cases >> 8}.{self.cases & 255}.7"
        self.log_read = self.log.stat().st_size
        self.store.forget_tries()

    def end(self) -> None:
        """G-6, SSRF, G-12."""
        self.check_log()
        assert self.canary.heard == []
        self.still_works()

    def check_log(self) -> None:
        with self.log.open() as opened:
            opened.seek(self.log_read)
            new = opened.read()
        assert CANARY not in new, "G-6: something personal or secret is in the log"
        told = {word.strip(".") for word in WORD.findall(new)} & self.secrets
        assert not told, f"G-6: in the log: {told}"
        lines = [json.loads(line) for line in new.splitlines()]
        assert [line for line in lines if line["level"] in {"ERROR", "CRITICAL"} or "traceback" in line] == []

    def still_works(self) -> None:
        """G-12: a whole flow, with a refresh, after whatever was tried."""
        first = self.tokens_for_alice()
        assert first["patient"] == "A"
        again = self.pub.refresh(first["refresh_token"])
        assert again.status == 200, f"G-12: {again}"
        assert self.is_active(again.json()["access_token"]), "G-12"


def must_be_on_trail(asked: rules.Asked, reply: Reply) -> bool:
    """G-11: whoever is refused for who they are, and every refused request for a code or token."""
    path = asked.path.replace("/fhir-servers/main", "")
    if reply.header("x-request-id") is None:  # gunicorn could not read the message
        return False
    if not path.startswith(ON_THE_TRAIL) or reply.status in {404, 405, 413, 414, 429, 431}:
        return False
    return reply.status in {401, 403, 303} or path in {"/token", "/authorize"}


def secrets_in(asked: rules.Asked, reply: Reply) -> set[str]:
    """What went to and fro and must be in no log line, as words of the log's alphabet."""
    found = [value for name, value in asked.parameters if name in SECRET_NAMES]
    found += [value for name, value in parse_qsl(urlsplit(asked.target).query) if name in SECRET_NAMES]
    for name, value in asked.headers:
        if name.lower() == "cookie":
            found += [part.partition("=")[2] for part in value.split(";")]
        if name.lower() == "authorization":
            found.append(value.partition(" ")[2])
            with suppress(ValueError):
                found.append(b64decode(value.partition(" ")[2]).decode().partition(":")[2])
    found += [line.partition(";")[0].partition("=")[2] for line in reply.headers.get("set-cookie", ())]
    found += [value for name, value in rules.redirected_with(reply).items() if name in SECRET_NAMES]
    kind = reply.header("content-type") or ""
    if kind.endswith("json") and reply.body:
        body = json.loads(reply.body)
        found += [str(value) for name, value in body.items() if name in SECRET_NAMES] if isinstance(body, dict) else []
    elif kind.startswith("text/html"):
        found += [value for name, value in Forms(reply.text).fields if name in SECRET_NAMES]
    words = {word.strip(".") for value in found for word in WORD.findall(value)}
    return {word for word in words if not word.isalpha()}


@dataclass
class OneWorker:
    """The transport to one of the workers."""

    target: Target
    worker: int

    def __post_init__(self) -> None:
        self.issuer = self.target.issuer

    def send(self, method: str, url: str, headers: Sent = None, body: bytes = b"") -> Reply:
        return self.target.send(method, url, headers, body, self.worker)


@dataclass
class Watched:
    """A transport for many at once: the rules are held, but nobody can say whose rows the new ones are."""

    target: Target

    def __post_init__(self) -> None:
        self.issuer = self.target.issuer
        self.http = OverHttp(self.issuer)

    def send(self, method: str, url: str, headers: Sent = None, body: bytes = b"") -> Reply:
        asked = self.target.asked(method, url, headers, body)
        reply = self.http.send(method, url, dict(asked.headers), body)
        with self.target.app.app_context():
            self.target.watch(asked, reply)
        return reply


@dataclass
class Stranger:
    """Somebody who is no trusted proxy, whatever the headers say."""

    target: Target

    def __post_init__(self) -> None:
        self.issuer = self.target.issuer

    def send(self, method: str, url: str, headers: Sent = None, body: bytes = b"") -> Reply:
        asked = self.target.asked(method, url, headers, body)
        reply = self.target.strange_wire.send(method, asked.target, asked.headers, body)
        self.target.watch(asked, reply)
        return reply
