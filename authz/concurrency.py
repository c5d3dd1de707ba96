"""How much one server does at once, as the environment says: for gunicorn's configuration and for the doctor."""

from __future__ import annotations

import os

BACKGROUND_JOBS = 8  # of each worker (see background), with the export of the audit trail


def workers() -> int:
    return int(os.environ.get("WEB_CONCURRENCY") or os.cpu_count() or 1)


def threads() -> int:
    """Of each worker; passwords that are checked or wait for it take up six (RL-07)."""
    return int(os.environ.get("WEB_THREADS") or 8)


def most_connections() -> int:
    """To the database: a thread that serves has one, and for a moment a second; a job in the background has one."""
    return workers() * (2 * threads() + BACKGROUND_JOBS)
