"""The command line of operators and scripts: ``authz <what> <do what>``, a table for people, ``--json`` for programs.

A subcommand is imported when it is called: ``authz`` starts at once, and ``authz db`` works before the server can.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from authz.cli.output import report
from authz.errors import AuthzError

if TYPE_CHECKING:
    from collections.abc import Sequence

GROUPS = {
    "audit": "read and verify the audit trail",
    "authorization": "what apps were granted, and why not more",
    "brand": "organisations whose records people share, as apps list them",
    "client": "apps that may ask for access",
    "db": "the database's schema",
    "doctor": "what to mend in the running installation",
    "ehr": "credentials of EHRs",
    "fhir-server": "FHIR servers this server protects",
    "keys": "signing keys and the file of secrets",
    "launch": "launches, as an EHR makes them",
    "purge": "forget what is over, as the server does by itself",
    "registration": "apps that register themselves: review, tokens, trusted issuers",
    "sign-in-provider": "the hospital's own providers, at which people sign in",
    "style": "style documents that apps may follow",
    "support-bundle": "a file for whoever helps, without secrets",
    "user": "people who sign in",
}


class Authz(click.Group):
    """The root command: knows its groups by name and reports every error in one place."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return sorted(GROUPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        if cmd_name not in GROUPS:
            return None
        name = cmd_name.replace("-", "_")
        command = getattr(import_module(f"authz.cli.{name}"), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  click's signature
        with formatter.section("Commands"):
            formatter.write_dl(sorted(GROUPS.items()))

    def main(self, args: Sequence[str] | None = None, *others: Any, **options: Any) -> Any:
        """Run; an error goes to stderr as one line, or as JSON if ``--json`` was given, and the exit code is not 0."""
        words = sys.argv[1:] if args is None else list(args)
        try:
            code = super().main(words, *others, **options | {"standalone_mode": False})
        except (click.ClickException, click.Abort, AuthzError) as error:
            code = report(error, as_json="--json" in words)
        sys.exit(code if isinstance(code, int) else 0)


@click.command(cls=Authz)
@click.version_option(package_name="authz")
def main() -> None:
    """Administer the SMART on FHIR authorization server."""
