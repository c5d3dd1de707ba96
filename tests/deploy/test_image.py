from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
FINAL = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
HADOLINT = Path(sys.executable).with_name("hadolint")


def test_the_dockerfile_has_no_finding() -> None:
    """hadolint, with all its rules: pinned tags, one shell, no cache left."""
    done = subprocess.run([HADOLINT, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_runs_as_a_user_who_is_a_number() -> None:
    """Kubernetes' ``runAsNonRoot`` can judge a number only; and nobody becomes root after it."""
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]


def test_gunicorn_is_the_first_process_and_hears_the_stop() -> None:
    """The exec form: with a shell in between SIGTERM would not arrive, and running requests would be cut off."""
    commands = re.findall(r"^CMD (.*)$", FINAL, re.MULTILINE)
    assert [json.loads(command) for command in commands] == [
        ["gunicorn", "--config", "config/gunicorn.conf.py", "wsgi:app"]
    ]
    assert "ENTRYPOINT" not in FINAL
    assert "STOPSIGNAL SIGTERM" in FINAL


def test_what_builds_the_image_stays_behind() -> None:
    """The last stage copies the environment alone; pip and requirements/build.in are taken out first."""
    build = [Requirement(line).name for line in (ROOT / "requirements" / "build.in").read_text().split()]
    assert build
    removed = DOCKERFILE[DOCKERFILE.index("pip uninstall") :].splitlines()[0].split()
    assert set(build) | {"pip", "setuptools"} <= set(removed)
    assert "pip uninstall --yes --root-user-action ignore pip" in FINAL
    assert not re.search(r"apt-get|curl|wget|gcc|pip install", FINAL)


def test_what_the_builder_is_sent_is_what_the_image_is_made_of() -> None:
    """Everything is left out but what COPY names: no key, no database and no secret gets into a layer."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    copied = {
        source.rstrip("/")
        for words in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for source in words.split()[:-1]
    }
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == copied
    assert [source for source in copied if not (ROOT / source).exists()] == []
