"""The secrets of this server (``keys/secrets.json``, decision 6) and what is derived from them."""

from __future__ import annotations

import json
import secrets
import string
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from hashlib import sha256
from hmac import compare_digest
from hmac import new as hmac
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from authz.keyring.files import read_private, write_private
from authz.settings import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta
    from pathlib import Path

KEY_BYTES = 32
ALPHABET = string.ascii_letters + string.digits  # every client encodes these alike in Basic (SYM-04)
SECRET_CHARACTERS = 43  # 62^43 > 2^256


def new_secret() -> str:
    """A client secret of 256 bits that reads the same raw and percent-encoded."""
    return "".join(secrets.choice(ALPHABET) for _ in range(SECRET_CHARACTERS))


@dataclass(frozen=True)
class Secrets:
    """The keys of ``secrets.json``: the first is used, the others are still recognised."""

    keys: tuple[bytes, ...]

    @classmethod
    def load(cls, path: Path) -> Secrets:
        """Read the file.

        Raises ConfigurationError if it is missing, readable by others, or holds no key of 256 bits.
        """
        try:
            entries = json.loads(read_private(path))["keys"]
            keys = tuple(urlsafe_b64decode(entry["key"]) for entry in entries)
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigurationError([f"{path}: is not a secrets file; make one with `authz keys secrets`"]) from error
        if not keys or any(len(key) < KEY_BYTES for key in keys):
            raise ConfigurationError([f"{path}: every key must have 256 bits"])
        return cls(keys)

    @cached_property
    def derived(self) -> dict[str, tuple[bytes, ...]]:
        return {}

    def keys_for(self, purpose: str) -> tuple[bytes, ...]:
        if purpose not in self.derived:
            self.derived[purpose] = tuple(derive(key, purpose) for key in self.keys)
        return self.derived[purpose]

    def mac(self, purpose: str, text: str) -> str:
        """HMAC-SHA-256 in hex, with the purpose's own key (HKDF-SHA-256)."""
        return mac(self.keys_for(purpose)[0], text)

    def macs(self, purpose: str, text: str) -> list[str]:
        """What each key of the file makes of it, the newest first."""
        return [mac(key, text) for key in self.keys_for(purpose)]

    def matches(self, purpose: str, text: str, expected: str) -> bool:
        """Whether any key of the file makes this MAC; compared in constant time."""
        found = [compare_digest(made.encode(), expected.encode()) for made in self.macs(purpose, text)]
        return any(found)


@lru_cache(maxsize=256)
def derive(key: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"authz {purpose}".encode()).derive(key)


def mac(key: bytes, text: str) -> str:
    return hmac(key, text.encode("utf-8", "surrogatepass"), sha256).hexdigest()


def rotate_file(path: Path, now: datetime, keep: int = 2) -> None:
    """Put a new key first, keep the newest ones before it; makes the file if there is none."""
    entries = json.loads(read_private(path))["keys"] if path.exists() else []
    key = urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    entries = [{"key": key, "created_at": now.isoformat(timespec="seconds")}, *entries][:keep]
    write_private(path, json.dumps({"keys": entries}, indent=1).encode())


class StoredSecrets:
    """Client secrets as they are kept: rows of ``{"mac", "created_at", "expires_at"}``, never the secret."""

    def __init__(self, secrets: Secrets, purpose: str) -> None:
        self.secrets = secrets
        self.purpose = f"{purpose} secret"

    def keep(self, secret: str, now: datetime) -> dict[str, Any]:
        return {"mac": self.secrets.mac(self.purpose, secret), "created_at": now.isoformat(), "expires_at": None}

    def any_matches(self, secret: str, rows: Sequence[dict[str, Any]], now: datetime) -> bool:
        """Whether one of the secrets still valid is this one; without any row the same work is done for nothing."""
        live = [row["mac"] for row in rows if is_live(row, now)] or ["-" * 64]
        found = [self.secrets.matches(self.purpose, secret, kept) for kept in live]
        return any(found)

    def rotate(
        self, secret: str, rows: Sequence[dict[str, Any]], now: datetime, overlap: timedelta
    ) -> list[dict[str, Any]]:
        """The new secret first; the others work until ``now + overlap`` at the latest."""
        until = now + overlap
        old = [row | {"expires_at": min_iso(row["expires_at"], until)} for row in rows if is_live(row, now)]
        return [self.keep(secret, now), *(row for row in old if is_live(row, now))]


def is_live(row: dict[str, Any], now: datetime) -> bool:
    return row["expires_at"] is None or datetime.fromisoformat(row["expires_at"]) > now


def min_iso(given: str | None, until: datetime) -> str:
    return until.isoformat() if given is None else min(datetime.fromisoformat(given), until).isoformat()
