"""What the product is built from: pinned, hashed, above the floors, and told."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
FLOORS = re.findall(r"^\| ([\w-]+) \| (\d[\d.]*) \|", (ROOT / "SECURITY-FLOOR.md").read_text(), re.MULTILINE)
FORBIDDEN = {"python-jose": "0", "pyjwt": "2.12", "flask-cors": "5"}  # below which version; 0: any
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def pinned(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==([\w.]+)", lock.read_text(), re.MULTILINE))


@pytest.mark.parametrize(("package", "floor"), FLOORS)
def test_nothing_below_its_floor_is_installed_or_locked(package: str, floor: str) -> None:
    """security.md 5.2: a unit test instead of a scanner that is blind without a network."""
    assert Version(version(package)) >= Version(floor)
    assert Version(pinned(ROOT / "requirements" / "run.txt")[package]) >= Version(floor)


@pytest.mark.parametrize(("package", "below"), FORBIDDEN.items())
def test_what_is_known_to_be_unsafe_is_not_installed(package: str, below: str) -> None:
    """security.md 5.2."""
    try:
        installed = Version(version(package))
    except PackageNotFoundError:
        return
    assert below != "0"
    assert installed >= Version(below)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_package_of_a_lock_has_hashes(lock: Path) -> None:
    """A package that was exchanged at its source is not installed (``pip install --require-hashes``)."""
    entries = re.split(r"\n(?=[\w.-]+(?:\[[\w,]+\])?==)", lock.read_text().strip())
    assert entries
    assert [entry.split("\n")[0] for entry in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}", entry)] == []


def test_what_the_product_needs_is_locked_and_told_in_the_readme() -> None:
    """Each choice of a library has its line."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [Requirement(line) for line in [*project["dependencies"], *project["optional-dependencies"]["postgres"]]]
    locked = pinned(ROOT / "requirements" / "run.txt")
    readme = (ROOT / "README.md").read_text().lower()
    for requirement in needed:
        assert requirement.specifier.contains(locked[requirement.name]), requirement
        assert requirement.name in readme, requirement


def test_nothing_is_installed_without_its_hash() -> None:
    """Every ``pip install`` of the project's own files takes a lock with hashes, or the project itself."""
    lines = [
        line
        for file in ("Makefile", "Dockerfile", ".ci/run")
        for line in (ROOT / file).read_text().splitlines()
        if "pip install" in line
    ]
    assert lines
    assert [line for line in lines if "--require-hashes" not in line and "--no-deps" not in line] == []
