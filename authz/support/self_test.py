"""Tickets by which ``authz doctor`` asks the running server how it sees a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz.keyring.seal import Seal
from authz.storage.records import Records

if TYPE_CHECKING:
    from authz.keyring.secrets import Secrets
    from authz.storage.short_lived import Backend

PREFIX = "sealed-self-test:"
SECONDS = 30


class SelfTests:
    """A ticket is good once, for half a minute; only who has this installation's secrets can make one."""

    def __init__(self, backend: Backend, secrets: Secrets) -> None:
        self.records: Records[bytes] = Records(backend, PREFIX, bytes, bytes, Seal(secrets, "self-test"))

    def ticket(self) -> str:
        """Raises StoreUnavailable."""
        return self.records.put(b"1", SECONDS)

    def admits(self, ticket: str) -> bool:
        return self.records.consume(ticket) is not None
