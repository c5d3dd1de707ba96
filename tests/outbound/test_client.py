"""One exchange with a real server on loopback, kind or hostile."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from authz.outbound import FetchFailed, Limits, Outbound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LOOPBACK = (ip_network("127.0.0.0/8"),)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
QUICK = Limits(seconds=0.4)


class Peer:
    """A server of one behaviour: it reads a request's header, then does what it is told."""

    def __init__(self, behave: Callable[[socket.socket], object], tls: ssl.SSLContext | None = None) -> None:
        self.behave = behave
        self.tls = tls
        self.seen: list[bytes] = []
        self.server_names: list[str | None] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            try:
                self.talk(connection)
            except OSError:
                pass
            finally:
                connection.close()

    def talk(self, plain: socket.socket) -> None:
        connection = plain if self.tls is None else self.tls.wrap_socket(plain, server_side=True)
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                if not (more := connection.recv(65536)):
                    return
                head += more
            self.seen.append(head)
            self.behave(connection)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/jwks?a=b"


@contextmanager
def peer(behave: Callable[[socket.socket], object] | bytes, tls: ssl.SSLContext | None = None) -> Iterator[Peer]:
    made = Peer((lambda line: line.sendall(behave)) if isinstance(behave, bytes) else behave, tls)
    made.thread.start()
    yield made
    made.listener.shutdown(socket.SHUT_RDWR)
    made.listener.close()
    made.thread.join(5)


@pytest.fixture
def outbound() -> Outbound:
    return Outbound(LOOPBACK)


def test_a_document_comes_back_whole(outbound: Outbound) -> None:
    """ASY-20: the request as it leaves: no cookie, no encoding, nothing of this server but its name."""
    with peer(OK) as server:
        answer = outbound.get(server.url, headers={"Accept": "application/json"})
    assert (answer.status, answer.headers, answer.body) == (
        200,
        {"content-type": "application/json", "content-length": "2"},
        b"{}",
    )
    first, *headers = server.seen[0].decode().rstrip("\r\n").split("\r\n")
    assert first == "GET /jwks?a=b HTTP/1.1"
    assert sorted(header.lower() for header in headers) == [
        "accept-encoding: identity",
        "accept: application/json",
        "connection: close",
        f"host: 127.0.0.1:{server.port}",
        "user-agent: authz",
    ]


def test_a_body_is_posted(outbound: Outbound) -> None:
    with peer(b"HTTP/1.1 204 No Content\r\n\r\n") as server:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = outbound.post(server.url, b"logout_token=x", headers=headers)
    assert (answer.status, answer.body) == (204, b"")
    assert server.seen[0].startswith(b"POST /jwks?a=b HTTP/1.1\r\n")
    assert b"content-length: 14\r\n" in server.seen[0].lower()


def test_environment_proxies_are_not_used(outbound: Outbound, monkeypatch: pytest.MonkeyPatch) -> None:
    with peer(OK) as server, peer(b"HTTP/1.1 502 Bad Gateway\r\n\r\n") as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert outbound.get(server.url).status == 200
        assert proxy.seen == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(outbound: Outbound, status: int) -> None:
    """ASY-24, CA-39: no redirect to where the guard did not look."""
    with peer(OK) as elsewhere:
        there = f"http://127.0.0.1:{elsewhere.port}/"
        with peer(f"HTTP/1.1 {status} x\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n".encode()) as server:
            answer = outbound.get(server.url)
        assert (answer.status, answer.headers["location"]) == (status, there)
        assert elsewhere.seen == []


def drip(head: bytes, piece: bytes = b"a") -> Callable[[socket.socket], None]:
    """One piece after the other, each in good time for a limit that counts each read alone."""

    def behave(line: socket.socket) -> None:
        line.sendall(head)
        for _ in range(60):
            line.sendall(piece)
            time.sleep(0.1)

    return behave


@pytest.mark.parametrize(
    "behave",
    [
        lambda line: line.recv(1),
        drip(b"HTTP/1.1 200 OK\r\nX: "),
        drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        drip(b"HTTP/1.1 200 OK\r\n\r\n"),
        drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    ],
    ids=["silence", "a header's end", "endless headers", "endless interim", "body", "body without length", "chunks"],
)
def test_a_slow_peer_gets_no_more_than_the_whole_time(
    outbound: Outbound, behave: Callable[[socket.socket], object]
) -> None:
    """CA-41, ASY-24: the time is for the whole exchange, not for each byte of it."""
    with peer(behave) as server:
        with pytest.raises(FetchFailed) as failed:
            outbound.get(server.url, limits=QUICK)
        assert not failed.value.refused


def test_the_time_runs_by_the_clock_not_by_the_read() -> None:
    """CA-41: the mechanism: what is left of the time limits each read and each write."""
    ticks = iter(range(100))
    with (
        peer(drip(b"HTTP/1.1 200 OK\r\n\r\n")) as server,
        pytest.raises(FetchFailed, match=r"[Tt]imed out|out of time"),
    ):
        Outbound(LOOPBACK, monotonic=lambda: float(next(ticks))).get(server.url, limits=Limits(seconds=6))


def flood(head: bytes, piece: bytes) -> Callable[[socket.socket], None]:
    def behave(line: socket.socket) -> None:
        line.sendall(head)
        for _ in range(2_000):
            line.sendall(piece)

    return behave


@pytest.mark.parametrize(
    "behave",
    [
        flood(b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 10_000),
        flood(b"HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n", b"a" * 10_000),
        flood(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2710\r\n" + b"a" * 10_000 + b"\r\n"),
        flood(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;" + b"x" * 5_000 + b"\r\na\r\n"),
        flood(b"HTTP/1.1 200 OK\r\nX: ", b"a" * 10_000),
        flood(b"HTTP/1.1 200 OK\r\n", b"X: " + b"a" * 10_000 + b"\r\n"),
        flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 500),
    ],
    ids=["no length", "length", "chunks", "chunk extensions", "one header", "headers", "interim answers"],
)
def test_an_answer_has_a_size(outbound: Outbound, behave: Callable[[socket.socket], object]) -> None:
    """CA-41: of twenty million bytes at most 132 thousand are read."""
    with peer(behave) as server, pytest.raises(FetchFailed):
        outbound.get(server.url)


def test_the_largest_answer_is_the_limit_to_the_byte(outbound: Outbound) -> None:
    """CA-41: 100 000 bytes are taken, 100 001 are not; another limit may be asked for."""

    def answer(size: int) -> bytes:
        return f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode() + b"a" * size

    with peer(answer(100_000)) as server:
        assert len(outbound.get(server.url).body) == 100_000
    with peer(answer(100_001)) as server:
        with pytest.raises(FetchFailed, match="longer than 100000"):
            outbound.get(server.url)
        assert len(outbound.get(server.url, limits=Limits(max_bytes=100_001)).body) == 100_001


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "x-unknown"])
def test_a_compressed_answer_is_not_unpacked(outbound: Outbound, coding: str) -> None:
    """CA-41: no bomb, as nothing is ever unpacked."""
    bomb = gzip.compress(b"a" * 10_000_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
    with peer(head + bomb) as server, pytest.raises(FetchFailed, match="compressed"):
        outbound.get(server.url)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"nothing of HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 999999 OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
)
def test_a_broken_answer_is_a_failure(outbound: Outbound, said: bytes) -> None:
    with peer(said) as server, pytest.raises(FetchFailed):
        outbound.get(server.url)


def test_nobody_there_is_a_failure(outbound: Outbound) -> None:
    with peer(OK) as server:
        url = server.url
    with pytest.raises(FetchFailed, match="no connection") as failed:
        outbound.get(url)
    assert not failed.value.refused


def test_a_name_is_looked_up_once_and_the_checked_address_is_called() -> None:
    """CA-39 (rebinding): the second look would say something else; there is none."""
    asked: list[str] = []

    def rebinding(host: str) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    with peer(OK) as server:
        url = f"http://rebind.example:{server.port}/"
        assert Outbound(LOOPBACK, resolver=rebinding).get(url).status == 200
        assert asked == ["rebind.example"]
        assert f"host: rebind.example:{server.port}".encode() in server.seen[0].lower()


def test_a_name_that_became_private_is_not_called() -> None:
    """CA-39: first public, then private: judged each time, no connection is made."""
    with peer(OK) as server:
        for found in (["127.0.0.1"], ["::ffff:127.0.0.1"], ["93.184.216.34", "127.0.0.1"]):
            made = Outbound(resolver=lambda _, found=found: found)  # type: ignore[misc]  # the loop's own value
            with pytest.raises(FetchFailed) as failed:
                made.get(f"https://app.example:{server.port}/")
            assert failed.value.refused
        assert server.seen == []


def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    with peer(OK) as server:
        both = Outbound(LOOPBACK, resolver=lambda _: ["127.0.0.9", "127.0.0.1"])
        assert both.get(f"http://app.example:{server.port}/").status == 200


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of app.example that signs itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "app.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("app.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path_factory.mktemp("tls") / "app.example.pem"
    path.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return path


def secured(certificate: Path, *, authorities: Path | None) -> Outbound:
    made = Outbound(LOOPBACK, resolver=lambda _: ["127.0.0.1"])
    if authorities is not None:
        made.tls.load_verify_locations(authorities)
    return made


def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_the_certificate_must_be_of_the_name_though_the_address_is_called(certificate: Path) -> None:
    """REG-07, ASY-28: SNI and check of the name; an unknown authority or another name ends it."""
    names: list[str | None] = []
    context = server_side(certificate)
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    with peer(OK, context) as server:
        good = secured(certificate, authorities=certificate)
        assert good.get(f"https://app.example:{server.port}/").body == b"{}"
        assert names == ["app.example"]
        assert f"host: app.example:{server.port}".encode() in server.seen[0].lower()
        for name, made in (
            ("other.example", good),
            ("127.0.0.1", good),
            ("app.example", secured(certificate, authorities=None)),
        ):
            with pytest.raises(FetchFailed, match="no connection"):
                made.get(f"https://{name}:{server.port}/")
        assert len(server.seen) == 1


def test_tls_older_than_1_2_is_not_spoken(certificate: Path) -> None:
    """ASY-28."""
    assert secured(certificate, authorities=None).tls.minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("drips", [drip(b""), drip(b"HTTP/1.1 200 OK\r\n\r\n")], ids=["header", "body"])
def test_a_slow_peer_behind_tls_gets_no_more_either(
    certificate: Path, drips: Callable[[socket.socket], object]
) -> None:
    """CA-41: the same limits within TLS."""
    with peer(drips, server_side(certificate)) as server, pytest.raises(FetchFailed):
        secured(certificate, authorities=certificate).get(f"https://app.example:{server.port}/", limits=QUICK)


def test_a_handshake_that_never_ends_is_cut_off(certificate: Path) -> None:
    """CA-41: a peer that accepts and says nothing of TLS."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"https://app.example:{listener.getsockname()[1]}/"
    with pytest.raises(FetchFailed, match="no connection"):
        secured(certificate, authorities=certificate).get(url, limits=QUICK)
    listener.close()
