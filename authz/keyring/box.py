"""What lies in the short-lived store only for this server: nobody who reads the store reads it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    from authz.keyring.secrets import Secrets

NONCE_BYTES = 12


class Box:
    """AES-256-GCM under a key of its own for each purpose (decision 6)."""

    def __init__(self, secrets: Secrets, purpose: str) -> None:
        self.secrets = secrets
        self.purpose = f"{purpose} box"

    def close(self, content: bytes) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + AESGCM(self.secrets.keys_for(self.purpose)[0]).encrypt(nonce, content, None)

    def open(self, closed: bytes) -> bytes | None:
        """The content; None if it was changed, or closed with a key that is gone."""
        for key in self.secrets.keys_for(self.purpose):
            try:
                return AESGCM(key).decrypt(closed[:NONCE_BYTES], closed[NONCE_BYTES:], None)
            except (InvalidTag, ValueError):
                continue
        return None
