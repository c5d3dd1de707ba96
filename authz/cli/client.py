from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from authz.audit.event import EventName
from authz.cli.client_scopes import scopes
from authz.cli.client_sheet import sheet
from authz.cli.context import record, replaced, secret_from_stdin, services
from authz.cli.legacy import legacy
from authz.cli.options import default_grant_types, options, overlap_option
from authz.cli.output import json_option, show, show_list
from authz.clients.metadata import ABOUT, AUTH_METHODS, GRANT_TYPES, ClientMetadata
from authz.clients.registry import HospitalDecisions
from authz.consent.withdraw import withdraw_all
from authz.errors import InvalidValue

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

COLUMNS = ("client_id", "client_name", "token_endpoint_auth_method", "scope", "enabled")
DECISIONS = HospitalDecisions.__slots__
PROOF = ("token_endpoint_auth_method", "jwks", "jwks_uri")  # how the client proves who it is

metadata_options = options(
    click.option("--auth-method", "token_endpoint_auth_method", type=click.Choice(AUTH_METHODS), help="none: public."),
    click.option("--type", "application_type", type=click.Choice(["web", "native"]), help="web is the default."),
    click.option("--redirect-uri", "redirect_uris", multiple=True, help="Complete and constant; repeatable."),
    click.option("--launch-uri", "launch_uris", multiple=True, help="Where an EHR may start the app; repeatable."),
    click.option("--origin", "allowed_origins", multiple=True, help="Of its pages; default: of the redirect URIs."),
    click.option("--web-messaging-origin", "smart_web_messaging_origins", multiple=True, help="Of pages in an EHR."),
    click.option("--scope", help="The most the app may ask for, separated by spaces."),
    click.option("--grant-type", "grant_types", multiple=True, type=click.Choice(GRANT_TYPES), help="Repeatable."),
    click.option("--jwks", type=click.File(), help="A file with the app's public keys."),
    click.option("--jwks-uri", help="Where the app publishes its keys."),
    *(click.option(f"--{name.replace('_', '-')}", name, help="Shown to people.") for name in ABOUT),
    click.option("--contact", "contacts", multiple=True, help="Whom to write to; repeatable."),
    click.option("--post-logout-redirect-uri", "post_logout_redirect_uris", multiple=True, help="Repeatable."),
    click.option("--backchannel-logout-uri", help="Is told when somebody signs out."),
    click.option(
        "--backchannel-logout-session-required/--no-backchannel-logout-session-required",
        default=None,
        help="It needs the session's sid.",
    ),
    click.option("--fhir-server", "fhir_servers", multiple=True, help="Where it may be used; default: everywhere."),
    click.option("--skip-consent-in-ehr-launch/--no-skip-consent-in-ehr-launch", default=None, help="A vetted app."),
    click.option("--required-scope", help="What of the scope the app can not work without; who unticks it refuses."),
    click.option("--app-state-code", "app_state_codes", multiple=True, help="system|code of state it may keep."),
    click.option("--any-loopback-port/--no-any-loopback-port", default=None, help="For native apps (RFC 8252)."),
)


@click.group()
def client() -> None:
    """Apps that may ask for access."""


for command in (legacy, scopes, sheet):
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
@json_option
def show_(client_id: str) -> None:
    """Show one app."""
    with services() as made, made.db.read() as session:
        show(made.clients.metadata(session, client_id))


@client.command()
@click.argument("client_id")
@click.option("--name", "client_name", help="As people read it.")
@metadata_options
@json_option
def update(client_id: str, **given: Any) -> None:
    """Change what is given; a list is replaced as a whole, and cleared by one empty value.

    If the app's keys or its way to authenticate change, or it loses a redirect URI, what it was granted is revoked.
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
            with made.db.write() as session:
                change(session)
        with made.db.read() as session:
            show(made.clients.metadata(session, client_id))


@client.command()
@click.argument("client_id")
@json_option
def disable(client_id: str) -> None:
    """Switch an app off; everything it was granted is revoked."""
    with services() as made:

        def change(session: Session) -> None:
            made.clients.set_enabled(session, client_id, enabled=False)
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
    """Forget an app and people's decisions about it; everything it was granted is revoked."""
    with services() as made:

        def change(session: Session) -> None:
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


def members_and_decisions(given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was given as options: RFC 7591 members, and what the hospital decides."""
    found = {name: value for name, value in given.items() if value not in (None, ())}
    found = {name: replaced(value) if isinstance(value, tuple) else value for name, value in found.items()}
    if "jwks" in found:
        try:
            found["jwks"] = json.load(found["jwks"])
        except ValueError as error:
            raise InvalidValue("--jwks: the file is not JSON") from error
    decisions = {name: found.pop(name) for name in DECISIONS if name in found}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}, decisions
