"""Tickets by which ``authz doctor`` asks the running server how it sees a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz.storage.records import Records

if TYPE_CHECKING:
    from authz.storage.short_lived import Backend

SECONDS = 30


class SelfTests:
    """A ticket is good once, for half a minute; only who can write to this installation's store can make one."""

    def __init__(self, backend: Backend) -> None:
        self.records: Records[bytes] = Records(backend, "self-test:", bytes, bytes)

    def ticket(self) -> str:
        """Raises StoreUnavailable."""
        return self.records.put(b"1", SECONDS)

    def admits(self, ticket: str) -> bool:
        return self.records.consume(ticket) is not None
