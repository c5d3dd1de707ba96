"""A mixed load, seeded: apps are launched, get tokens, refresh, revoke; services prove themselves by key; all is asked
about. Whatever is done goes to the ledger.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import urllib3
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from authz.clients.assertion import ASSERTION_TYPE
from tests.actors import Ehr, FhirServer, SmartApp, new_verifier
from tests.attacks.live.jose import Keys, claims, compact
from tests.faults.ledger import CUT, Ledger, Operation, Outcome
from tests.transport import OverHttp, Reply
from tests.world import FHIR, actors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SCOPE = "launch openid fhirUser patient/*.rs offline_access"
SERVICE_SCOPE = "system/Patient.rs"
PATIENTS = ("A", "B", "C")
PEOPLE = ("Practitioner/dr", "Practitioner/nurse")
TRY_AGAIN_SECONDS, PAUSE_SECONDS = 7.0, 0.3  # well within the grace for a lost answer


class OneByOne(OverHttp):
    """A new connection for each request, so that each worker gets its share."""

    def send(self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Reply:
        return super().send(method, url, {**(headers or {}), "Connection": "close"}, body)


def outcome(reply: Reply, answer: dict[str, Any]) -> Outcome:
    if reply.status >= 500 or answer.get("error") in {"temporarily_unavailable", "server_error"}:
        return Outcome.UNKNOWN
    return Outcome.REFUSED if reply.status >= 400 or "error" in answer else Outcome.OK


def content(reply: Reply) -> dict[str, Any]:
    """JSON, or what a redirect to the app says; nothing for a page."""
    if reply.status in {302, 303}:
        return dict(reply.location_parameters)
    if "json" in (reply.header("content-type") or ""):
        found: dict[str, Any] = reply.json()
        return found
    return {}


def service_form(issuer: str, keys: Keys, jti: str | None = None, client_id: str = "bulk") -> dict[str, str]:
    """A backend service's token request, with its proof."""
    content = claims(client_id, int(time.time()), aud=f"{issuer}/token", **({"jti": jti} if jti else {}))
    assertion = compact({"alg": "ES384", "kid": "ES384", "typ": "JWT"}, content, keys.sign("ES384"))
    return {
        "grant_type": "client_credentials",
        "scope": SERVICE_SCOPE,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
    }


@dataclass(frozen=True)
class Recorder:
    ledger: Ledger

    def do(self, op: str, subject: str, family: str, send: Callable[[], Reply], **arguments: str) -> Operation:
        """Run one request and write down what came of it."""
        invoked = time.time()
        try:
            reply = send()
        except (urllib3.exceptions.HTTPError, OSError):
            now, number = time.time(), self.ledger.next_id()
            return self.ledger.add(Operation(number, op, subject, family, invoked, now, Outcome.UNKNOWN, CUT))
        answer = content(reply)
        return self.ledger.add(
            Operation(
                self.ledger.next_id(),
                op,
                subject,
                family,
                invoked,
                time.time(),
                outcome(reply, answer),
                reply.status,
                answer,
                arguments,
                reply.header("retry-after"),
            )
        )


@dataclass(frozen=True)
class Hospital:
    """An EHR and the FHIR server that its launches are for."""

    ehr: Ehr
    fhir_server: FhirServer


def hospitals(transport: OneByOne) -> dict[str, Hospital]:
    """By the address of the FHIR server, which is the ``aud``."""
    cast, found = actors(transport), {}
    for prefix in ("", "other_"):
        ehr, fhir_server = cast[f"{prefix}ehr"], cast[f"{prefix}fhir_server"]
        assert isinstance(ehr, Ehr)
        assert isinstance(fhir_server, FhirServer)
        found[ehr.fhir_server] = Hospital(ehr, fhir_server)
    return found


@dataclass
class Walker:
    """One client after the other, at most ``rate`` operations a second."""

    issuer: str
    recorder: Recorder
    service_keys: Keys
    dice: random.Random
    rate: float
    stop: threading.Event

    def __post_init__(self) -> None:
        self.transport = OneByOne(self.issuer)
        cast = actors(self.transport)
        app = cast["public"]
        assert isinstance(app, SmartApp)
        self.app, self.hospitals = app, hospitals(self.transport)
        self.next_at = time.monotonic()

    def walk(self) -> None:
        while not self.stop.is_set():
            if self.dice.random() < 0.2:
                self.serve()
            else:
                self.visit()

    def do(self, op: str, subject: str, family: str, send: Callable[[], Reply], **arguments: str) -> Operation:
        self.next_at = max(self.next_at + self.dice.uniform(0.5, 1.5) / self.rate, time.monotonic() - 1)
        self.stop.wait(max(0.0, self.next_at - time.monotonic()))
        return self.recorder.do(op, subject, family, send, **arguments)

    def visit(self) -> None:
        """From the launch to the end of what came of it; a step that did not succeed ends the visit."""
        family, hospital = secrets.token_hex(4), self.dice.choice(list(self.hospitals.values()))
        patient, user, aud = self.dice.choice(PATIENTS), self.dice.choice(PEOPLE), hospital.ehr.fhir_server
        app = replace(self.app, aud=aud, verifier=new_verifier(), state=new_verifier())
        told = {"patient": patient, "client_id": app.client_id, "aud": aud, "fhirUser": f"{aud}/{user}"}
        record = {
            "client_id": app.client_id,
            "fhir_server": aud,
            "user": user,
            "patient": patient,
            "launch_url": "https://app.example/launch",
        }
        launched = self.do("launch", family, family, lambda: hospital.ehr.post("/launch", record))
        if launched.outcome is not Outcome.OK:
            return
        launch = launched.answer["launch"]
        allowed = self.do("authorize", launch, family, lambda: app.launched(launch, SCOPE))
        if allowed.outcome is not Outcome.OK or "code" not in allowed.answer:
            return
        code = allowed.answer["code"]
        paid = self.do("redeem", code, family, lambda: app.redeem(code), **told)
        if paid.outcome is Outcome.UNKNOWN:  # a client tries once more
            paid = self.do("redeem", code, family, lambda: app.redeem(code), **told)
        if paid.outcome is Outcome.OK:
            self.live(app, family, paid.answer, told)
            if self.dice.random() < 0.05:
                self.do("redeem", code, family, lambda: app.redeem(code), **told)

    def live(self, app: SmartApp, family: str, tokens: dict[str, Any], told: dict[str, str]) -> None:
        self.verify(family, tokens["id_token"], told)
        self.look(family, tokens["access_token"], told["aud"])
        if self.dice.random() < 0.1:
            self.peek(family, tokens["access_token"], told["aud"])
        for _ in range(self.dice.randrange(3)):
            refreshed = self.refresh(app, family, tokens["refresh_token"], told)
            if refreshed is None:
                return
            tokens = refreshed.answer
            self.look(family, tokens["access_token"], told["aud"])
        if self.dice.random() < 0.4:
            token = tokens["refresh_token"]
            self.do("revoke", token, family, lambda: app.revoke(token))
            self.look(family, tokens["access_token"], told["aud"])

    def refresh(self, app: SmartApp, family: str, token: str, told: dict[str, str]) -> Operation | None:
        """Until something is heard, or a repeated token would no longer count as a lost answer."""
        give_up_at = time.monotonic() + TRY_AGAIN_SECONDS
        while time.monotonic() < give_up_at:
            tried = self.do("refresh", token, family, lambda: app.refresh(token), **told)
            if tried.outcome is not Outcome.UNKNOWN:
                return tried if tried.outcome is Outcome.OK else None
            time.sleep(PAUSE_SECONDS)
        return None

    def look(self, family: str, token: str, aud: str) -> None:
        self.do("introspect", token, family, lambda: self.hospitals[aud].fhir_server.ask(token))

    def peek(self, family: str, token: str, aud: str) -> None:
        """The FHIR server of another hospital is shown the token."""
        other = next(each for name, each in self.hospitals.items() if name != aud)
        self.do("peek", token, family, lambda: other.fhir_server.ask(token))

    def serve(self) -> None:
        """A backend service; now and then it sends its proof twice."""
        family, jti = secrets.token_hex(4), secrets.token_hex(16)
        form = service_form(self.issuer, self.service_keys, jti)
        service = SmartApp(self.transport, "bulk", "", "")
        for _ in range(2 if self.dice.random() < 0.3 else 1):
            answered = self.do(
                "client_credentials", jti, family, lambda: service.post("/token", form), client_id="bulk"
            )
            if answered.outcome is Outcome.OK:
                self.look(family, answered.answer["access_token"], FHIR)

    def verify(self, family: str, id_token: str, told: dict[str, str]) -> None:
        """Against the keys as they are published right now."""
        keys = self.do("jwks", family, family, lambda: self.transport.send("GET", f"{self.issuer}/jwks"))
        if keys.outcome is not Outcome.OK:
            return
        try:
            published = KeySet.import_key_set({"keys": keys.answer["keys"]})
            read = jwt.decode(id_token, published, algorithms=["RS256", "ES384"]).claims
            proved, says = Outcome.OK, {"client_id": read["aud"], "fhirUser": read["fhirUser"], "sub": read["sub"]}
        except (JoseError, ValueError):
            proved, says = Outcome.REFUSED, {}
        number = self.recorder.ledger.next_id()
        self.recorder.ledger.add(
            Operation(number, "verify", family, family, keys.invoked, keys.returned, proved, 200, says, told)
        )


@contextmanager
def load(
    issuer: str, ledger: Ledger, service_keys: Keys, seed: int, rate: float = 25.0, walkers: int = 8
) -> Iterator[None]:
    """Keep ``walkers`` clients busy, ``rate`` operations a second between them, until the block ends."""
    stop = threading.Event()
    crowd = [
        Walker(issuer, Recorder(ledger), service_keys, random.Random(seed + number), rate / walkers, stop)  # noqa: S311  the same at each run
        for number in range(walkers)
    ]
    threads = [threading.Thread(target=walker.walk, name=f"walker {n}") for n, walker in enumerate(crowd)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
