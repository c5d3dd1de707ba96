"""The pictures of the documentation, from those that `make pictures` keeps: with 256 colours, so that each is small."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT = Path(__file__).resolve().parent.parent / "build" / "pictures"
IMAGES = Path(__file__).resolve().parent / "images"
PICTURES = {
    "sign-in": "en-sign-in-empty-640-light",
    "consent": "en-consent-few-640-light",
    "consent-again": "en-consent-new-since-last-time-640-light",
    "consent-phone-dark": "en-consent-few-320-dark",
    "choose-patient": "en-choosing-two-children-640-light",
    "breaking-the-glass": "en-broken-glass-asked-640-light",
    "my-apps": "en-own-apps-several-640-light",
    "receipt": "en-own-apps-receipt-640-light",
    "ehr-launch": "demo-ehr-launch",
    "developers": "makers-what-happened",
}
TOP = {"ehr-launch": 900}  # so many lines of it
MOST_BYTES = 60_000
COLOURS = 256
START = b"\x89PNG\r\n\x1a\n"
TRUE_COLOUR, PALETTE, DEPTH = 2, 3, 8
Colour = bytes  # red, green, blue


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(START)
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += length + 12


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def rows(png: bytes) -> Iterator[bytes]:
    """Each line of a picture in true colour, unfiltered (PNG §9)."""
    parts = list(chunks(png))
    width, _, depth, colours = struct.unpack(">IIBB", parts[0][1][:10])
    assert (depth, colours) == (DEPTH, TRUE_COLOUR), "Chromium writes pages without transparency in true colour"
    raw = zlib.decompress(b"".join(data for kind, data in parts if kind == b"IDAT"))
    length = width * 3
    above = bytes(length)
    for start in range(0, len(raw), length + 1):
        above = unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + length]), above)
        yield above


def unfiltered(filter_: int, line: bytearray, above: bytes) -> bytes:
    for at, value in enumerate(line):
        left, corner = (line[at - 3], above[at - 3]) if at >= 3 else (0, 0)  # noqa: PLR2004  bytes of a pixel
        line[at] = (
            value + (0, left, above[at], (left + above[at]) // 2, paeth(left, above[at], corner))[filter_]
        ) % 256
    return bytes(line)


def paeth(left: int, above: int, corner: int) -> int:
    near = left + above - corner
    return min((left, above, corner), key=lambda one: abs(near - one))


def with_few_colours(png: bytes, height: int | None = None) -> bytes:
    """The same picture; a colour that is rare becomes the nearest of the frequent ones."""
    lines = [[line[at : at + 3] for at in range(0, len(line), 3)] for line in islice(rows(png), height)]
    frequent = [colour for colour, _ in Counter(pixel for line in lines for pixel in line).most_common(COLOURS)]

    @cache
    def index(colour: Colour) -> int:
        return min(range(len(frequent)), key=lambda one: distance(frequent[one], colour))

    packed = zlib.compress(b"".join(b"\0" + bytes(map(index, line)) for line in lines), 9)
    header = struct.pack(">IIBBBBB", len(lines[0]), len(lines), DEPTH, PALETTE, 0, 0, 0)
    palette = b"".join(frequent)
    return START + chunk(b"IHDR", header) + chunk(b"PLTE", palette) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def distance(one: Colour, other: Colour) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def main() -> None:
    for name, kept in PICTURES.items():
        made = with_few_colours((KEPT / f"{kept}.png").read_bytes(), TOP.get(name))
        assert len(made) <= MOST_BYTES, f"{name}: {len(made)} bytes"
        (IMAGES / f"{name}.png").write_bytes(made)


if __name__ == "__main__":
    main()
