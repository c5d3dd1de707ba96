"""What the commands that read the trail can be asked for, and their own entry on it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC
from typing import TYPE_CHECKING, Any

import click

from authz.audit.event import EventName
from authz.audit.search import Query
from authz.cli.context import record
from authz.cli.options import options

if TYPE_CHECKING:
    from datetime import datetime

    from authz.services import Services

TIME = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"])

between = options(
    click.option("--since", type=TIME, help="From this time on; UTC if it says nothing else."),
    click.option("--until", type=TIME, help="Before this time."),
)
filters = options(
    click.option("--user", "sub", help="By sub."),
    click.option("--patient", help="By logical id."),
    click.option("--client", "client_id"),
    click.option("--fhir-server", "fhir_server"),
    click.option("--event", type=click.Choice([name.value for name in EventName])),
    click.option("--break-glass", is_flag=True, help="Protected records that staff opened with a reason."),
    click.option("--outcome", type=click.Choice(["success", "refused"])),
    click.option("--grant", "grant_id"),
    click.option("--token-id", "token_id", help="By jti."),
    click.option("--launch", "launch_id", help="By launch_id."),
    click.option("--support-code", "support_code", help="The code on an error page or in an error_description."),
    click.option("--request-id", "request_id", help="By the X-Request-Id that joins the logs of several servers."),
    between,
    click.option("--after", help="Go on after the record of this id: the next page."),
)


def query(asked: dict[str, Any], **more: Any) -> Query:
    wanted = {name: value for name, value in asked.items() if name != "break_glass"} | more
    if asked.get("break_glass"):
        wanted["event"] = EventName.GLASS_BROKEN.value
    return Query(**wanted | {name: utc(wanted.get(name)) for name in ("since", "until")})


def utc(time: datetime | None) -> datetime | None:
    return time if time is None or time.tzinfo else time.replace(tzinfo=UTC)


def noted(made: Services, event: EventName, reason: str, asked: Query | None = None, **more: Any) -> None:
    """Reading is on the trail too, with what was asked (security.md 4.1)."""
    members = {} if asked is None else asdict(asked)
    wanted = {name: str(value) for name, value in members.items() if value not in (None, False)}
    with made.db.write() as session:
        record(made, session, event, reason, detail={**wanted, **more})
