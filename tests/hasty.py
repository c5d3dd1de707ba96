"""A worker of less patience than the real one, for a test that waits until it is over."""

from __future__ import annotations

from authz.worker import DeadlineWorker


class HastyWorker(DeadlineWorker):
    exchange_seconds = 1.0
