"""Strangers who take up every place of the server, and what it is to others (security.md HP-14)."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from tests.servers import wait_until
from tests.test_server import HOST, ROOT, serving, statuses
from tests.world import build, settings_in

if TYPE_CHECKING:
    from pathlib import Path

PLACES = 6  # of each of the two workers
ASKED = b"GET /static/authz.css HTTP/1.1\r\n" + HOST
LAST = b"Connection: close\r\n\r\n"
FIRST_LINE = (ROOT / "authz" / "static" / "authz.css").read_bytes().partition(b"\n")[0]
QUICK_SECONDS = 4.0  # each of those who take nothing may have ten
FEW_PLACES = f"--worker-connections {PLACES} --worker-class tests.hasty.NarrowWorker"


def narrow(port: int, stack: ExitStack, size: int = 2048) -> socket.socket:
    """A connection that holds little of what nobody reads."""
    made = stack.enter_context(socket.socket())
    made.settimeout(10)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    made.connect(("127.0.0.1", port))
    return made


def test_connections_that_take_no_answers_keep_nobody_out(tmp_path: Path) -> None:
    """HP-14: more of them than there are places, each with many requests; they are replaced as they are hung up on."""
    made = build(settings_in(tmp_path))
    made.services.backend.close()
    over = threading.Event()
    with serving(tmp_path, WEB_THREADS="2", GUNICORN_CMD_ARGS=FEW_PLACES) as server, ExitStack() as stack:

        def besiege() -> None:
            while not over.is_set():
                with ExitStack() as held, suppress(OSError):
                    peer = narrow(server.port, held)
                    peer.sendall((ASKED + b"\r\n") * 20)
                    while not over.wait(0.05):
                        peer.sendall(b"\r\n")

        crowd = [threading.Thread(target=besiege) for _ in range(4 * PLACES)]
        for thread in crowd:
            stack.callback(thread.join)
            thread.start()
        stack.callback(over.set)
        time.sleep(2)
        for _ in range(5):
            begun = time.monotonic()
            assert statuses(server.send(b"GET /healthz HTTP/1.1\r\n" + HOST + LAST)) == [b"200"]
            assert time.monotonic() - begun < QUICK_SECONDS


def test_an_honest_slow_reader_has_all_of_its_answer(tmp_path: Path) -> None:
    """HP-14: while more connections than there are places take nothing, and others come and go."""
    made = build(settings_in(tmp_path))
    made.services.backend.close()
    with serving(tmp_path, WEB_THREADS="2", GUNICORN_CMD_ARGS=FEW_PLACES) as server, ExitStack() as stack:
        asked = (ASKED + b"\r\n") * 7 + ASKED + LAST
        whole = server.send(asked)
        phone = narrow(server.port, stack, 8192)
        phone.sendall(asked)
        taken = bytearray()

        def take() -> None:
            while part := phone.recv(len(whole) // 30):
                taken.extend(part)
                time.sleep(0.1)

        reader = threading.Thread(target=take)
        reader.start()
        for _ in range(3 * PLACES):
            narrow(server.port, stack).sendall((ASKED + b"\r\n") * 20)
        for _ in range(3):
            assert statuses(server.send(b"GET /healthz HTTP/1.1\r\n" + HOST + LAST)) == [b"200"]
        wait_until(lambda: not reader.is_alive(), "the slow reader", 20)
        assert statuses(bytes(taken)) == [b"200"] * 8
        assert taken.count(FIRST_LINE) == whole.count(FIRST_LINE) == 8
        assert len(taken) == len(whole)
