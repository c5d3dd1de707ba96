"""``authz registration issuer``: whose software statements are believed (RFC 7591 §2.3)."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

import click

from authz.audit.event import EventName
from authz.cli.context import record, services
from authz.cli.output import json_option, show, show_list
from authz.errors import InvalidValue
from authz.registration.lanes import Lane
from authz.registration.statements import NewIssuer

if TYPE_CHECKING:
    from authz.registration.model import StatementIssuerRow

COLUMNS = ("iss", "lanes", "approves", "scope", "jwks_uri")
LANES = [lane.value for lane in Lane]


@click.group()
def issuer() -> None:
    """Who may speak for apps by signed software statements."""


@issuer.command()
@click.argument("iss")
@click.option("--jwks", type=click.File(), help="A file with its public keys.")
@click.option("--jwks-uri", help="Where it publishes them.")
@click.option("--lane", "lanes", multiple=True, type=click.Choice(LANES), help="For which apps; default: all.")
@click.option("--scope", default="", help="The most its apps may ask for; default: what their lane allows.")
@click.option("--approves", is_flag=True, help="What it states in full is approved at once, without a review.")
@json_option
def add(iss: str, jwks: IO[str] | None, lanes: tuple[str, ...], **given: Any) -> None:
    """Trust an issuer, named as in its statements."""
    try:
        keys = None if jwks is None else json.load(jwks)
    except ValueError as error:
        raise InvalidValue("--jwks: the file is not JSON") from error
    with services() as made, made.db.write() as session:
        new = NewIssuer(iss, keys, lanes=tuple(map(Lane, lanes or LANES)), **given)
        row = made.registration.statements.add(session, new)
        detail = {"issuer": row.iss, "lanes": row.lanes, "approves": row.approves}
        record(made, session, EventName.REGISTRATION_CHANGED, "issuer_added", detail=detail)
        show(as_record(row))


@issuer.command("list")
@json_option
def list_() -> None:
    """List the issuers that are trusted."""
    with services() as made, made.db.read() as session:
        show_list([as_record(row) for row in made.registration.statements.all(session)], COLUMNS)


@issuer.command()
@click.argument("iss")
@json_option
def remove(iss: str) -> None:
    """Believe nothing more of an issuer; the apps that it stated stay as they are."""
    with services() as made, made.db.write() as session:
        made.registration.statements.remove(session, iss)
        record(made, session, EventName.REGISTRATION_CHANGED, "issuer_removed", detail={"issuer": iss})
    show({"iss": iss, "removed": True})


def as_record(row: StatementIssuerRow) -> dict[str, Any]:
    return {
        "iss": row.iss,
        "jwks": row.jwks,
        "jwks_uri": row.jwks_uri,
        "lanes": row.lanes,
        "approves": row.approves,
        "scope": row.scope,
    }
