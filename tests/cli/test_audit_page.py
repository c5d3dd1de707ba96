"""The page for the security officer: each of its commands works as it stands there."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from tests.live import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.cli.conftest import Cli

PAGE = ROOT / "docs" / "how-to" / "audit.md"
POSTGRES = "authz db grant-service"  # tests/audit/test_service_role.py


def commands() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if not line.startswith(POSTGRES)]
    return [shlex.split(line) for line in lines]


def test_every_command_of_the_page_works(authz: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told can be done; what a command is redirected to is there for the next one."""
    monkeypatch.chdir(tmp_path)
    tried = 0
    for program, *words in commands():
        file = words.pop() if ">" in words else None
        if file is not None:
            words.pop()
        assert program == "authz"
        code, out, err = authz.run(*words)
        assert (code, err) == (0, ""), words
        if file is not None:
            (tmp_path / file).write_text(out)
        tried += 1
    assert tried == 18
