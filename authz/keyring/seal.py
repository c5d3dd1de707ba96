"""What lies in the short-lived store is believed only if this server put it there, under the key where it lies."""

from __future__ import annotations

from hmac import compare_digest
from hmac import digest as hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authz.keyring.secrets import Secrets

MAC_BYTES = 32


class Seal:
    """HMAC-SHA-256 over key and content, before the content, with a key of its own for each purpose (decision 6)."""

    def __init__(self, secrets: Secrets, purpose: str) -> None:
        self.secrets = secrets
        self.purpose = f"{purpose} seal"

    def close(self, key: str, content: bytes) -> bytes:
        return mac(self.secrets.keys_for(self.purpose)[0], key, content) + content

    def open(self, key: str, stored: bytes) -> bytes | None:
        """The content; None if somebody else wrote or moved it, or it was closed with a secret that is gone."""
        told, content = stored[:MAC_BYTES], stored[MAC_BYTES:]
        for secret in self.secrets.keys_for(self.purpose):
            if compare_digest(mac(secret, key, content), told):
                return content
        return None


def mac(secret: bytes, key: str, content: bytes) -> bytes:
    return hmac(secret, key.encode() + b"\0" + content, "sha256")
