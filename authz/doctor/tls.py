"""The TLS of a public address: the certificate, its end, and versions that should be off."""

from __future__ import annotations

import socket
import ssl
import warnings
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cryptography import x509

from authz.doctor.finding import Finding
from authz.doctor.outside import SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

SOON = timedelta(days=21)


@dataclass(frozen=True, slots=True)
class TlsCheck:
    """Nothing to see at an http address: the settings allow it on loopback only."""

    url: str
    now: Callable[[], datetime]
    context: ssl.SSLContext | None = None  # None: the machine's authorities

    def run(self) -> Iterator[Finding]:
        if urlsplit(self.url).scheme != "https":
            return
        try:
            certificate = self.certificate(self.context or ssl.create_default_context())
        except ssl.SSLCertVerificationError as problem:
            yield self.found("tls.certificate", problem.verify_message)
            return
        except (OSError, ValueError):
            return  # told as unreachable
        left = certificate.not_valid_after_utc - self.now()
        if left < SOON:
            yield self.found("tls.expires", f"the certificate ends in {left.days} days")
        if self.accepts_old():
            yield self.found("tls.old", "TLS 1.1 or 1.0 is accepted")

    def found(self, id_: str, problem: str) -> Finding:
        return Finding(id_, self.url, problem)

    def certificate(self, context: ssl.SSLContext) -> x509.Certificate:
        """Raises OSError, of which SSLCertVerificationError is one."""
        der = self.handshake(context)
        assert der is not None
        return x509.load_der_x509_certificate(der)

    def accepts_old(self) -> bool:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of the versions that we look for
            context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        try:
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            self.handshake(context)
        except OSError:
            return False
        return True

    def handshake(self, context: ssl.SSLContext) -> bytes | None:
        parts = urlsplit(self.url)
        address = (parts.hostname or "", parts.port or 443)
        with (
            socket.create_connection(address, SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname) as secure,
        ):
            return secure.getpeercert(binary_form=True)
