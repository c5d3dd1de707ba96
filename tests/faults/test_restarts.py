"""The server is restarted, or replaced by a newer one, while apps go on (security.md R-19)."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from authz.audit.model import AuditExportRow
from tests.faults.campaign import Campaign
from tests.faults.site import site
from tests.servers import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.site import Site
    from tests.servers import PostgresServer

GRACEFUL_SECONDS = 35.0  # gunicorn's own are 30

pytestmark = [pytest.mark.postgres, pytest.mark.fault, pytest.mark.campaign]


def test_workers_are_replaced_without_a_failed_request(tmp_path: Path, postgres: PostgresServer) -> None:
    """R-19: SIGHUP again and again; nobody notices."""

    def reload(running: Site) -> None:
        before = set(running.workers)
        running.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not before & set(running.workers), "the old workers to go", GRACEFUL_SECONDS)

    with site(tmp_path, postgres) as running:
        history = Campaign("R-19 SIGHUP", 19).run(running, reload)
    assert {each.outcome.value for each in history.ledger.operations} <= {"ok", "refused"}


def test_a_worker_that_is_told_to_stop_finishes_what_it_began(tmp_path: Path, postgres: PostgresServer) -> None:
    """R-19: SIGTERM to one worker after the other."""

    def stop(running: Site) -> None:
        running.kill_worker(running.workers[0], signal.SIGTERM)
        time.sleep(2)

    with site(tmp_path, postgres) as running:
        history = Campaign("R-19 SIGTERM of a worker", 20).run(running, stop)
    assert {each.outcome.value for each in history.ledger.operations} <= {"ok", "refused"}


def test_a_stop_leaves_no_claim_on_the_export_of_the_audit_trail(tmp_path: Path) -> None:
    """R-19: SIGTERM while a batch is being sent; the next process need not wait until the lease is over."""
    place = tmp_path / "audit.jsonl"
    os.mkfifo(place)  # nobody reads it: whoever opens it to write waits

    def claims(running: Site) -> list[object]:
        with running.engine.connect() as rows:
            return [each for each in rows.scalars(select(AuditExportRow.claimed_until)) if each is not None]

    with site(tmp_path, AUTHZ_AUDIT_EXPORT=place) as running:
        wait_until(lambda: bool(claims(running)), "a batch to be claimed", GRACEFUL_SECONDS)
        running.process.terminate()
        running.process.wait(GRACEFUL_SECONDS)
        assert claims(running) == []
