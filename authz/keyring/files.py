"""Files that only this server may read."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from authz.settings import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

FORBIDDEN = stat.S_IWGRP | stat.S_IRWXO


def mode_problem(path: Path) -> str | None:
    """Why a file of this mode is refused: readable by others, or writable by its group (decision 7)."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & FORBIDDEN:
        return f"{path}: mode {mode:04o} lets others read or the group write it; use 0600, 0400 or 0440"
    return None


def read_private(path: Path) -> bytes:
    """Raises ConfigurationError if the file is missing, unreadable or open to others."""
    try:
        problem = mode_problem(path)
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError([f"{path}: {error.strerror}"]) from error
    if problem is not None:
        raise ConfigurationError([problem])
    return content


def write_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 at once: a reader sees the old content or the new, never half."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
