from __future__ import annotations

import json
from datetime import timedelta
from typing import IO, TYPE_CHECKING, Any

import click

from authz.audit.event import EventName
from authz.cli.context import record, secret_from_stdin, services
from authz.cli.options import overlap_option
from authz.cli.output import json_option, show, show_list
from authz.errors import InvalidValue, NotFound
from authz.storage.turns import alone, of_ehr

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from authz.fhir_servers.registry import Ehr
    from authz.services import Services

COLUMNS = ("client_id", "fhir_servers", "enabled")

fhir_servers_option = click.option(
    "--fhir-server", "fhir_servers", multiple=True, required=True, help="Where it may create launches; repeatable."
)


@click.group()
def ehr() -> None:
    """Credentials of EHRs, bound to their FHIR servers."""


@ehr.command()
@fhir_servers_option
@click.option("--client-id", default="", help="Made by the server if not given.")
@click.option("--client-secret-stdin", is_flag=True, help="Read the secret from stdin instead of making one.")
@json_option
def add(fhir_servers: tuple[str, ...], client_id: str, *, client_secret_stdin: bool) -> None:
    """Make a credential for an EHR's back end; its secret is shown once."""
    secret = secret_from_stdin() if client_secret_stdin else None
    with services() as made, made.db.write() as session:
        added, secret = made.ehrs.add(session, fhir_servers, client_id, secret)
        detail = {"fhir_servers": sorted(added.fhir_servers)}
        record(made, session, EventName.EHR_CHANGED, "added", client_id=added.client_id, detail=detail)
    show(as_record(added) | {"client_secret": secret})


@ehr.command("list")
@json_option
def list_() -> None:
    """List the credentials."""
    with services() as made:
        show_list([as_record(found) for found in made.ehrs.all()], COLUMNS)


@ehr.command("show")
@click.argument("client_id")
@json_option
def show_(client_id: str) -> None:
    """Show one credential."""
    with services() as made:
        show(as_record(found(made, client_id)))


@ehr.command()
@click.argument("client_id")
@fhir_servers_option
@json_option
def update(client_id: str, fhir_servers: tuple[str, ...]) -> None:
    """Replace the FHIR servers the credential is good for; at others its launches end as if it were switched off."""
    with services() as made:

        def change(session: Session) -> None:
            changed = made.ehrs.bind(session, client_id, fhir_servers)
            detail = {"fhir_servers": sorted(changed.fhir_servers)}
            record(made, session, EventName.EHR_CHANGED, "updated", client_id=client_id, detail=detail)

        made.revocation.revoke_ehr(client_id, "ehr_changed", within=change, kept_at=fhir_servers)
        show(as_record(found(made, client_id)))


@ehr.command("set-keys")
@click.argument("client_id")
@click.argument("file", type=click.File())
@json_option
def set_keys(client_id: str, file: IO[str]) -> None:
    """Let an EHR sign launches: FILE (or -) has its public keys, a JWK Set for RS384 or ES384.

    Launches by a key that is not in it are believed no more, waiting ones included; what was granted stays.
    """
    try:
        jwks = json.load(file)
    except ValueError as error:
        raise InvalidValue(f"{file.name}: is not JSON") from error
    change_keys(client_id, jwks, "keys_set")


@ehr.command("remove-keys")
@click.argument("client_id")
@json_option
def remove_keys(client_id: str) -> None:
    """Believe no launch that an EHR signed, waiting ones included; what was granted stays."""
    change_keys(client_id, None, "keys_removed")


def change_keys(client_id: str, jwks: dict[str, Any] | None, reason: str) -> None:
    with services() as made, made.db.write() as session:
        alone(session, of_ehr(client_id))
        changed = made.ehrs.set_keys(session, client_id, jwks)
        detail = {"kids": as_record(changed)["keys"]}
        record(made, session, EventName.EHR_CHANGED, reason, client_id=client_id, detail=detail)
    show(as_record(changed))


@ehr.command()
@click.argument("client_id")
@json_option
def disable(client_id: str) -> None:
    """Switch a credential off: its launches that wait open nothing, what others opened is revoked."""
    with services() as made:

        def change(session: Session) -> None:
            made.ehrs.set_enabled(session, client_id, enabled=False)
            record(made, session, EventName.EHR_CHANGED, "disabled", client_id=client_id)

        revoked = made.revocation.revoke_ehr(client_id, "ehr_disabled", within=change)
    show({"client_id": client_id, "enabled": False, "revoked_grants": revoked})


@ehr.command()
@click.argument("client_id")
@json_option
def enable(client_id: str) -> None:
    """Switch a credential on again; what was revoked stays revoked."""
    with services() as made, made.db.write() as session:
        made.ehrs.set_enabled(session, client_id, enabled=True)
        record(made, session, EventName.EHR_CHANGED, "enabled", client_id=client_id)
    show({"client_id": client_id, "enabled": True})


@ehr.command()
@click.argument("client_id")
@json_option
def remove(client_id: str) -> None:
    """Forget a credential: its launches that wait open nothing, what others opened is revoked."""
    with services() as made:

        def change(session: Session) -> None:
            made.ehrs.remove(session, client_id)
            record(made, session, EventName.EHR_CHANGED, "removed", client_id=client_id)

        revoked = made.revocation.revoke_ehr(client_id, "ehr_removed", within=change)
    show({"client_id": client_id, "removed": True, "revoked_grants": revoked})


@ehr.command("rotate-secret")
@click.argument("client_id")
@overlap_option
@json_option
def rotate_secret(client_id: str, overlap_seconds: int) -> None:
    """Make a new secret, shown once."""
    with services() as made, made.db.write() as session:
        secret = made.ehrs.rotate_secret(session, client_id, timedelta(seconds=overlap_seconds))
        detail = {"overlap_seconds": overlap_seconds}
        record(made, session, EventName.EHR_CHANGED, "secret_rotated", client_id=client_id, detail=detail)
    show({"client_id": client_id, "client_secret": secret})


def found(made: Services, client_id: str) -> Ehr:
    ehr = made.ehrs.get(client_id)
    if ehr is None:
        raise NotFound(f"{client_id}: there is no EHR of this client id")
    return ehr


def as_record(found: Ehr) -> dict[str, Any]:
    return {
        "client_id": found.client_id,
        "fhir_servers": sorted(found.fhir_servers),
        "keys": [key["kid"] for key in found.jwks["keys"]] if found.jwks else [],
        "enabled": found.enabled,
    }
