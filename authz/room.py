"""Room for connections: idle ones never keep others out (security.md HP-14, HP-19)."""

from __future__ import annotations

import errno
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

NO_FILE_LEFT = {errno.EMFILE, errno.ENFILE}


class RoomyWorker(ThreadWorker):
    """Where the place for connections ends, the one goes that has kept its own the longest and for nothing."""

    def accept(self, listener: Any) -> None:
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno not in NO_FILE_LEFT:
                raise
            self.worker_connections = max(1, self.nr_conns)  # more than that this process can't have
        if self.nr_conns >= self.worker_connections and not self.cfg.is_ssl:
            self.make_room()

    def make_room(self) -> None:
        """Hang up on the first that has sent nothing, or else on one whose last request was answered."""
        idle = next((conn for conn in self.pending_conns if not conn.incoming.data), None)
        if idle is not None:
            self.pending_conns.remove(idle)
        elif self.keepalived_conns:
            idle = self.keepalived_conns.popleft()
        else:
            return
        self.poller.unregister(idle.sock)
        self.hang_up(idle)

    def hang_up(self, conn: Any) -> None:
        self.nr_conns -= 1
        conn.close()
