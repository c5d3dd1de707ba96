from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "how-to" / "production.md").read_text()
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
