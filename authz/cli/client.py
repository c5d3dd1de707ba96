from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from authz.audit.event import EventName
from authz.cli.client_logo import logo
from authz.cli.client_options import members_and_decisions, metadata_options
from authz.cli.client_scopes import scopes
from authz.cli.client_sheet import sheet as integration_sheet
from authz.cli.context import operator, record, secret_from_stdin, services
from authz.cli.legacy import legacy
from authz.cli.options import default_grant_types, overlap_option
from authz.cli.output import json_option, show, show_list
from authz.clients.metadata import ClientMetadata
from authz.clients.registry import HospitalDecisions
from authz.consent.withdraw import withdraw_all

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

COLUMNS = ("client_id", "client_name", "token_endpoint_auth_method", "scope", "enabled")
PROOF = ("token_endpoint_auth_method", "jwks", "jwks_uri")  # how the client proves who it is


@click.group()
def client() -> None:
    """Apps that may ask for access."""


for command in (legacy, logo, scopes, integration_sheet):
    client.add_command(command)


@client.command()
@click.option("--name", "client_name", required=True, help="As people read it.")
@metadata_options
@click.option("--client-id", default="", help="Made by the server if not given.")
@click.option("--client-secret-stdin", is_flag=True, help="Read the secret from stdin instead of making one.")
@json_option
def add(client_id: str, *, client_secret_stdin: bool, **given: Any) -> None:
    """Register an app; the secret of a confidential one is shown once."""
    members, decisions = members_and_decisions(given)
    members.setdefault("grant_types", default_grant_types(members.get("scope", "")))
    secret = secret_from_stdin() if client_secret_stdin else None
    metadata = ClientMetadata.load(members)
    with services() as made, made.db.write() as session:
        added, secret = made.clients.add(session, metadata, HospitalDecisions(**decisions), client_id, secret)
        record(made, session, EventName.CLIENT_CHANGED, "added", client_id=added.client_id, scope=str(added.scope))
        shown = made.clients.metadata(session, added.client_id)
    if secret is not None:
        shown |= {"client_secret": secret, "client_secret_expires_at": 0}
    show(shown)


@client.command("list")
@json_option
def list_() -> None:
    """List the apps."""
    with services() as made:
        everyone = made.clients.all()
        with made.db.read() as session:
            show_list([made.clients.metadata(session, found.client_id) for found in everyone], COLUMNS)


@client.command("show")
@click.argument("client_id")
@click.option("--sheet", is_flag=True, help="What its developers need, as authz client sheet shows it.")
@json_option
@click.pass_context
def show_(context: click.Context, client_id: str, *, sheet: bool) -> None:
    """Show one app."""
    if sheet:
        context.invoke(integration_sheet, client_id=client_id)
        return
    with services() as made, made.db.read() as session:
        show(made.clients.metadata(session, client_id))


@client.command()
@click.argument("client_id")
@click.option("--name", "client_name", help="As people read it.")
@metadata_options
@json_option
def update(client_id: str, **given: Any) -> None:
    """Change what is given; a list is replaced as a whole, and cleared by one empty value.

    If the app's keys or its way to authenticate change, or it loses a redirect URI, what it was granted is revoked; if
    it loses a FHIR server, what it was granted there.
    """
    members, decisions = members_and_decisions(given)
    with services() as made:

        def change(session: Session) -> None:
            made.clients.update(session, client_id, members, decisions)
            detail = {"changed": sorted({**members, **decisions})}
            record(made, session, EventName.CLIENT_CHANGED, "updated", client_id=client_id, detail=detail)

        before = made.clients.find(client_id)
        lost = before is not None and set(before.redirect_uris) - set(
            members.get("redirect_uris", before.redirect_uris)
        )
        if lost or any(name in members for name in PROOF):
            made.revocation.revoke_client(client_id, "client_changed", within=change)
        else:
            kept_at = decisions.get("fhir_servers", ())
            made.revocation.revoke_elsewhere(client_id, kept_at, "client_changed", within=change)
        with made.db.read() as session:
            show(made.clients.metadata(session, client_id))


@client.command()
@click.argument("client_id")
@json_option
def disable(client_id: str) -> None:
    """Switch an app off; everything it was granted is revoked, and what came of launches that it made for an EHR."""
    with services() as made:

        def change(session: Session) -> None:
            made.clients.set_enabled(session, client_id, enabled=False)
            made.registration.review.switched_off(session, client_id, operator())
            record(made, session, EventName.CLIENT_CHANGED, "disabled", client_id=client_id)

        revoked = made.revocation.revoke_client(client_id, "client_disabled", within=change)
    show({"client_id": client_id, "enabled": False, "revoked_grants": revoked})


@client.command()
@click.argument("client_id")
@json_option
def enable(client_id: str) -> None:
    """Switch an app on again; what was revoked stays revoked."""
    with services() as made, made.db.write() as session:
        made.clients.set_enabled(session, client_id, enabled=True)
        record(made, session, EventName.CLIENT_CHANGED, "enabled", client_id=client_id)
    show({"client_id": client_id, "enabled": True})


@client.command()
@click.argument("client_id")
@json_option
def remove(client_id: str) -> None:
    """Forget an app and people's decisions about it; what it was granted or its launches opened is revoked."""
    with services() as made:

        def change(session: Session) -> None:
            made.registration.review.switched_off(session, client_id, operator())
            made.clients.remove(session, client_id)
            withdraw_all(session, made.now(), client_id=client_id)
            record(made, session, EventName.CLIENT_CHANGED, "removed", client_id=client_id)

        revoked = made.revocation.revoke_client(client_id, "client_removed", within=change)
    show({"client_id": client_id, "removed": True, "revoked_grants": revoked})


@client.command("rotate-secret")
@click.argument("client_id")
@overlap_option
@json_option
def rotate_secret(client_id: str, overlap_seconds: int) -> None:
    """Make a new secret, shown once."""
    with services() as made, made.db.write() as session:
        secret = made.clients.rotate_secret(session, client_id, timedelta(seconds=overlap_seconds))
        detail = {"overlap_seconds": overlap_seconds}
        record(made, session, EventName.CLIENT_CHANGED, "secret_rotated", client_id=client_id, detail=detail)
    show({"client_id": client_id, "client_secret": secret, "client_secret_expires_at": 0})
