"""Records kept under unguessable handles in the short-lived store."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.storage.short_lived import Backend

T = TypeVar("T")
HANDLE_BYTES = 32
MAX_HANDLE_LENGTH = 512  # ours have 43 characters; an EHR that writes launches itself chooses its own


def digest(secret: str) -> str:
    """SHA-256 in hex: the only form in which a token, code, launch or handle is stored (decision 6)."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class Sealing(Protocol):
    """Binds a stored value to its key; see ``keyring.seal``."""

    def close(self, key: str, content: bytes) -> bytes: ...

    def open(self, key: str, stored: bytes) -> bytes | None: ...


class Records(Generic[T]):
    """Values of one kind, each under a 256-bit handle of which the store knows only the digest.

    A handle that is empty, too long or not ASCII is simply unknown. Everything raises StoreUnavailable when the store
    is away, and whatever ``decode`` raises when a stored value cannot be read. What somebody else wrote or moved in the
    store is not there: each value is sealed under its own key.
    """

    def __init__(
        self,
        backend: Backend,
        prefix: str,
        encode: Callable[[T], bytes],
        decode: Callable[[bytes], T],
        seal: Sealing,
    ) -> None:
        self._backend = backend
        self._prefix = prefix
        self._encode = encode
        self._decode = decode
        self._seal = seal

    def put(self, value: T, ttl_seconds: float) -> str:
        """Keep a value and return its new handle (43 URL-safe characters)."""
        handle = secrets.token_urlsafe(HANDLE_BYTES)
        self.replace(handle, value, ttl_seconds)
        return handle

    def peek(self, handle: str) -> T | None:
        """Read and keep."""
        if not plausible(handle):
            return None
        key = self._key(handle)
        return self._read(key, self._backend.get(key)[0])

    def consume(self, handle: str) -> T | None:
        """Read and delete: of racing callers one gets the value.

        Losing the store must grant nothing, so this alone never makes a code or a launch single-use (decision 1).
        """
        if not plausible(handle):
            return None
        key = self._key(handle)
        return self._read(key, self._backend.take(key))

    def replace(self, handle: str, value: T, ttl_seconds: float) -> None:
        """Write under a handle that ``put`` returned; a record that has expired meanwhile is there again.

        Raises ValueError for a handle that can't have come from here.
        """
        if not plausible(handle):
            raise ValueError("not a handle")
        key, content = self._key(handle), self._encode(value)
        self._backend.put({key: self._seal.close(key, content)}, ttl_seconds)

    def forget(self, handle: str) -> None:
        if plausible(handle):
            self._backend.delete(self._key(handle))

    def _key(self, handle: str) -> str:
        return self._prefix + digest(handle)

    def _read(self, key: str, stored: bytes | None) -> T | None:
        content = None if stored is None else self._seal.open(key, stored)
        return None if content is None else self._decode(content)


def plausible(handle: str) -> bool:
    """Whether this could be a handle at all; what is not is never hashed, so length costs nothing."""
    return 0 < len(handle) <= MAX_HANDLE_LENGTH and handle.isascii()
