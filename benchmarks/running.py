"""A server that runs, and what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import urllib3

from benchmarks.lanes import Lane
from benchmarks.questions import CODE, OPERATIONS

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.questions import Server


@dataclass
class Running:
    pid: int
    port: int
    start_seconds: float
    lanes: dict[str, list[Lane]]
    refill: dict[str, Callable[[int], None]] = field(default_factory=dict)  # of operations that use something up
    compiles: bool = False


def running(pid: int, start_seconds: float, server: Server) -> Running:
    found = {name: [Lane(source) for source in sources(server)] for name, sources in OPERATIONS.items()}
    lanes = {name: each for name, each in found.items() if each}
    return Running(pid, server.port, start_seconds, lanes, {CODE: server.refill} if server.mint else {})


def serves(process: subprocess.Popen[bytes], port: int, log: Path, path: str) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        answer = urllib3.request("GET", f"http://127.0.0.1:{port}{path}", retries=False, timeout=5)
    except urllib3.exceptions.HTTPError:
        return False
    return answer.status == 200
