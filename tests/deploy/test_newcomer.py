from __future__ import annotations

import re
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

from tests.deploy import newcomer

WHEN = ("at first", "after a restart")
READS = {
    "this patient": "200",
    "another patient": "403",
    "without a token": "401",
    "introspected": "true child-1",
    "a made-up token": "false null",
}


@pytest.mark.debootstrap
def test_who_follows_the_page_has_a_server_that_guards_records(tmp_path: Path) -> None:
    """``docs/how-to/production.md`` in an empty Debian, to the end: a launch through nginx with TLS, the record of the
    right patient and no other, the same after a restart of everything, and a doctor who finds nothing to mend.
    """
    story = (newcomer.HERE / "story.sh").read_text()
    said = newcomer.install(tmp_path, story)
    print(said)  # noqa: T201  shown when the next line fails
    assert dict(re.findall(r"^SAYS (.*?): (.*?) *$", said, re.MULTILINE)) == {
        "patient of the launch": "child-1",
        "forward-auth from the world": "404",
        "doctor": "Nothing to mend.",
        "trail in the file": "token.issued",
        "places a launch is logged": "",
    } | {f"{when} {what}": answer for when in WHEN for what, answer in READS.items()}


@pytest.mark.debootstrap
@pytest.mark.parametrize("end", ["exit 3", "sleep infinity"], ids=["failing", "hanging"])
def test_what_an_installation_started_ends_with_it(end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Services and mounts are gone also when a command of the page fails or never ends."""
    monkeypatch.setattr(newcomer, "LIMIT_SECONDS", 2)
    mark = f"service-{uuid4()}"
    started = f'mount -t tmpfs tmpfs "$PLACE"; touch "$PLACE/mounted"; (exec -a {mark} setsid sleep infinity) & echo up'
    with pytest.raises((AssertionError, subprocess.TimeoutExpired)) as ended:
        newcomer.run(f"{started}; {end}", PLACE=str(tmp_path))
    assert "up" in str(getattr(ended.value, "stdout", None) or ended.value)
    assert list(tmp_path.iterdir()) == []
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    assert [path for path in Path("/proc").glob("[0-9]*/cmdline") if mark.encode() in contents(path)] == []


def contents(path: Path) -> bytes:
    """Of a process's own file; nothing if the process has ended meanwhile."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
