from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from authz.audit.event import EventName
from authz.cli.context import record, replaced, secret_from_stdin, services
from authz.cli.options import assignments, options, overlap_option
from authz.cli.output import json_option, show, show_list
from authz.consent.withdraw import withdraw_all
from authz.errors import NotFound
from authz.fhir_servers.registry import NewFhirServer
from authz.fhir_servers.server import FHIR_VERSIONS

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from authz.fhir_servers.registry import FhirServer

COLUMNS = ("name", "base_url", "introspection_client_id", "enabled")
BY_NAME = {name: version for version, name in FHIR_VERSIONS.items()}
LISTS = ("aliases", "fhir_versions", "ehr_origins")

settings = options(
    click.option(
        "--upstream-url",
        default=None,
        help="Where this server asks the FHIR server, behind the proxy that enforces; empty: the base URL.",
    ),
    click.option("--alias", "aliases", multiple=True, help="A further spelling of the base URL that apps send as aud."),
    click.option("--fhir-version", "fhir_versions", multiple=True, help="R4 (the default), R4B or R5."),
    click.option("--ehr-origin", "ehr_origins", multiple=True, help="An origin that may frame an EHR launch's pages."),
    click.option("--ceiling", "scope_ceilings", multiple=True, help='What users may delegate: Patient="patient/*.rs".'),
    click.option("--reauthenticate/--no-reauthenticate", default=None, help="Sign in again in every EHR launch."),
    click.option("--vouched-users/--no-vouched-users", default=None, help="Create people first seen in a launch."),
    click.option(
        "--vouched-representatives/--no-vouched-representatives",
        default=None,
        help="Believe an EHR's launch that a RelatedPerson or Person acts for its patient, for as long as its session.",
    ),
    click.option("--redis-launches/--no-redis-launches", default=None, help="EHRs may write launches into Redis."),
    click.option(
        "--staff-picker/--no-staff-picker",
        default=None,
        help="Staff may search its patients. Only if it shows each of them nobody they may not see.",
    ),
    click.option(
        "--launch-picker/--no-launch-picker",
        default=None,
        help="A patient or visit that an EHR launch does not name may be chosen here.",
    ),
    click.option(
        "--patient-search",
        "patient_search",
        multiple=True,
        help="name=family, birthdate=, identifier=, mrn_system=URI, minimum_letters=3, page_size=10.",
    ),
)


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
    """Register a FHIR server; its introspection secret is shown once."""
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


def changes(given: dict[str, Any]) -> dict[str, Any]:
    """The members of NewFhirServer that were given as options."""
    found = {name: value for name, value in given.items() if value not in (None, (), "")}
    if given["upstream_url"] == "":
        found["upstream_url"] = ""
    for name in LISTS:
        if name in found:
            found[name] = replaced(found[name])
    if "fhir_versions" in found:
        found["fhir_versions"] = tuple(BY_NAME.get(version, version) for version in found["fhir_versions"])
    if "scope_ceilings" in found:
        rule = 'a ceiling looks like Patient="patient/*.rs"'
        found["scope_ceilings"] = assignments(replaced(found["scope_ceilings"]), rule)
    if "patient_search" in found:
        found["patient_search"] = assignments(
            replaced(found["patient_search"]), "--patient-search looks like name=family"
        )
    return found


def as_record(server: FhirServer) -> dict[str, Any]:
    return {
        "name": server.name,
        "base_url": server.base_url,
        "upstream_url": server.upstream_url,
        "aliases": list(server.aliases),
        "fhir_versions": list(server.fhir_versions),
        "ehr_origins": list(server.ehr_origins),
        "introspection_client_id": server.introspection_client_id,
        "scope_ceilings": {user_type: str(scopes) for user_type, scopes in server.scope_ceilings.items()},
        "reauthenticate": server.reauthenticate,
        "vouched_users": server.vouched_users,
        "vouched_representatives": server.vouched_representatives,
        "redis_launches": server.redis_launches,
        "staff_picker": server.staff_picker,
        "launch_picker": server.launch_picker,
        "patient_search": server.patient_search.as_dict(),
        "enabled": server.enabled,
    }
