"""Certificates for servers on this machine that are reached by the name ``localhost``."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.servers import free_port, postgres_server, redis_server, unprivileged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers import PostgresServer

DAY = timedelta(days=1)
OWNER_ONLY = 0o600


@dataclass(frozen=True)
class Certificates:
    """Files in PEM: an authority, what it signed for a server and for a client, and an authority nobody knows."""

    authority: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path
    stranger: Path

    @classmethod
    def made_in(cls, folder: Path) -> Self:
        authority, key = signed("authority", None)
        stranger, _ = signed("stranger", None)
        server, server_key = signed("localhost", (authority, key))
        client, client_key = signed("authz", (authority, key))
        return cls(
            written(folder / "authority.pem", authority),
            written(folder / "server.pem", server),
            kept(folder / "server.key", server_key),
            written(folder / "client.pem", client),
            kept(folder / "client.key", client_key),
            written(folder / "stranger.pem", stranger),
        )


Signer = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def signed(name: str, by: Signer | None) -> Signer:
    """For that host, signed by an authority; or an authority itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    issuer, signer = (by[0].subject, by[1]) if by else (subject, key)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )
    return made, key


def written(file: Path, certificate: x509.Certificate) -> Path:
    file.write_bytes(certificate.public_bytes(Encoding.PEM))
    return file


def kept(file: Path, key: ec.EllipticCurvePrivateKey) -> Path:
    file.touch(OWNER_ONLY)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file


@contextmanager
def encrypted_postgres() -> Iterator[tuple[PostgresServer, Certificates]]:
    """A server whose certificate is for ``localhost``."""
    with TemporaryDirectory() as folder:  # pytest's own can be entered by nobody else
        made = Certificates.made_in(Path(folder))
        for place in (folder, made.server_key) if unprivileged() else ():
            shutil.chown(place, "postgres")
        options = {"ssl": "on", "ssl_cert_file": str(made.server), "ssl_key_file": str(made.server_key)}
        with postgres_server(**options) as running:  # type: ignore[arg-type]  # none of them is another parameter
            yield running, made


@contextmanager
def encrypted_redis(folder: Path) -> Iterator[tuple[int, Certificates]]:
    """A server that speaks TLS at this port, with a certificate for ``localhost``."""
    made, port = Certificates.made_in(folder), free_port()
    files = {"cert-file": made.server, "key-file": made.server_key, "ca-cert-file": made.authority}
    words = [word for name, file in files.items() for word in (f"--tls-{name}", str(file))]
    with redis_server("--tls-port", str(port), "--tls-auth-clients", "no", *words):
        yield port, made
