"""Room for connections: those that come to nothing keep nobody out (security.md HP-14, HP-19)."""

from __future__ import annotations

import errno
import time
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

NO_FILE_LEFT = {errno.EMFILE, errno.ENFILE}
FEWER_SECONDS = 1.0  # so long this process takes no more connections than it had when there was no file left for one
PATIENT_SECONDS = 1.0  # a request that is honest is there within a few round trips


class RoomyWorker(ThreadWorker):
    """Where the place for connections ends, one goes that has kept its own for long and for nothing."""

    exchange_seconds: float
    fewer_until = 0.0

    def accept(self, listener: Any) -> None:
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno not in NO_FILE_LEFT:
                raise
            self.worker_connections = max(1, self.nr_conns)
            self.fewer_until = time.monotonic() + FEWER_SECONDS

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Make room when everybody of this round had their turn: nobody is hung up on who has just sent something."""
        super().wait_for_and_dispatch_events(timeout)
        if self.nr_conns >= self.worker_connections and not self.cfg.is_ssl:
            self.make_room()
        if self.fewer_until and time.monotonic() > self.fewer_until:
            self.fewer_until, self.worker_connections = 0.0, self.cfg.worker_connections

    def make_room(self) -> None:
        """Hang up on the first that has sent nothing, on one whose last request was answered, or on the slowest."""
        idle = next((conn for conn in self.pending_conns if not conn.incoming.data), None)
        if idle is None and self.keepalived_conns:
            idle = self.keepalived_conns.popleft()
        elif idle is None and self.pending_conns and self.has_waited(self.pending_conns[0]):
            idle = self.pending_conns.popleft()
        elif idle is not None:
            self.pending_conns.remove(idle)
        if idle is not None:
            self.poller.unregister(idle.sock)
            self.hang_up(idle)

    def has_waited(self, conn: Any) -> bool:
        left: float = conn.timeout - time.monotonic()
        return self.exchange_seconds - left > PATIENT_SECONDS

    def hang_up(self, conn: Any) -> None:
        self.nr_conns -= 1
        conn.close()
