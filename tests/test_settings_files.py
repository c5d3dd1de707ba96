"""A setting that a file holds: what was not injected is said, and taken for nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authz.settings import ConfigurationError, Settings

if TYPE_CHECKING:
    from pathlib import Path

ISSUER = {"AUTHZ_ISSUER": "https://auth.example"}


@pytest.mark.parametrize("content", ["", "\n", "  \n"])
def test_an_empty_file_is_a_problem(tmp_path: Path, content: str) -> None:
    """A node without the address of Redis would count tries, and keep launches, by itself (security.md LC-02)."""
    file = tmp_path / "redis-url"
    file.write_text(content)
    with pytest.raises(ConfigurationError) as refused:
        Settings.load(ISSUER | {"AUTHZ_REDIS_URL_FILE": str(file)})
    assert refused.value.problems == ["AUTHZ_REDIS_URL_FILE: the file is empty"]


@pytest.mark.parametrize("is_first", [True, False])
def test_a_setting_is_given_once(tmp_path: Path, *, is_first: bool) -> None:
    """Else the order of the environment would decide."""
    file = tmp_path / "log-level"
    file.write_text("INFO\n")
    given = [("AUTHZ_LOG_LEVEL", "DEBUG"), ("AUTHZ_LOG_LEVEL_FILE", str(file))]
    with pytest.raises(ConfigurationError) as refused:
        Settings.load(ISSUER | dict(given if is_first else reversed(given)))
    assert refused.value.problems == ["AUTHZ_LOG_LEVEL_FILE: AUTHZ_LOG_LEVEL is set as well; one of them only"]


def test_a_file_holds_the_value(tmp_path: Path) -> None:
    file = tmp_path / "redis-url"
    file.write_text("redis://cache:6379/0\n")
    assert Settings.load(ISSUER | {"AUTHZ_REDIS_URL_FILE": str(file)}).redis_url == "redis://cache:6379/0"
