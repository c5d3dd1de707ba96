"""The logo of an app, as an administrator has uploaded it; what an app says of its logo is never fetched nor shown.

A picture elsewhere would tell its host who is about to sign in, and could change after it was looked at.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy import delete

from authz.clients.model import ClientLogoRow, ClientRow
from authz.errors import InvalidValue, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from authz.storage.database import Database

MAX_BYTES = 64 * 1024
MIN_PIXELS, MAX_PIXELS = 32, 512
PNG, JPEG, WEBP = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF"
FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # JPEG: SOF0 to SOF15, without what is none
RULE = f"the logo: a PNG, JPEG or WebP of at most {MAX_BYTES // 1024} KB, {MIN_PIXELS} to {MAX_PIXELS} pixels each way"


@dataclass(frozen=True, slots=True)
class Logo:
    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class ClientLogos:
    db: Database

    def upload(self, session: Session, client_id: str, content: bytes | None) -> str:
        """Show this from now on, or nothing; returns its version. Raises NotFound and InvalidValue."""
        row = session.get(ClientRow, client_id, with_for_update=True)
        if row is None:
            raise NotFound(f"{client_id}: there is no client of this id")
        session.execute(delete(ClientLogoRow).where(ClientLogoRow.client_id == client_id))
        row.logo = ""
        if content is not None:
            session.add(ClientLogoRow(client_id=client_id, content=content, media_type=media_type(content)))
            row.logo = sha256(content).hexdigest()[:16]
        return row.logo

    def find(self, client_id: str, version: str) -> Logo | None:
        """The logo of an enabled app, if this is still its version."""
        with self.db.read() as session:
            client, row = session.get(ClientRow, client_id), session.get(ClientLogoRow, client_id)
            if client is None or row is None or not client.enabled or client.logo != version:
                return None
            return Logo(row.content, row.media_type)


def address(client_id: str, version: str) -> str:
    """Where it is served, below this server's own address: another picture has another one."""
    return f"/clients/{client_id}/logo/{version}"


def media_type(content: bytes) -> str:
    """What it is by its own first bytes; nothing in it is ever run, whatever it holds. Raises InvalidValue."""
    for start, (name, measure) in KINDS.items():
        if content.startswith(start):
            try:
                sides = measure(content)
            except (struct.error, IndexError, ValueError):
                break
            if len(content) <= MAX_BYTES and all(MIN_PIXELS <= side <= MAX_PIXELS for side in sides):
                return name
    raise InvalidValue(RULE)


def png_size(content: bytes) -> tuple[int, int]:
    if content[12:16] != b"IHDR":
        raise ValueError("no header")
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def jpeg_size(content: bytes) -> tuple[int, int]:
    """Width and height of the first frame header, behind segments that say how long they are."""
    at = 2
    while content[at] == 0xFF:  # noqa: PLR2004  begins every marker
        marker = content[at + 1]
        if marker in FRAME_HEADERS:
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return width, height
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    raise ValueError("no frame header")


def webp_size(content: bytes) -> tuple[int, int]:
    """RFC 9649 §2.5 to §2.7: lossy, lossless, extended."""
    match content[8:16]:
        case b"WEBPVP8 ":
            width, height = struct.unpack("<HH", content[26:30])
            return width & 0x3FFF, height & 0x3FFF
        case b"WEBPVP8L":
            (bits,) = struct.unpack("<I", content[21:25])
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"WEBPVP8X":
            sides = content[24:27], content[27:30]
            return int.from_bytes(sides[0], "little") + 1, int.from_bytes(sides[1], "little") + 1
    raise ValueError("no WebP")


KINDS: dict[bytes, tuple[str, Callable[[bytes], tuple[int, int]]]] = {
    PNG: ("image/png", png_size),
    JPEG: ("image/jpeg", jpeg_size),
    WEBP: ("image/webp", webp_size),
}
