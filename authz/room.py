"""Room for connections: those that come to nothing keep nobody out (security.md HP-14, HP-19)."""

from __future__ import annotations

import errno
import time
from itertools import chain
from typing import TYPE_CHECKING, Any

from gunicorn.workers.gthread import ThreadWorker

if TYPE_CHECKING:
    from authz.patience import Patience

NO_FILE_LEFT = {errno.EMFILE, errno.ENFILE}
FEWER_SECONDS = 1.0  # so long this process takes no more connections than it had when there was no file left for one
NEW_SECONDS = 0.1  # for the first byte of a request to come after its connection
PATIENT_SECONDS = 1.0  # a request that is honest is there within a few round trips, and some of an answer taken


class RoomyWorker(ThreadWorker):
    """Where the place for connections ends, one goes that has kept its own for long and for nothing."""

    sending: Patience
    parting: Patience
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
        super().wait_for_and_dispatch_events(min(timeout, NEW_SECONDS) if self.is_crowded() else timeout)
        if self.is_crowded():
            self.make_room()
        if self.fewer_until and time.monotonic() > self.fewer_until:
            self.fewer_until, self.worker_connections = 0.0, self.cfg.worker_connections

    def is_crowded(self) -> bool:
        """Whether somebody may wait for a place; at a worker that stops nobody does."""
        return self.alive and self.nr_conns >= self.worker_connections and not self.cfg.is_ssl

    def make_room(self) -> None:
        """Hang up on one that loses nothing by it, or else on the slowest; not on who has only just come."""
        conn = self.idle() or self.slowest()
        if conn is None:
            return
        queues = (self.pending_conns, self.keepalived_conns, self.sending.waiting, self.parting.waiting)
        next(queue for queue in queues if conn in queue).remove(conn)
        self.poller.unregister(conn.sock)
        self.hang_up(conn)

    def idle(self) -> Any:
        """The first that has sent nothing, or one whose last request was answered."""
        silent = (conn for conn in self.pending_conns if not conn.incoming.data)
        firsts = (next(iter(queue), None) for queue in (silent, self.keepalived_conns))
        return next((conn for conn in firsts if conn is not None and has_waited(conn, NEW_SECONDS)), None)

    def slowest(self) -> Any:
        """Who began a request, last took some of an answer, or was to hang up, before all others, and a second ago."""
        slow = chain(self.pending_conns, self.sending.waiting, self.parting.waiting)
        conn = min(slow, key=lambda conn: conn.since, default=None)
        return conn if conn is not None and has_waited(conn, PATIENT_SECONDS) else None

    def murder_pending(self) -> None:
        super().murder_pending()
        for patience in (self.sending, self.parting):
            for conn in patience.overdue():
                patience.end(conn, self.poller)
                self.hang_up(conn)

    def hang_up(self, conn: Any) -> None:
        self.nr_conns -= 1
        conn.close()


def has_waited(conn: Any, seconds: float) -> bool:
    since: float = conn.since
    return time.monotonic() - since >= seconds
