"""Writes the pages that follow from the code: settings, command line, launch record, rules with their tests.

``--check`` writes nothing and fails if a page is not what the code says.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import MISSING, fields
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import click

from authz.cli import main as command_line
from authz.doctor.finding import KINDS
from authz.launch.reference import reference as launch_record
from authz.settings import Settings
from authz.support.explanations import REFUSALS, SCOPES
from docs.bounds import limits_page
from docs.citations import RULES, Citations, Rules
from docs.conformance import cases_page, conformance_page
from docs.events import events_page
from docs.openapi import openapi_page
from docs.standards import standards_page

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).resolve().parent


def settings_page() -> str:
    """A table of every field of Settings with its docstring."""
    source = Path(sys.modules[Settings.__module__].__file__ or "")
    lines = [
        "# Settings",
        "",
        "Read in this order: `config/default.toml`, the TOML file named by `AUTHZ_CONFIG`, the environment. Every",
        "setting is also `AUTHZ_<NAME>`; `AUTHZ_<NAME>_FILE` names a file that holds the value. All problems are",
        "reported at once, and the server does not start with any.",
        "",
        "| setting | default | meaning |",
        "|---|---|---|",
    ]
    meanings = dict(docstrings(source))
    for field in fields(Settings):
        default = "required" if field.default is MISSING else f"`{field.default}`" if field.default else "empty"
        meaning = " ".join(meanings[field.name].split()).replace("|", "\\|")
        lines.append(f"| `{field.name}` | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


def docstrings(source: Path) -> Iterator[tuple[str, str]]:
    """The string that follows each annotated field of the class."""
    module = ast.parse(source.read_text())
    body = next(node.body for node in module.body if isinstance(node, ast.ClassDef) and node.name == "Settings")
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            yield ast.unparse(field.target), str(text.value.value)


def cli_page() -> str:
    """Every command with its help."""
    about = "`--json` prints JSON for programs; errors are then JSON on stderr, exit code 1."
    lines = ["# Command line", "", about, ""]
    for path, command in commands(command_line, "authz"):
        context = click.Context(command, info_name=path, terminal_width=100, max_content_width=100)
        lines += [f"## {path}", "", "```text", command.get_help(context), "```", ""]
    return "\n".join(lines)


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        if found is not None:
            yield from commands(found, f"{path} {name}")


def doctor_page() -> str:
    """A table of everything ``authz doctor`` can find."""
    lines = [
        "# What authz doctor finds",
        "",
        "`authz doctor` changes nothing and waits five seconds for an answer. Exit code 1 if there is an error.",
        '`--json` prints `{"findings": [{"id", "severity", "about", "problem", "fix"}]}`; an id stays what it is.',
        "",
        "| id | severity | fix |",
        "|---|---|---|",
    ]
    lines += [f"| `{name}` | {kind.severity.value} | {kind.fix} |" for name, kind in sorted(KINDS.items())]
    return "\n".join(lines) + "\n"


def reasons_page() -> str:
    """The reasons of refusals and verdicts, as ``/support`` shows them."""
    lines = [
        "# Reasons",
        "",
        "Why a request was refused, or a scope narrowed or dropped. The server shows the same at `/support`.",
    ]
    for title, table in (("Refusals", REFUSALS), ("Scopes", SCOPES)):
        lines += ["", f"## {title}", "", "| reason | meaning | what to do |", "|---|---|---|"]
        lines += [f"| `{reason}` | {why.meaning} | {why.advice} |" for reason, why in table.items()]
    return "\n".join(lines) + "\n"


def pages() -> dict[str, str]:
    """The pages by their path under docs."""
    citations = cited()
    return {
        "conformance.md": conformance_page(citations),
        "reference/settings.md": settings_page(),
        "reference/cli.md": cli_page(),
        "reference/launch-record.md": launch_record(),
        "reference/doctor.md": doctor_page(),
        "reference/limits.md": limits_page(),
        "reference/reasons.md": reasons_page(),
        "reference/events.md": events_page(),
        "reference/openapi.json": openapi_page(),
        "reference/tests.md": cases_page(citations),
        "reference/standards.md": standards_page(citations),
    }


@cache
def cited() -> Citations:
    return Citations.read(Rules.load(RULES.read_text()))


def main() -> int:
    stale = []
    for name, text in pages().items():
        page = DOCS / name
        if "--check" in sys.argv[1:]:
            stale += [name] if not page.exists() or page.read_text() != text else []
        else:
            page.write_text(text)
    for about, ids in (("open", cited().open), ("unknown", cited().unknown), ("excused", cited().excused)):
        if ids:
            sys.stdout.write(f"{len(ids)} rules are {about}: {' '.join(ids)}\n")
    if stale:
        sys.stderr.write(f"not what the code says, run `make docs`: {', '.join(stale)}\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
