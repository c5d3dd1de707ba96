"""``authz registration token``: initial access tokens, by which partners register apps (RFC 7591 §3)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from authz.audit.event import EventName
from authz.cli.context import record, services
from authz.cli.output import json_option, show, show_list
from authz.registration.initial_tokens import NewInitialToken
from authz.registration.lanes import Lane

if TYPE_CHECKING:
    from authz.registration.model import InitialAccessTokenRow

COLUMNS = ("id", "label", "fhir_server", "lanes", "approves", "used", "quota", "expires_at", "revoked_at")
LANES = [lane.value for lane in Lane]


@click.group()
def token() -> None:
    """Initial access tokens: whoever has one may register so many apps."""


@token.command()
@click.argument("label")
@click.option("--quota", default=1, show_default=True, type=click.IntRange(1, 10_000), help="How many apps.")
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 366), help="How long it is good.")
@click.option("--lane", "lanes", multiple=True, type=click.Choice(LANES), help="For which apps; default: all.")
@click.option("--fhir-server", help="Its apps are tied to this one.")
@click.option("--approves", is_flag=True, help="What comes by it is approved at once, without a review.")
@json_option
def issue(label: str, days: int, lanes: tuple[str, ...], **given: Any) -> None:
    """Make one for whoever LABEL names; it is shown once."""
    with services() as made, made.db.write() as session:
        new = NewInitialToken(
            label=label,
            expires_at=made.now() + timedelta(days=days),
            lanes=tuple(map(Lane, lanes or LANES)),
            **given,
        )
        row, secret = made.registration.initial_tokens.issue(session, new)
        detail = {"token": row.id, "label": row.label, "quota": row.quota, "approves": row.approves}
        about = {"fhir_server": row.fhir_server, "detail": detail}
        record(made, session, EventName.REGISTRATION_CHANGED, "token_issued", **about)
    show(as_record(row) | {"initial_access_token": secret})


@token.command("list")
@json_option
def list_() -> None:
    """List them, those that are over too; never the tokens themselves."""
    with services() as made, made.db.read() as session:
        show_list([as_record(row) for row in made.registration.initial_tokens.all(session)], COLUMNS)


@token.command()
@click.argument("token_id")
@json_option
def revoke(token_id: str) -> None:
    """End one; the apps that were registered by it stay."""
    with services() as made, made.db.write() as session:
        row = made.registration.initial_tokens.revoke(session, token_id)
        detail = {"token": row.id, "label": row.label}
        about = {"fhir_server": row.fhir_server, "detail": detail}
        record(made, session, EventName.REGISTRATION_CHANGED, "token_revoked", **about)
    show(as_record(row))


def as_record(row: InitialAccessTokenRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "label": row.label,
        "fhir_server": row.fhir_server,
        "lanes": row.lanes,
        "approves": row.approves,
        "used": row.used,
        "quota": row.quota,
        "expires_at": row.expires_at.isoformat(),
        "revoked_at": row.revoked_at.isoformat() if row.revoked_at else None,
    }
