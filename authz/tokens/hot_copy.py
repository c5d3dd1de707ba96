"""How a ready answer lies in the short-lived store: in little room, and believed only if this server put it there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authz.keyring.seal import Seal

COPIES = "hot:"
DIGITS = 32  # of a digest in the name of its copy


def copy_name(digest: str) -> str:
    return COPIES + digest[:DIGITS]


@dataclass(frozen=True, slots=True)
class CopySeal:
    """The seal is over the whole digest and the whole answer, also what is not stored of them (decision 92)."""

    seal: Seal
    ending: bytes  # of every answer about an access token

    def close(self, digest: str, content: bytes) -> bytes:
        return self.seal.close(digest, content).removesuffix(self.ending)

    def open(self, digest: str, stored: bytes) -> bytes | None:
        """The content, with its ending; None if somebody else wrote or moved it."""
        return self.seal.open(digest, stored if stored.endswith(b"}") else stored + self.ending)
