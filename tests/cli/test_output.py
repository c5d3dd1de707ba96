from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def test_people_read_a_table(hospital: Cli) -> None:
    hospital("client", "add", "--name", "An app", "--client-id", "a", "--redirect-uri", "https://a.example/")
    code, out, err = hospital.run("client", "list")
    assert (code, err) == (0, "")
    assert out == (
        "client_id  client_name  token_endpoint_auth_method  scope  enabled\n"
        "a          An app       client_secret_basic                yes\n"
    )
    code, out, err = hospital.run("client", "disable", "a")
    assert (code, out, err) == (0, "client_id       a\nenabled         no\nrevoked_grants  0\n", "")


def test_people_read_an_error_as_a_sentence(hospital: Cli) -> None:
    assert hospital.run("client", "show", "b") == (1, "", "Error: b: there is no client of this id\n")
    code, out, err = hospital.run("client", "nix")
    assert (code, out, err) == (2, "", "Error: No such command 'nix'.\n")


def test_an_installation_without_settings_or_secrets_says_so(empty: Cli) -> None:
    """security.md KT-09: a clear message, nothing is made up."""
    code, out, err = empty.run("client", "list")
    assert (code, out) == (1, "")
    assert err.startswith("Error: ")
    assert "secrets.json" in err
    assert empty.refused("client", "list")["error"] == "invalid_configuration"
    empty.environ["AUTHZ_CODE_SECONDS"] = "601"
    assert empty.refused("db", "current") == {
        "error": "invalid_configuration",
        "error_description": "code_seconds: at most 600",
    }


def test_a_database_that_is_not_there_is_unavailable(empty: Cli) -> None:
    empty.environ["AUTHZ_DATABASE_URL"] = "postgresql+psycopg://nobody@127.0.0.1:9/none"
    assert empty.refused("db", "current")["error"] == "temporarily_unavailable"


def test_control_characters_do_not_reach_the_terminal(hospital: Cli) -> None:
    code, _, err = hospital.run("client", "show", "\x1b[31m")
    assert code == 1
    assert "\x1b" not in err


def test_the_help_needs_none_of_the_server() -> None:
    """The command line starts at once: a subcommand is imported when it is called."""
    program = "import sys; from authz.cli import main; main(['--help'], standalone_mode=False)"
    program = (
        f"try:\n  exec({program!r})\nfinally:\n  print(sorted({{'flask', 'sqlalchemy', 'authlib'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", f"import sys\n{program}"], capture_output=True, text=True, check=True)
    assert "fhir-server" in done.stdout
    assert done.stdout.rstrip().endswith("[]")
