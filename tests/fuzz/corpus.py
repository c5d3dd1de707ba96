"""Inputs that reached new code once, a file for each target: a line of base64 for each input, the shortest first."""

from __future__ import annotations

from base64 import b64decode, b64encode
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CORPUS = Path(__file__).resolve().parent / "corpus"


def read(name: str) -> list[bytes]:
    return [b64decode(line, validate=True) for line in (CORPUS / f"{name}.txt").read_text().splitlines()]


def keep(name: str, inputs: Iterable[bytes]) -> None:
    (CORPUS / f"{name}.txt").write_text("".join(f"{b64encode(data).decode()}\n" for data in inputs))
