"""A web server on loopback where the clients ``key`` and ``key2`` publish their keys; every visit is noted."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.attacks.live.jose import Keys

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "::1"  # the only address of this machine that the server may call


@dataclass
class Publisher:
    port: int
    keys: dict[str, Keys] = field(default_factory=lambda: {"key": Keys(), "key2": Keys()})
    visits: list[str] = field(default_factory=list)
    posted: list[tuple[str, bytes]] = field(default_factory=list)  # logout tokens
    answers: dict[str, bytes] = field(default_factory=dict)  # instead of the keys, by path

    @property
    def url(self) -> str:
        return f"http://[{HOST}]:{self.port}"

    def document(self, path: str) -> bytes:
        self.visits.append(path)
        if path in self.answers:
            return self.answers[path]
        name = path.strip("/")
        return json.dumps({"keys": self.keys[name].public() if name in self.keys else []}).encode()


@contextmanager
def publisher() -> Iterator[Publisher]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = made.document(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "max-age=600")
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            made.posted.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6

    server = Server((HOST, 0), Handler)
    made = Publisher(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
