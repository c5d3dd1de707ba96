from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOW_TO = ROOT / "docs" / "how-to"
PAGE = (HOW_TO / "production.md").read_text()
UNIT = (ROOT / "deploy" / "systemd" / "authz.service").read_text()


def test_each_command_of_the_page_is_one_that_a_shell_reads() -> None:
    """``bash -n``: no quote or here-document is left open."""
    blocks = re.findall(r"^```sh(?: systemd)?\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), block


def test_the_page_makes_what_the_unit_reads() -> None:
    """The credentials, the settings and the code of the unit are where the page puts them."""
    paths = set(re.findall(r"(?:LoadCredential=[\w-]+:|AUTHZ_CONFIG=|WorkingDirectory=)(/[\w./-]+)", UNIT))
    assert paths == {
        "/etc/authz/authz.toml",
        "/etc/authz/secrets/database-url",
        "/etc/authz/secrets/redis-url",
        "/opt/authz",
    }
    assert [path for path in paths if path not in PAGE] == []


@pytest.mark.parametrize("name", ["production.md", "upgrade.md"])
def test_what_the_service_may_not_compile_is_compiled_when_it_is_put_there(name: str) -> None:
    """Issue 9.6: pip compiles nothing of an editable installation, and the unit runs with PYTHONDONTWRITEBYTECODE."""
    assert "PYTHONDONTWRITEBYTECODE=1" in UNIT
    installs = re.findall(r"^\.venv/bin/pip install .*--editable \.\n(.*)$", (HOW_TO / name).read_text(), re.MULTILINE)
    assert installs == [".venv/bin/python -m compileall -q authz"]
