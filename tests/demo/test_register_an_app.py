"""``docs/how-to/register-an-app.md``, executed block by block against the demo hospital."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.hospital import ROOT, running_hospital

if TYPE_CHECKING:
    from tests.hospital import Hospital

pytestmark = pytest.mark.curl

PAGE = ROOT / "docs" / "how-to" / "register-an-app.md"
BLOCK = re.compile(r"```(sh|json|text)\n(.*?)```", re.DOTALL)
END = "@@ end of block @@"


def blocks(hospital: Hospital) -> list[tuple[str, str]]:
    """Commands, and what they answer: for the ports of this hospital."""
    config = hospital.config
    text = PAGE.read_text()
    for documented, port in ((9000, config.port_base), (9003, config.fhir_port)):
        text = text.replace(f"127.0.0.1:{documented}", f"127.0.0.1:{port}")
    return BLOCK.findall(text)


def run(commands: list[str], hospital: Hospital, folder: Path) -> list[str]:
    """One shell for all of them, as a reader has one terminal; it stops at the first that fails."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": programs, "AUTHZ_CONFIG": str(hospital.folder / ".demo" / "authz.toml"), "LANG": "C.UTF-8"}
    script = "set -euo pipefail\n" + "".join(f"{command}\necho '{END}'\n" for command in commands)
    done = subprocess.run(
        ["bash"], input=script, env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [answer.strip() for answer in done.stdout.split(END)][: len(commands)]


def is_as_shown(shown: Any, real: Any) -> bool:
    """Equal; ``…`` stands for what is new each time."""
    if isinstance(shown, dict) and isinstance(real, dict):
        return list(shown) == list(real) and all(is_as_shown(shown[name], real[name]) for name in shown)
    if isinstance(shown, str) and isinstance(real, str):
        return re.fullmatch(".+".join(map(re.escape, shown.split("…"))), real) is not None
    return bool(shown == real)


def test_every_command_of_the_page_answers_what_the_page_shows(tmp_path: Path) -> None:
    """RFC 7591, RFC 7592, REQ-112: from nothing to a first token, refused for real people, approved, in production."""
    with running_hospital(tmp_path) as hospital:
        found = blocks(hospital)
        commands = [text for kind, text in found if kind == "sh"]
        answers = dict(zip(commands, run(commands, hospital, tmp_path), strict=True))
    pairs = [(found[i - 1][1], kind, text) for i, (kind, text) in enumerate(found) if kind != "sh"]
    assert len(pairs) >= 8
    for command, kind, shown in pairs:
        real = answers[command]
        if kind == "json":
            assert is_as_shown(json.loads(shown), json.loads(real)), real
        else:
            assert is_as_shown(shown.strip(), real), real
    assert all(answers[command] == "" for command in commands if command not in {pair[0] for pair in pairs})
