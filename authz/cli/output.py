"""What the command line prints: a table for people, ``--json`` for programs, errors on stderr."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

import click

from authz.errors import OAuthError, Unavailable
from authz.settings import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

AS_JSON = "authz.as_json"
Command = TypeVar("Command", bound="Callable[..., Any]")


def json_option(command: Command) -> Command:
    """Give a command ``--json``; what it shows then is one JSON value on stdout."""
    return click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=lambda ctx, _, value: ctx.meta.update({AS_JSON: value}),
        help="Print JSON.",
    )(command)


def show(record: Mapping[str, Any]) -> None:
    """One thing: a JSON object, or a line for each member."""
    if wants_json():
        click.echo(readable(record))
        return
    show_lines(record)


def readable(value: object, indent: int | None = 2) -> str:
    """Names as people read them; what a terminal would obey, from an outsider's ``User-Agent`` say, is escaped."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return "".join(sign if sign.isprintable() or sign == "\n" else json.dumps(sign)[1:-1] for sign in text)


def show_lines(record: Mapping[str, Any]) -> None:
    width = max(map(len, record), default=0)
    for name, value in record.items():
        click.echo(f"{name:<{width}}  {plain(value)}".rstrip())


def show_sheets(records: Sequence[Mapping[str, Any]]) -> None:
    """Several things of many members: a JSON array, or the lines of each with an empty line between them."""
    if wants_json():
        click.echo(readable(list(records)))
        return
    for number, record in enumerate(records):
        if number:
            click.echo()
        show_lines(record)


def show_list(records: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Several things: a JSON array of whole objects, or a table of the named columns."""
    if wants_json():
        click.echo(readable(list(records)))
        return
    rows = [list(columns), *([plain(record.get(column)) for column in columns] for record in records)]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def wants_json() -> bool:
    return bool(click.get_current_context().meta.get(AS_JSON))


def plain(value: Any) -> str:
    """A value in a line of a table; control characters do not reach the terminal."""
    match value:
        case None:
            text = ""
        case bool():
            text = "yes" if value else "no"
        case str():
            text = value
        case [*items] if all(isinstance(item, str) for item in items):
            text = " ".join(items)
        case _:
            text = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else "?" for c in text)


def report(error: Exception, *, as_json: bool) -> int:
    """Tell about an error on stderr; the exit code: 1, or 2 for a person's mistyped command."""
    match error:
        case OAuthError():
            code, text = error.code, error.description
        case click.ClickException():
            code, text = "invalid_command", error.format_message()
        case ConfigurationError():
            code, text = "invalid_configuration", str(error)
        case Unavailable():
            code, text = "temporarily_unavailable", str(error)
        case click.Abort():
            code, text = "aborted", "aborted"
        case _:
            code, text = "failed", str(error)
    if as_json:
        click.echo(readable({"error": code, "error_description": text}, indent=None), err=True)
        return 1
    click.echo("Error: " + "\n".join(map(plain, text.splitlines())), err=True)
    return error.exit_code if isinstance(error, click.ClickException) else 1
