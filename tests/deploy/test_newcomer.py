from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.deploy import newcomer

if TYPE_CHECKING:
    from pathlib import Path

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
    assert dict(re.findall(r"^SAYS (.*?): (.*?) *$", said, re.MULTILINE)) == {
        "patient of the launch": "child-1",
        "forward-auth from the world": "404",
        "doctor": "Nothing to mend.",
        "trail in the file": "token.issued",
        "places a launch is logged": "",
    } | {f"{when} {what}": answer for when in WHEN for what, answer in READS.items()}
