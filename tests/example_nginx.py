"""``deploy/nginx/example.conf`` as it is, but for its port and its folders, before servers that answer everything."""

from __future__ import annotations

import os
import ssl
import subprocess
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from tests.certificates import kept, signed, written
from tests.fhir_proxy import DEPLOY, answers_at_all, command, fill_in, running
from tests.servers import free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGE = 8 * 1024 * 1024
AUTH, FHIR = "auth.hospital.example", "fhir.hospital.example"
ANYBODY = ssl._create_unverified_context()  # noqa: S323  whose certificate it is is not what is asked here


def configuration(folder: Path, port: int, authz_port: int, fhir_port: int) -> Path:
    """The example with its files in ``folder``, listening on loopback."""
    fill_in(folder, authz_port, fhir_port)
    (folder / "tls").mkdir()
    for host in (FHIR, AUTH):
        certificate, key = signed(host, None)
        written(folder / "tls" / f"{host}.pem", certificate)
        kept(folder / "tls" / f"{host}.key", key)
    example = (DEPLOY / "example.conf").read_text().replace("listen 443 ", f"listen 127.0.0.1:{port} ")
    for theirs in ("/etc/nginx/", "/var/log/nginx/"):
        example = example.replace(theirs, f"{folder}/")
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    example = example.replace("http {", f"http {{ {temporary}", 1)
    user = "user root;" if os.geteuid() == 0 else ""  # nobody else may enter pytest's folders
    head = f"{user} pid {folder}/nginx.pid; error_log {folder}/error.log;"
    (folder / "nginx.conf").write_text(f"{head}\n{example}")
    return folder / "nginx.conf"


class Answerer(BaseHTTPRequestHandler):
    """Takes any request whole; 200, and a large answer at ``/large``."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        body = b"a" * (LARGE if self.path == "/large" else 2)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer  # noqa: N815  what the library calls

    def log_message(self, *_: object) -> None:
        """Nothing to the terminal."""


@dataclass
class Example:
    """The running nginx, and what holds connections to it until the end."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes]
    held: ExitStack = field(default_factory=ExitStack)

    def hold(self, host: str, begun: bytes, source: str = "127.0.0.1") -> ssl.SSLSocket:
        """A connection that sends this and then nothing."""
        connection = HTTPSConnection("127.0.0.1", self.port, timeout=20, context=ANYBODY, source_address=(source, 0))
        connection.connect()
        self.held.callback(connection.close)
        assert isinstance(connection.sock, ssl.SSLSocket)
        connection.sock.sendall(begun.replace(b"HOST", host.encode()))
        return connection.sock

    def ask(self, host: str, path: str, source: str = "127.0.0.1") -> int:
        """The status of an honest request."""
        connection = HTTPSConnection("127.0.0.1", self.port, timeout=10, context=ANYBODY, source_address=(source, 0))
        connection.request("GET", path, headers={"Host": host})
        status = connection.getresponse().status
        connection.close()
        return status

    def on_disk(self, kind: str) -> int:
        """Bytes of temporary files (their names are gone as soon as they are open)."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        folder, found = f"{self.folder}/{kind}/", 0
        for link in [link for child in children for link in Path(f"/proc/{child}/fd").iterdir()]:
            with suppress(FileNotFoundError):  # closed meanwhile
                found += link.stat().st_size if str(link.readlink()).startswith(folder) else 0
        return found


@contextmanager
def example_nginx(folder: Path) -> Iterator[Example]:
    port = free_port()
    with running(ThreadingHTTPServer(("127.0.0.1", 0), Answerer)) as behind:
        words = [*command(folder, configuration(folder, port, behind, behind)), "-g", "daemon off;"]
        process = subprocess.Popen(words)
        try:
            wait_until(lambda: process.poll() is None and answers_at_all(port), "nginx")
            made = Example(port, folder, process)
            with made.held:
                yield made
        finally:
            process.terminate()
            process.wait(20)
