from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Self

import pytest
from click.testing import CliRunner

from authz.cli import main
from tests.prepared import folder
from tests.world import settings_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.world import World


@dataclass
class Cli:
    """An operator at the command line of one installation."""

    environ: dict[str, str]

    @classmethod
    def of(cls, world: World) -> Self:
        """The operator of a world's server."""
        settings = world.services.settings
        return cls(
            {
                "AUTHZ_ISSUER": settings.issuer,
                "AUTHZ_DATABASE_URL": str(settings.database_url),
                "AUTHZ_SHORT_LIVED_PATH": str(settings.short_lived_path),
                "AUTHZ_KEYS_DIR": str(settings.keys_dir),
            }
        )

    def run(self, *words: str, stdin: str = "") -> tuple[int, str, str]:
        """The exit code, and what came on stdout and stderr."""
        result = CliRunner(catch_exceptions=False).invoke(main, list(words), input=stdin, env=self.environ)
        return result.exit_code, result.stdout, result.stderr

    def __call__(self, *words: str, stdin: str = "") -> Any:
        """The JSON value that a command shows."""
        code, out, err = self.run(*words, "--json", stdin=stdin)
        assert (code, err) == (0, "")
        return json.loads(out)

    def refused(self, *words: str, stdin: str = "") -> dict[str, str]:
        """The JSON error of a command that fails."""
        code, out, err = self.run(*words, "--json", stdin=stdin)
        assert (code, out) == (1, "")
        error: dict[str, str] = json.loads(err)
        assert set(error) == {"error", "error_description"}
        return error


def installed_in(folder: Path) -> Cli:
    settings = settings_in(folder)
    return Cli(
        {
            "AUTHZ_ISSUER": settings.issuer,
            "AUTHZ_DATABASE_URL": settings.database_url,
            "AUTHZ_SHORT_LIVED_PATH": str(settings.short_lived_path),
            "AUTHZ_KEYS_DIR": str(settings.keys_dir),
        }
    )


@cache
def ready() -> Path:
    """The folder of an installation after the first three commands of every one; run once for each process."""
    made = folder("cli")
    operator = installed_in(made)
    operator("keys", "secrets")
    operator("db", "upgrade")
    operator("keys", "generate")
    return made


@pytest.fixture
def empty(tmp_path: Path) -> Cli:
    """An installation with settings and nothing else."""
    return installed_in(tmp_path)


@pytest.fixture
def authz(empty: Cli, tmp_path: Path) -> Cli:
    """An installation that is ready to be administered: schema, secrets, a signing key. A copy of ``ready``."""
    shutil.copytree(ready(), tmp_path, dirs_exist_ok=True)
    return empty


@pytest.fixture
def hospital(authz: Cli) -> Cli:
    """One with a FHIR server."""
    authz("fhir-server", "add", "main", "--base-url", "https://fhir.example/r4")
    return authz
