"""What the doctor sees of a certificate and of old versions of TLS."""

from __future__ import annotations

import socket
import ssl
import warnings
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from authz.doctor.tls import TlsCheck

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def now() -> datetime:
    return datetime.now(UTC)


def certificate(folder: Path, days: float, host: str = "127.0.0.1") -> Path:
    """Self-signed, with its key in the same file; ends in so many days."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "doctor")])
    end = now() + timedelta(days=days)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now(), end) - timedelta(days=1))
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(made.public_bytes(Encoding.PEM) + private)
    return file


@contextmanager
def tls_server(file: Path, oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = oldest
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                try:
                    with context.wrap_socket(plain, server_side=True) as secure:
                        secure.recv(1)
                except OSError:
                    plain.close()

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def look(url: str, trusted: Path | None = None) -> list[tuple[str, str]]:
    context = ssl.create_default_context(cafile=str(trusted) if trusted else None)
    return [(one.id, one.problem) for one in TlsCheck(url, now, context).run()]


def test_a_good_certificate_is_nothing_to_mention(tmp_path: Path) -> None:
    file = certificate(tmp_path, 90)
    with tls_server(file) as url:
        assert look(url, file) == []


@pytest.mark.parametrize(
    ("days", "host", "is_known", "problem"),
    [
        (-1, "127.0.0.1", True, "certificate has expired"),
        (90, "127.0.0.2", True, "IP address mismatch, certificate is not valid for '127.0.0.1'"),
        (90, "127.0.0.1", False, "self-signed certificate"),
    ],
)
def test_a_certificate_that_no_app_accepts(
    tmp_path: Path, days: float, host: str, problem: str, *, is_known: bool
) -> None:
    """Expired, of another name, or of an authority that nobody knows."""
    file = certificate(tmp_path, days, host)
    with tls_server(file) as url:
        assert [(id_, told.rstrip(".")) for id_, told in look(url, file if is_known else None)] == [
            ("tls.certificate", problem)
        ]


def test_a_certificate_that_ends_soon(tmp_path: Path) -> None:
    file = certificate(tmp_path, 10.5)
    with tls_server(file) as url:
        assert look(url, file) == [("tls.expires", "the certificate ends in 10 days")]


def test_old_versions_are_seen(tmp_path: Path) -> None:
    file = certificate(tmp_path, 90)
    with tls_server(file, ssl.TLSVersion.TLSv1) as url:
        assert look(url, file) == [("tls.old", "TLS 1.1 or 1.0 is accepted")]


def test_nobody_there_and_http_are_told_by_others() -> None:
    assert look("http://127.0.0.1:1") == []
    assert look("https://127.0.0.1:1") == []
