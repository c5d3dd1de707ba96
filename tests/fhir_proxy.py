"""A FHIR server that knows nothing of SMART (PyPI sekmet-fhir) behind nginx, as ``deploy/nginx`` puts it there."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import urllib3

from tests.servers import free_port, wait_until

if TYPE_CHECKING:
    import socketserver
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy" / "nginx"
SEKMET = ROOT / ".venv" / "fhir-server" / "bin" / "sekmet"
START_SECONDS = 60.0
HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"})


@contextmanager
def sekmet(folder: Path, public_base: str) -> Iterator[int]:
    """The FHIR server on an empty database; gives its port. Its base path is ``/fhir``."""
    assert SEKMET.exists(), "make fhir-server installs the FHIR server of this test"
    port = free_port()
    config = folder / "sekmet.yaml"
    lines = [f"base_url: {public_base}", "host: 127.0.0.1", f"port: {port}", f"data_dir: {folder}"]
    config.write_text("\n".join([*lines, "log_inbound: false", "simulator:", "  enabled: false", ""]))
    command = [str(SEKMET), "serve", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "sekmet.log").open("wb") as log:
        environment = {**os.environ, "SEKMET_CONFIG": str(config)}
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            wait_until(lambda: answers(f"http://127.0.0.1:{port}/fhir/metadata"), "sekmet", START_SECONDS)
            yield port
        finally:
            process.terminate()
            process.wait(20)


def answers(url: str) -> bool:
    try:
        return urllib3.request("GET", url, retries=False, timeout=5).status == 200
    except urllib3.exceptions.HTTPError:
        return False


@dataclass
class Recorder:
    """Passes requests on to the FHIR server, byte for byte, and notes each: the log of what really came through."""

    fhir_port: int
    port: int = 0  # its own
    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[int]:
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                recorder.seen.append((self.command, self.path, headers, body))
                url = f"http://127.0.0.1:{recorder.fhir_port}{self.path}"
                sent = {name: value for name, value in headers.items() if name not in HOP_BY_HOP}
                answer = urllib3.request(self.command, url, headers=sent, body=body, retries=False, redirect=False)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    if name.lower() not in HOP_BY_HOP:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.data)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on  # noqa: N815  what the library calls

            def log_message(self, *_: object) -> None:
                """Nothing to the terminal."""

        with running(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as self.port:
            yield self.port

    def taken(self) -> list[tuple[str, str, dict[str, str], bytes]]:
        """What came through since the last call."""
        found, self.seen = self.seen, []
        return found


@contextmanager
def running(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        port: int = server.server_address[1]
        yield port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def fill_in(folder: Path, authz_port: int, fhir_port: int) -> None:
    values = {
        "AUTHZ_ADDRESS": f"127.0.0.1:{authz_port}",
        "AUTHZ_PATH": "",
        "FHIR_SERVER_NAME": "main",
        "FHIR_BASE_PATH": "/r4",
        "FHIR_ADDRESS": f"127.0.0.1:{fhir_port}",
        "FHIR_INTERNAL_PATH": "/fhir",
    }
    for template in ("enforcement-http.conf", "enforcement-server.conf"):
        text = (DEPLOY / f"{template}.template").read_text()
        for name, value in values.items():
            text = text.replace(f"${{{name}}}", value)
        assert "${" not in text
        (folder / template).write_text(text)


def command(folder: Path, config: Path) -> list[str]:
    program = shutil.which("nginx", path=f"/usr/sbin:{os.environ['PATH']}")
    assert program is not None
    return [program, "-p", str(folder), "-e", f"{folder}/start.log", "-c", str(config)]


@contextmanager
def enforcing_nginx(folder: Path, port: int, authz_port: int, fhir_port: int) -> Iterator[None]:
    """nginx with the templates of ``deploy/nginx``, filled in as envsubst does."""
    fill_in(folder, authz_port, fhir_port)
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1; events {{}}\n"
        f"http {{ access_log off; {temporary} include {folder}/enforcement-http.conf;\n"
        f"server {{ listen 127.0.0.1:{port}; large_client_header_buffers 4 8k;\n"
        f"include {folder}/enforcement-server.conf; location / {{ return 404; }} }} }}\n"
    )
    process = subprocess.Popen(command(folder, folder / "nginx.conf"))
    try:
        wait_until(lambda: process.poll() is None and answers_at_all(port), "nginx")
        yield
    finally:
        process.terminate()
        process.wait(20)


def answers_at_all(port: int) -> bool:
    try:
        urllib3.request("GET", f"http://127.0.0.1:{port}/", retries=False, timeout=2)
    except urllib3.exceptions.HTTPError:
        return False
    return True
