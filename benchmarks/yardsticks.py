"""What this machine does in a microsecond: pure computing, and the way through the kernel that every request takes."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

if TYPE_CHECKING:
    from collections.abc import Callable


def per_call(what: Callable[[], object], times: int) -> float:
    """Microseconds of CPU."""
    begun = time.process_time()
    for _ in range(times):
        what()
    return (time.process_time() - begun) / times * 1_000_000


def signature() -> float:
    key = rsa.generate_private_key(65537, 2048)
    return per_call(lambda: key.sign(b"", padding.PKCS1v15(), SHA256()), 300)


def exchange() -> float:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
        listener.accept()[0] as server,
    ):

        def once() -> None:
            client.sendall(bytes(300))
            server.recv(1000)

        return per_call(once, 5_000)
