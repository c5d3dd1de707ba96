"""gunicorn's threaded worker, with an end to its patience (security.md HP-14)."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.glogging import Logger
from gunicorn.http import get_parser

from authz.deadlines import EXCHANGE_SECONDS, LOOK_SECONDS, Deadlines
from authz.header_names import without_underscores
from authz.incoming import MOST, Arrived, Come, Incoming
from authz.outgoing import FULL, Outgoing, after_sending
from authz.patience import Patience
from authz.room import RoomyWorker

SMALL = 64 * 1024  # bytes of a request that there is always room for
PART_SECONDS = 2.0  # for the peer to take the end of an answer and to hang up
MOST_DRAINED = 64 * 1024  # bytes of what it still sends meanwhile
MOST_HELD = 64 * 1024 * 1024  # bytes of requests that are larger and not all there, of one worker


class Log(Logger):
    """gunicorn's own, which would put an access log together for nobody, because other logs are configured."""

    access_log_enabled = False


class DeadlineWorker(RoomyWorker):
    """A request takes up a thread when all of it is there; what is slow to come waits beside them, and not for long.

    From its first byte a request has ``exchange_seconds`` to come in, and then as long to be answered and the answer
    to be taken. What is too large to wait for may take up half of the threads.
    """

    exchange_seconds = EXCHANGE_SECONDS
    told_at = 0.0

    def init_process(self) -> None:
        self.cfg.set("header_map", "dangerous")  # for handle_request to judge
        self.deadlines = Deadlines(self.exchange_seconds)
        self.unfinished: set[Any] = set()
        self.sending, self.parting = Patience(self.exchange_seconds), Patience(PART_SECONDS)
        self.most_unfinished = max(1, self.cfg.threads // 2)
        threading.Thread(target=self.deadlines.run, name="deadlines", daemon=True).start()
        super().init_process()

    def notify(self) -> None:
        """Tell the parent that this process is alive, once a second and not at each request; it waits for thirty."""
        if time.monotonic() - self.told_at >= LOOK_SECONDS:
            self.told_at = time.monotonic()
            super().notify()

    def enqueue_req(self, conn: Any) -> None:
        """Read what is there without waiting; a thread's turn comes when it is all.

        Where gunicorn itself speaks TLS a thread does that, and the reading.
        """
        conn.rest = ()
        if self.cfg.is_ssl:
            super().enqueue_req(conn)
            return
        conn.incoming = Incoming(conn.parser.unreader.take_buffered() if conn.parser else b"")
        conn.sock.setblocking(False)
        come = self.come(conn)
        if come is not Come.PART:
            self.go_on(conn, come)
            return
        conn.since = time.monotonic()
        conn.timeout = conn.since + self.exchange_seconds
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def on_pending_socket_readable(self, conn: Any, client: Any) -> None:
        if self.cfg.is_ssl:
            super().on_pending_socket_readable(conn, client)
            return
        come = self.come(conn)
        if come is not Come.PART:
            self.poller.unregister(client)
            self.pending_conns.remove(conn)
            self.go_on(conn, come)

    def come(self, conn: Any) -> Come:
        come = conn.incoming.take(conn.sock)
        return Come.TOO_MUCH if come is Come.PART and len(conn.incoming.data) > SMALL and self.is_full() else come

    def is_full(self) -> bool:
        return sum(len(conn.incoming.data) for conn in self.pending_conns) > MOST_HELD

    def go_on(self, conn: Any, come: Come) -> None:
        if come is Come.NOTHING:
            self.hang_up(conn)
            return
        if come is Come.TOO_MUCH and len(self.unfinished) >= self.most_unfinished:
            self.turn_away(conn)
            return
        if come is Come.TOO_MUCH:
            self.unfinished.add(conn)
        if conn.parser is None:
            conn.parser = get_parser(conn.cfg, conn.sock, conn.client)
            conn.parser.unreader = Arrived(conn.sock)
        conn.parser.unreader.is_all = come is Come.ALL
        conn.parser.unreader.unread(bytes(conn.incoming.data))
        conn.data_ready = True
        super().enqueue_req(conn)

    def turn_away(self, conn: Any) -> None:
        with suppress(OSError):  # the peer has gone, or takes no answers
            conn.sock.send(FULL)
        self.part_from(conn)

    def finish_request(self, conn: Any, fs: Any) -> None:
        """When a thread is done with a request; no more of its connection is read before the answer has been taken."""
        self.unfinished.discard(conn)
        conn.since = time.monotonic()
        if fs.cancelled() or fs.exception():
            super().finish_request(conn, fs)
        elif conn.rest:
            self.sending.wait(conn, self.poller, selectors.EVENT_WRITE, partial(self.on_room, conn, fs))
        elif fs.result():
            super().finish_request(conn, fs)
        else:
            self.part_from(conn)

    def on_room(self, conn: Any, fs: Any, client: Any) -> None:
        try:
            conn.rest = after_sending(client, conn.rest)
        except OSError:
            self.sending.end(conn, self.poller)
            self.hang_up(conn)
            return
        conn.since = time.monotonic()
        if not conn.rest:
            self.sending.end(conn, self.poller)
            self.finish_request(conn, fs)

    def part_from(self, conn: Any) -> None:
        """Say that no more comes, and close when the peer has hung up (RFC 9112 §9.6).

        gunicorn itself would wait for that here, where all other connections wait for it.
        """
        conn.drained = 0
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
        except OSError:  # the peer has gone
            self.hang_up(conn)
            return
        self.parting.wait(conn, self.poller, selectors.EVENT_READ, partial(self.on_parting_socket_readable, conn))

    def on_parting_socket_readable(self, conn: Any, client: Any) -> None:
        read = 0
        with suppress(OSError):
            read = len(client.recv(MOST_DRAINED))
        conn.drained += read
        if not read or conn.drained > MOST_DRAINED:
            self.parting.end(conn, self.poller)
            self.hang_up(conn)

    def _cap_keepalive(self, deadline: float) -> None:
        """A worker that stops does not wait longer for half a request than for a whole one."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)

    def handle(self, conn: Any) -> Any:
        with self.deadlines.watch(conn.sock):
            return super().handle(conn)

    def _keepalive_after(self, conn: Any, keepalive: Any) -> Any:
        """Where gunicorn would close, unsaid, over a body that nobody read: here all of it has come."""
        if self.cfg.is_ssl or not keepalive:
            return super()._keepalive_after(conn, keepalive)
        return bool(conn.parser.finish_body(max_bytes=MOST)) and not conn.parser.unreader.ran_dry

    def handle_request(self, req: Any, conn: Any) -> Any:
        """What follows a message whose end two servers see in different places is not read (RFC 9112 §6.1, HP-03)."""
        if any(name == "TRANSFER-ENCODING" and value.strip().lower() != "chunked" for name, value in req.headers):
            req.force_close()
        req.headers = without_underscores(req.headers)
        if self.cfg.is_ssl:
            return super().handle_request(req, conn)
        if not conn.parser.unreader.is_all:
            req.force_close()
        if conn.incoming.was_asked:
            req._expected_100_continue = False  # noqa: SLF001  gunicorn would ask again
        connection, conn.sock = conn.sock, Outgoing(conn.sock)
        try:
            is_kept = super().handle_request(req, conn)
            conn.rest = conn.sock.rest()
        finally:
            conn.sock = connection
        return is_kept
