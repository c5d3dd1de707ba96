from __future__ import annotations

from typing import TYPE_CHECKING

import click

from authz.audit.event import EventName
from authz.cli.context import record, services
from authz.cli.output import json_option, show, show_list, wants_json
from authz.support.decisions import Wanted, authorizations, decision, stamp

if TYPE_CHECKING:
    from authz.services import Services

COLUMNS = ("grant_id", "at", "client_id", "sub", "fhir_server", "scope", "trimmed", "revoked_at")
VERDICTS = ("requested", "outcome", "granted", "reason", "detail", "advice")


@click.group()
def authorization() -> None:
    """What apps were granted, and why not more; whoever looks is on the audit trail."""


@authorization.command("list")
@click.option("--client", "client_id", help="By client_id.")
@click.option("--user", help="By login name or sub.")
@click.option("--fhir-server", help="By name.")
@click.option("--live", is_flag=True, help="Only those that were not revoked.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
@json_option
def list_(client_id: str | None, user: str | None, fhir_server: str | None, *, live: bool, limit: int) -> None:
    """Show grants, the newest first; ``trimmed`` says how many scopes were narrowed or dropped."""
    with services() as made:
        wanted = Wanted(client_id, sub_of(made, user), fhir_server, live)
        with made.db.read() as session:
            found = authorizations(session, wanted, limit)
        noted(made, {"client": client_id, "user": wanted.sub, "fhir_server": fhir_server})
    records = [
        {
            "grant_id": grant.id,
            "at": stamp(grant.created_at),
            "client_id": grant.client_id,
            "sub": grant.sub,
            "fhir_server": grant.fhir_server,
            "scope": grant.scope,
            "trimmed": sum(verdict["outcome"] != "granted" for verdict in grant.verdicts),
            "revoked_at": stamp(grant.revoked_at) if grant.revoked_at else None,
        }
        for grant in found
    ]
    show_list(records, COLUMNS)


@authorization.command("show")
@click.argument("id_", metavar="GRANT_ID|SUPPORT_CODE")
@json_option
def show_(id_: str) -> None:
    """Tell what became of each requested scope, why, and what to do about it."""
    with services() as made:
        with made.db.read() as session:
            found = decision(session, id_)
        noted(made, {"authorization": id_})
    if wants_json():
        show(found)
        return
    show({name: value for name, value in found.items() if name != "verdicts" and value is not None})
    if found["verdicts"]:
        click.echo()
        show_list(found["verdicts"], VERDICTS)


def sub_of(made: Services, user: str | None) -> str | None:
    found = made.users.by_name(user) if user else None
    return found.sub if found else user


def noted(made: Services, asked: dict[str, str | None]) -> None:
    with made.db.write() as session:
        record(made, session, EventName.AUDIT_READ, "authorization", detail={n: v for n, v in asked.items() if v})
