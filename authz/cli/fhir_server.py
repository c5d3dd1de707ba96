from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from authz.audit.event import EventName
from authz.cli.context import record, secret_from_stdin, services
from authz.cli.fhir_server_options import as_record, changes, settings
from authz.cli.options import overlap_option
from authz.cli.output import json_option, show, show_list
from authz.consent.withdraw import withdraw_all
from authz.errors import InvalidValue, NotFound
from authz.fhir_servers.branding import MAX_LOGO_BYTES
from authz.fhir_servers.registry import NewFhirServer
from authz.registration.trials import end_trials

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

COLUMNS = ("name", "base_url", "introspection_client_id", "enabled")


@click.group()
def fhir_server() -> None:
    """FHIR servers this server protects."""


@fhir_server.command()
@click.argument("name")
@click.option("--base-url", required=True, help="What apps call iss and aud.")
@settings
@click.option("--introspection-client-id", default="", help="Made by the server if not given.")
@click.option("--introspection-secret-stdin", is_flag=True, help="Read the secret from stdin instead of making one.")
@json_option
def add(name: str, base_url: str, *, introspection_secret_stdin: bool, **given: Any) -> None:
    """Register a FHIR server; its introspection secret is shown once.

    Sign-in providers that name no --fhir-server serve this one too: of them a FHIR user is believed only with its URL.
    """
    secret = secret_from_stdin() if introspection_secret_stdin else None
    new = NewFhirServer(name, base_url, **changes(given))
    with services() as made, made.db.write() as session:
        server, secret = made.fhir_servers.add(session, new, secret)
        record(made, session, EventName.FHIR_SERVER_CHANGED, "added", fhir_server=name)
    show(as_record(server) | {"introspection_client_secret": secret})


@fhir_server.command("list")
@json_option
def list_() -> None:
    """List the FHIR servers."""
    with services() as made:
        show_list([as_record(server) for server in made.fhir_servers.all()], COLUMNS)


@fhir_server.command("show")
@click.argument("name")
@json_option
def show_(name: str) -> None:
    """Show one FHIR server."""
    with services() as made:
        server = made.fhir_servers.get(name)
    if server is None:
        raise NotFound(f"{name}: there is no FHIR server of this name")
    show(as_record(server))


@fhir_server.command()
@click.argument("name")
@click.option("--base-url", help="Tokens for the old one are revoked.")
@settings
@json_option
def update(name: str, base_url: str | None, **given: Any) -> None:
    """Change what is given; a list is replaced as a whole, and cleared by one empty value."""
    wanted = changes(given) | ({} if base_url is None else {"base_url": base_url})
    with services() as made:

        def change(session: Session) -> None:
            made.fhir_servers.update(session, name, wanted)
            detail = {"changed": sorted(wanted)}
            record(made, session, EventName.FHIR_SERVER_CHANGED, "updated", fhir_server=name, detail=detail)

        before = made.fhir_servers.get(name)
        if before is not None and base_url not in (None, before.base_url):
            made.revocation.revoke_fhir_server(name, "base_url_changed", within=change)
        elif {"is_sandbox", "sandbox_patients"} & wanted.keys():
            end_trials(made.revocation, name, change)
        else:
            with made.db.write() as session:
                change(session)
        after = made.fhir_servers.get(name)
    assert after is not None
    show(as_record(after))


@fhir_server.command()
@click.argument("name")
@json_option
def disable(name: str) -> None:
    """Switch a FHIR server off; everything granted for it is revoked."""
    with services() as made:

        def change(session: Session) -> None:
            made.fhir_servers.set_enabled(session, name, enabled=False)
            record(made, session, EventName.FHIR_SERVER_CHANGED, "disabled", fhir_server=name)

        revoked = made.revocation.revoke_fhir_server(name, "fhir_server_disabled", within=change)
    show({"name": name, "enabled": False, "revoked_grants": revoked})


@fhir_server.command()
@click.argument("name")
@json_option
def enable(name: str) -> None:
    """Switch a FHIR server on again; what was revoked stays revoked."""
    with services() as made, made.db.write() as session:
        made.fhir_servers.set_enabled(session, name, enabled=True)
        record(made, session, EventName.FHIR_SERVER_CHANGED, "enabled", fhir_server=name)
    show({"name": name, "enabled": True})


@fhir_server.command()
@click.argument("name")
@json_option
def remove(name: str) -> None:
    """Forget a FHIR server and who is who there; everything granted for it is revoked."""
    with services() as made:

        def change(session: Session) -> None:
            made.fhir_servers.remove(session, name)
            withdraw_all(session, made.now(), fhir_server=name)
            record(made, session, EventName.FHIR_SERVER_CHANGED, "removed", fhir_server=name)

        revoked = made.revocation.revoke_fhir_server(name, "fhir_server_removed", within=change)
    show({"name": name, "removed": True, "revoked_grants": revoked})


@fhir_server.command("rotate-secret")
@click.argument("name")
@overlap_option
@json_option
def rotate_secret(name: str, overlap_seconds: int) -> None:
    """Make a new introspection secret, shown once."""
    with services() as made, made.db.write() as session:
        secret = made.fhir_servers.rotate_secret(session, name, timedelta(seconds=overlap_seconds))
        detail = {"overlap_seconds": overlap_seconds}
        record(made, session, EventName.FHIR_SERVER_CHANGED, "secret_rotated", fhir_server=name, detail=detail)
    show({"name": name, "introspection_client_secret": secret})


@fhir_server.command()
@click.argument("name")
@click.option("--file", "png", type=click.File("rb"), help="A PNG of at most 64 KB and 1024 pixels.")
@click.option("--remove", is_flag=True, help="Show ours again.")
@json_option
def logo(name: str, png: BinaryIO | None, *, remove: bool) -> None:
    """Show the hospital's logo on a FHIR server's pages."""
    if (png is None) is not remove:
        raise InvalidValue("give either --file or --remove")
    content = None if png is None else png.read(MAX_LOGO_BYTES + 1)
    with services() as made, made.db.write() as session:
        server = made.fhir_servers.set_logo(session, name, content)
        detail = {"changed": ["logo"]}
        record(made, session, EventName.FHIR_SERVER_CHANGED, "updated", fhir_server=name, detail=detail)
    show(as_record(server))
