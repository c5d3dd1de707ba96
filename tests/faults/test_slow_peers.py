"""Peers that say nothing, say half of it, or hang up, while apps go on (security.md R-22)."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.faults.campaign import Campaign
from tests.faults.site import site

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.site import Site
    from tests.servers import PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.fault, pytest.mark.campaign]

FORM = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\n"
HALF = b"POST /token HTTP/1.1\r\nHost: x\r\n" + FORM + b"g"
IDLE, SLOW, FLOOD = 500, 200, 1000
HELD_SECONDS = 4.0
RST = struct.pack("ii", 1, 0)


def crowd(running: Site, stack: ExitStack, number: int) -> list[socket.socket]:
    address = (urlsplit(running.issuer).hostname, urlsplit(running.issuer).port)
    return [stack.enter_context(socket.create_connection(address, timeout=5)) for _ in range(number)]


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
    peer.close()


def test_many_slow_peers_keep_nobody_waiting(tmp_path: Path, postgres: PostgresServer) -> None:
    """R-22: 500 that say nothing and 200 with half a body, then a thousand that hang up at once."""

    def besiege(running: Site) -> None:
        with ExitStack() as stack:
            crowd(running, stack, IDLE)
            for peer in crowd(running, stack, SLOW):
                with suppress(OSError):
                    peer.sendall(HALF)
            time.sleep(HELD_SECONDS)
        for _ in range(FLOOD // 50):
            with ExitStack() as stack:
                for peer in crowd(running, stack, 50):
                    reset(peer)
        time.sleep(1)

    with site(tmp_path, postgres) as running:
        history = Campaign("R-22 idle, slow and hanging up", 22).run(running, besiege)
    assert {each.outcome.value for each in history.ledger.operations} <= {"ok", "refused"}
