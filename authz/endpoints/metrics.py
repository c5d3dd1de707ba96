"""``GET /metrics`` for Prometheus, at the root, for the addresses in ``metrics_networks``; a 404 for all others.

Counters and histograms are kept by each worker in a file of its own (see the gunicorn configuration), and whichever
worker is asked adds them up. No label has a value that an outsider chose, and none is a client, a person or a patient.
"""

from __future__ import annotations

import os
import time
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from sqlalchemy import event, func, select

from authz.audit.model import AuditEventRow, AuditSealRow
from authz.endpoints.current import services
from authz.endpoints.exchange import ENDPOINT, peer_of
from authz.errors import NotFound, Unavailable
from authz.keyring.model import SigningKeyRow
from authz.notices.courier import State
from authz.registration.model import RegistrationNoticeRow
from authz.support.explanations import REFUSALS
from authz.tokens.model import LogoutNoticeRow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from wsgiref.types import WSGIEnvironment

    from flask import Flask
    from sqlalchemy import Connection
    from sqlalchemy.engine.interfaces import DBAPICursor
    from sqlalchemy.orm import Session

    from authz.services import Services

bp = Blueprint("metrics", __name__)

IS_SHARED = "PROMETHEUS_MULTIPROC_DIR" in os.environ  # between workers; the library looks when it is imported, too
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})
REQUESTS = Histogram("authz_http_request_seconds", "How long requests took.", ("endpoint", "method"), buckets=BUCKETS)
ANSWERS = Counter("authz_http_requests", "Requests that were answered.", ("endpoint", "method", "status"))
EVENTS = Counter("authz_events", "Records of the audit trail.", ("event", "outcome", "reason"))
STORE_BUCKETS = (
    0.0001,
    0.00025,
    0.0005,
    *BUCKETS[:-3],
)  # a reply of Redis takes a fraction of a millisecond, at most 250
STORE = Histogram("authz_store_seconds", "How long the store took to answer.", ("verb",), buckets=STORE_BUCKETS)
STORE_FAILURES = Counter("authz_store_failures", "Calls of the store without an answer.", ("verb",))
STATEMENTS = Histogram("authz_database_seconds", "How long SQL statements took.", buckets=BUCKETS)
BEGUN = "authz_begun"
LATELY = timedelta(minutes=5)  # what was not sealed for so long, `authz doctor` tells of


@bp.get("/metrics")
def view() -> Response:
    """The text format of Prometheus."""
    settings = services().settings
    address = peer_of(request.environ, settings.trusted_proxies).address
    if address is None or not any(ip_address(address) in network for network in settings.metrics_networks):
        raise NotFound("there is nothing at this address")
    asked = CollectorRegistry()
    if IS_SHARED:
        MultiProcessCollector(asked)  # type: ignore[no-untyped-call]  # the library's
    else:
        asked.register(REGISTRY)
    asked.register(Now(services()))
    return Response(generate_latest(asked), content_type=CONTENT_TYPE_LATEST)


class Now:
    """What is looked up when somebody asks: what is there, the ages of keys, and what waits for something."""

    def __init__(self, own: Services) -> None:
        self.own = own

    def collect(self) -> Iterator[GaugeMetricFamily]:
        up = GaugeMetricFamily("authz_up", "Whether it answers.", labels=["what"])
        found: list[GaugeMetricFamily] = []
        try:
            with self.own.db.read() as session:
                found = [self.keys(session), self.waiting(session)]
        except Unavailable:
            up.add_metric(["database"], 0)
        else:
            up.add_metric(["database"], 1)
        try:
            found.append(self.memory())
        except Unavailable:
            up.add_metric(["store"], 0)
        else:
            up.add_metric(["store"], 1)
        yield from (up, *found)

    def memory(self) -> GaugeMetricFamily:
        """Of Redis alone; without ``most`` it has no limit. When both are the same, whatever is new is refused."""
        size = GaugeMetricFamily("authz_store_bytes", "How full the short-lived store is.", labels=["what"])
        self.own.backend.ping()
        facts = self.own.backend.facts()
        for what, fact in (("used", "used_memory"), ("most", "maxmemory")):
            if facts.get(fact, "0") != "0":
                size.add_metric([what], int(facts[fact]))
        return size

    def keys(self, session: Session) -> GaugeMetricFamily:
        ages = GaugeMetricFamily("authz_key_age_seconds", "Since the signing key was made.", labels=["state"])
        newest = select(SigningKeyRow.state, func.max(SigningKeyRow.created_at)).group_by(SigningKeyRow.state)
        for state, made_at in session.execute(newest):
            ages.add_metric([state], (self.own.now() - made_at).total_seconds())
        return ages

    def waiting(self, session: Session) -> GaugeMetricFamily:
        queues = GaugeMetricFamily("authz_waiting", "What was not sealed or sent yet.", labels=["what"])
        for what, table in (("logout_notices", LogoutNoticeRow), ("registration_notices", RegistrationNoticeRow)):
            number = select(func.count()).select_from(table).where(table.state == State.WAITING.value)
            queues.add_metric([what], session.scalar(number) or 0)
        sealed = select(AuditSealRow.seq).where(AuditSealRow.event_id == AuditEventRow.id).exists()
        lately = AuditEventRow.at > self.own.now() - LATELY
        unsealed = select(func.count()).select_from(AuditEventRow).where(lately, ~sealed)
        queues.add_metric(["audit_seals"], session.scalar(unsealed) or 0)
        if self.own.exporter is not None:
            queues.add_metric(["audit_export"], self.own.exporter.progress().waiting)
        return queues


def init_app(app: Flask, own: Services) -> None:
    """Count what the app's database, store and trail do from now on; requests are counted by ``count``."""
    app.register_blueprint(bp)
    own.trail.hearers.append(recorded)
    own.store_hearers.append(asked_of_store)
    engine = own.db.engine
    event.listen(engine, "before_cursor_execute", statement_begins)
    event.listen(engine, "after_cursor_execute", statement_ends)


def count(environ: WSGIEnvironment, status: int, seconds: float) -> None:
    """One request, answered with this status after so long."""
    endpoint = environ.get(ENDPOINT, "none")
    method = environ["REQUEST_METHOD"] if environ["REQUEST_METHOD"] in METHODS else "other"
    ANSWERS.labels(endpoint, method, str(status)).inc()
    REQUESTS.labels(endpoint, method).observe(seconds)


def recorded(row: AuditEventRow) -> None:
    reason = row.reason if row.outcome == "refused" and row.reason in REFUSALS else ""
    EVENTS.labels(row.event, row.outcome, reason).inc()


def asked_of_store(verb: str, seconds: float | None) -> None:
    if seconds is None:
        STORE_FAILURES.labels(verb).inc()
    else:
        STORE.labels(verb).observe(seconds)


def statement_begins(connection: Connection, *_: object) -> None:
    connection.info[BEGUN] = time.perf_counter()


def statement_ends(connection: Connection, _cursor: DBAPICursor, *_: object) -> None:
    STATEMENTS.observe(time.perf_counter() - connection.info[BEGUN])
