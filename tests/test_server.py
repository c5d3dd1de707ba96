"""The program as it is served: gunicorn with our configuration (security.md 2.13 HP, 0.10; decision 29)."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from authz.audit.model import AuditEventRow
from authz.audit.order import ORDER
from tests.doctor.test_tls import certificate
from tests.servers import free_port, wait_until
from tests.world import build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
HOST = b"Host: authz.example\r\n"
POOL_SIZE = 5  # of SQLAlchemy, for each of the two workers
COMMAND = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.conf.py", "wsgi:app"]


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def send(self, message: bytes) -> bytes:
        """Send bytes on a new connection, and all that comes back until the server is done with it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            answer = b""
            with suppress(OSError):  # the server may have had enough before everything is sent
                connection.sendall(message)
                connection.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):  # what it said before is read
                while part := connection.recv(65536):
                    answer += part
        return answer

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AUTHZ_")}
    return {
        **kept,
        "AUTHZ_ISSUER": "http://127.0.0.1:9000",
        "AUTHZ_DATABASE_URL": f"sqlite:///{folder / 'authz.sqlite3'}",
        "AUTHZ_SHORT_LIVED_PATH": str(folder / "short-lived.sqlite3"),
        "AUTHZ_KEYS_DIR": str(folder / "keys"),
        "WEB_CONCURRENCY": "2",
        **more,
    }


@contextmanager
def serving(folder: Path, **more: str) -> Iterator[Server]:
    port, log = free_port(), folder / "log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            COMMAND, cwd=ROOT, env=environment(folder, BIND=f"127.0.0.1:{port}", **more), stdout=stderr, stderr=stderr
        )
    server = Server(process, port, log)
    try:
        wait_until(lambda: log.read_text().count("Booting worker") == 2, "gunicorn", 30)
        yield server
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    made = build(settings_in(folder))
    made.services.backend.close()
    with serving(folder) as running:
        yield running


def post(*headers: bytes, body: bytes = b"") -> bytes:
    return b"POST /token HTTP/1.1\r\n" + HOST + FORM + b"".join(header + b"\r\n" for header in headers) + b"\r\n" + body


def statuses(answer: bytes) -> list[bytes]:
    return re.findall(rb"HTTP/1\.[0-9] ([0-9]{3}) ", answer)


CHUNKED = b"Transfer-Encoding: chunked"


def test_a_chunked_body_is_read(server: Server) -> None:
    answer = server.send(post(CHUNKED, body=b"3\r\na=b\r\n0\r\n\r\n"))
    assert statuses(answer) == [b"400"]
    assert b'{"error":"invalid_request","error_description":"grant_type is missing",' in answer


@pytest.mark.parametrize(
    "message",
    [
        post(b"Content-Length: 3", CHUNKED, body=b"3\r\na=b\r\n0\r\n\r\n"),  # HP-01
        post(b"Transfer-Encoding: identity, chunked", body=b"3\r\na=b\r\n0\r\n\r\n"),  # HP-03
        post(CHUNKED, b"Transfer-Encoding: identity", body=b"3\r\na=b\r\n0\r\n\r\n"),  # HP-02
        post(CHUNKED, body=b"3\na=b\n0\n\n"),  # HP-05: bare LF
        post(CHUNKED, body=b"3;x\na=b\r\n0\r\n\r\n"),  # HP-05: bad extension
        post(CHUNKED, body=b"FFFFFFFFFFFFFFFF\r\na=b"),  # HP-05: a size beyond the message
        post(CHUNKED, body=b"zz\r\na=b\r\n0\r\n\r\n"),
        post(CHUNKED, body=b"3\r\na=b\r\n0\r\n" + b"X-T: 1\r\n" * 1_100),  # HP-05: huge trailers
        b"\r\n\r\nGET /jwks HTTP/1.1\r\n" + HOST + b"\r\n",
        post(b"Content-Length: 30", body=b"grant_type=x"),
        post(b"X-A : 1"),  # HP-06: space before the colon
        post(b"X-A: 1", b" folded"),  # HP-06: obs-fold
        b"get /jwks HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /jwks HTTP/1.1\r\nHost: a\0b\r\n\r\n",
    ],
)
def test_a_broken_message_is_a_bad_request_and_nothing_else(server: Server, message: bytes) -> None:
    """HP-01, HP-02, HP-03, HP-05, HP-06: 400 or 501, one answer, and no traceback in the log."""
    assert statuses(server.send(message)) in ([b"400"], [b"501"])
    assert "Traceback" not in server.log.read_text()


def test_another_version_of_http_is_refused(server: Server) -> None:
    """HP-07."""
    assert statuses(server.send(b"GET /jwks HTTP/1.9\r\n" + HOST + b"\r\n")) == [b"505"]


def test_a_large_body_is_refused_whether_announced_or_not(server: Server) -> None:
    """security.md 3.5."""
    chunks = (b"8000\r\n" + b"x" * 0x8000 + b"\r\n") * 3 + b"0\r\n\r\n"
    for message in (post(b"Content-Length: 98304", body=b"x" * 98304), post(CHUNKED, body=chunks)):
        assert statuses(server.send(message)) == [b"413"]


IN_CHUNKS = CHUNKED + b"\r\n\r\n" + (b"8000\r\n" + b"x" * 0x8000 + b"\r\n") * 7 + b"0\r\n\r\n"
AT_ONCE = b"Content-Length: 250000\r\n\r\n" + b"x" * 250_000


@pytest.mark.parametrize("body", [AT_ONCE, IN_CHUNKS], ids=["at once", "in chunks"])
@pytest.mark.parametrize(
    ("line", "status"), [(b"POST /nope", b"404"), (b"POST /jwks", b"405"), (b"POST /token", b"413")]
)
def test_a_connection_is_kept_as_it_was_said_whatever_body_nobody_read(
    server: Server, line: bytes, status: bytes, body: bytes
) -> None:
    """HP-18, RFC 9112 §9.3: a proxy sends somebody else's request there next."""
    asked = line + b" HTTP/1.1\r\n" + HOST + FORM + body
    answer = server.send(asked + b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    assert statuses(answer) == [status, b"200"]
    assert answer.lower().count(b"\r\nconnection: keep-alive\r\n") == 1


def test_a_connection_that_is_not_read_to_its_end_is_said_to_be_closed(server: Server) -> None:
    """RFC 9112 §9.6: what is larger than any endpoint takes."""
    answer = server.send(b"POST /nope HTTP/1.1\r\n" + HOST + b"Content-Length: 400000\r\n\r\n" + b"x" * 400_000)
    assert (statuses(answer), b"\r\nconnection: close\r\n" in answer.lower()) == ([b"404"], True)


def test_a_long_but_legal_request_line_is_served_and_a_longer_one_is_414(server: Server) -> None:
    """HP-10: SMART scopes make request lines of 8000 bytes."""
    for length, status in ((8_000, b"200"), (8_200, b"414"), (100_000, b"414")):
        line = b"GET /.well-known/openid-configuration?a=" + b"x" * length
        line = line[: length - len(b" HTTP/1.1")] + b" HTTP/1.1\r\n"
        assert statuses(server.send(line + HOST + b"\r\n")) == [status], length


def test_too_many_or_too_large_headers_are_431(server: Server) -> None:
    """HP-11."""
    start = b"GET /jwks HTTP/1.1\r\n" + HOST
    many = b"".join(b"X-%d: a\r\n" % number for number in range(101))
    assert statuses(server.send(start + many + b"\r\n")) == [b"431"]
    assert statuses(server.send(start + b"X-A: " + b"x" * 9_000 + b"\r\n\r\n")) == [b"431"]


@pytest.mark.parametrize(
    "headers",
    [
        b"",
        b"Host: evil.example\r\n",
        b"Host: a/evil\r\n",
        HOST + b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Ssl: on\r\n",
        HOST + b"Script-Name: /evil\r\nPath-Info: /evil\r\nForwarded: host=evil.example\r\n",
    ],
)
def test_no_header_changes_a_public_url(server: Server, headers: bytes) -> None:
    """DJ-02, DJ-03, HP-09: gunicorn would believe X-Forwarded-Proto from 127.0.0.1."""
    answer = server.send(b"GET /.well-known/openid-configuration HTTP/1.1\r\n" + headers + b"\r\n")
    document = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert document["issuer"] == "http://127.0.0.1:9000"
    assert document["token_endpoint"] == "http://127.0.0.1:9000/token"
    absolute = b"GET http://evil.example/.well-known/openid-configuration HTTP/1.1\r\n" + HOST + b"\r\n"
    assert json.loads(server.send(absolute).partition(b"\r\n\r\n")[2]) == document


@pytest.mark.parametrize(
    ("message", "seen"),
    [
        (post(b"Content-Length: 3", b"Expect: 100-continue", body=b"a=b"), [b"100", b"400"]),
        (post(b"Content-Length: 3", b"Expect: everything", body=b"a=b"), [b"417"]),
        (b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", [b"200"]),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [b"400"]),
        (b"CONNECT fhir.example:443 HTTP/1.1\r\n" + HOST + b"\r\n", [b"404"]),
        (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", [b"204"]),
        (b"TRACE /token HTTP/1.1\r\n" + HOST + b"\r\n", [b"405"]),
    ],
)
def test_nothing_gets_past_the_server_or_hangs(server: Server, message: bytes, seen: list[bytes]) -> None:
    """HP-15: expectations, upgrades, methods of proxies."""
    answer = server.send(message)
    assert statuses(answer) == seen
    assert b"Switching Protocols" not in answer


def open_files(server: Server) -> Counter[str]:
    """What the workers have open, by name; every socket counts as ``socket``."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    found = [path for child in children for path in Path(f"/proc/{child}/fd").iterdir()]
    names: Counter[str] = Counter()
    for path in found:
        with suppress(FileNotFoundError):  # closed since the folder was read
            names[Path(str(path.readlink()).partition(":")[0]).name] += 1
    return names


def test_aborted_connections_leave_nothing_behind(server: Server) -> None:
    """HP-19: resets before, in and after a request; no socket stays, and only a pool of database connections."""
    messages = [
        b"GET /jw",
        b"GET /jwks HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /authorize?client_id=public HTTP/1.1\r\n" + HOST + b"\r\n",
        post(b"Content-Length: 5000", body=b"token=" + b"x" * 3000),
        post(CHUNKED, body=b"fff\r\nx"),
    ]

    def abort(rounds: int) -> None:
        for number in range(rounds):
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close = reset
                connection.sendall(messages[number % len(messages)])

    def nothing_left() -> bool:
        files = open_files(server)
        return files["socket"] <= before["socket"] and files["authz.sqlite3-wal"] <= 2 * POOL_SIZE

    before = open_files(server)
    abort(500)
    wait_until(nothing_left, "the workers to close what was aborted")
    assert statuses(server.send(b"GET /readyz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")) == [b"200"]
    assert "Traceback" not in server.log.read_text()
    assert {line["level"] for line in server.lines()} <= {"INFO", "WARNING"}


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    """HP-18."""
    both = post(b"Content-Length: 3", body=b"a=b") + b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    answer = server.send(both)
    assert statuses(answer) == [b"400", b"200"]
    assert answer.endswith(b'{"status":"ok"}')


def test_the_log_has_no_query_no_referer_and_no_version(server: Server) -> None:
    """security.md 4.2; HC-01."""
    headers = HOST + b"Referer: https://x/?ZZ9SECRET\r\nAuthorization: Bearer ZZ9SECRET\r\nCookie: a=ZZ9SECRET\r\n"
    answer = server.send(b"GET /userinfo?launch=ZZ9SECRET&state=ZZ9SECRET HTTP/1.1\r\n" + headers + b"\r\n")
    assert b"gunicorn/" not in answer
    assert b"27." not in answer.partition(b"\r\n\r\n")[0]
    seen = [line for line in server.lines() if line.get("path") == "/userinfo"]
    assert [(line["parameters"], line["status"]) for line in seen] == [(["launch", "state"], 401)]
    assert "ZZ9SECRET" not in server.log.read_text()


def test_a_stopped_server_ends_well_and_its_life_is_on_the_trail(tmp_path: Path) -> None:
    """security.md 4.1: one start and one stop, whatever the number of workers; of a kill only the start."""
    made = build(settings_in(tmp_path))
    made.services.backend.close()
    with serving(tmp_path) as server:
        assert statuses(server.send(b"GET /readyz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")) == [b"200"]
    assert server.process.returncode == 0
    assert all(line["level"] in {"INFO", "WARNING"} for line in server.lines())
    with serving(tmp_path) as killed:
        killed.process.kill()
    with made.app.app_context(), made.services.db.read() as session:
        lives = select(AuditEventRow.event).where(AuditEventRow.event.startswith("server.")).order_by(*ORDER)
        assert list(session.scalars(lives)) == ["server.started", "server.stopped", "server.started"]


def test_gunicorn_may_speak_tls_itself(tmp_path: Path) -> None:
    """The bytes of a handshake are no request: a thread reads them, as gunicorn has it."""
    made = build(settings_in(tmp_path))
    made.services.backend.close()
    file = certificate(tmp_path, days=1)
    context = ssl.create_default_context(cafile=file)
    with serving(tmp_path, GUNICORN_CMD_ARGS=f"--certfile {file} --keyfile {file}") as server:
        for _ in range(2):
            with (
                socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain,
                context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
            ):
                for more in (b"", b"Connection: close\r\n"):
                    secure.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + more + b"\r\n")
                    answer = b""
                    while not answer.endswith(b'{"status":"ok"}'):
                        answer += secure.recv(65536)
                    assert answer.startswith(b"HTTP/1.1 200 OK")


def start_that_fails(folder: Path, **more: str) -> str:
    done = subprocess.run(
        COMMAND,
        cwd=ROOT,
        env=environment(folder, BIND=f"127.0.0.1:{free_port()}", **more),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    output = done.stderr.decode()
    assert "Traceback" not in output
    return output


def test_an_unsafe_configuration_does_not_start_and_says_all_reasons(tmp_path: Path) -> None:
    """Decision 28, security.md 0.10: every problem at once, an exit code, no traceback."""
    output = start_that_fails(
        tmp_path, AUTHZ_ISSUER="http://authz.example/", AUTHZ_CODE_SECONDS="601", AUTHLIB_INSECURE_TRANSPORT="1"
    )
    for problem in (
        "authz does not start: issuer: http is for loopback only; use https",
        "authz does not start: issuer: must not end with a slash",
        "authz does not start: code_seconds: at most 600",
        "authz does not start: AUTHLIB_INSECURE_TRANSPORT is set",
    ):
        assert problem in output


def test_a_server_without_secrets_does_not_start(tmp_path: Path) -> None:
    """Decision 6."""
    assert "secrets.json" in start_that_fails(tmp_path)


def test_a_server_with_an_empty_database_does_not_start(tmp_path: Path) -> None:
    made = build(settings_in(tmp_path))
    made.services.backend.close()
    output = start_that_fails(tmp_path, AUTHZ_DATABASE_URL=f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    assert "authz does not start: the database is at revision None" in output


def test_a_server_without_its_database_does_not_start(tmp_path: Path) -> None:
    made = build(settings_in(tmp_path))
    made.services.backend.close()
    url = f"postgresql+psycopg://authz:ZZ9SECRET@127.0.0.1:{free_port()}/authz"
    output = start_that_fails(tmp_path, AUTHZ_DATABASE_URL=url)
    assert "authz does not start: the database does not answer" in output
    assert "ZZ9SECRET" not in output
