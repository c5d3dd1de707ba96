"""How people sign in for a FHIR server, and which of its resources they are: ``authz sign-in-provider rules|map``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from authz.audit.event import EventName
from authz.cli.context import record, replaced, services, the_fhir_server
from authz.cli.output import json_option, show, show_list
from authz.cli.people import fhir_server_option, reference_at
from authz.errors import InvalidValue, NotFound
from authz.users.search_template import SearchTemplate

if TYPE_CHECKING:
    from authz.fhir_servers.registry import FhirServer
    from authz.services import Services

COLUMNS = ("provider", "value", "reference")


@click.command("rules")
@fhir_server_option
@click.option(
    "--local-accounts/--no-local-accounts", default=None, help="Offer name and password of this server's own."
)
@click.option("--map-claim", default=None, help="By whose value people stand on the list (map); default: sub.")
@click.option(
    "--search",
    "searches",
    multiple=True,
    help="A search that finds the people of a provider: hospital:Practitioner?identifier=http://staff.example|{number};"
    " repeatable. Of the only provider the name may be left out.",
)
@click.option("--person-links/--no-person-links", default=None, help="A Person stands for the resources it links.")
@json_option
def rules(fhir_server: str | None, searches: tuple[str, ...], **given: Any) -> None:
    """Change how people of a FHIR server sign in and are found, or only show it."""
    changes = {name: value for name, value in given.items() if value is not None}
    with services() as made:
        server = the_fhir_server(made, fhir_server)
        federation = made.at_provider.federation
        if searches:
            changes["searches"] = [for_provider(made, server, text) for text in replaced(searches)]
        if changes.get("local_accounts") is False and not federation.providers.serving(server.name):
            raise InvalidValue(f"nobody could sign in at {server.name}: add a provider first")
        found = federation.rulebook.of(server.name)
        if changes:
            with made.db.write() as session:
                found = federation.rulebook.update(session, server.name, changes)
                detail = {"changed": sorted(changes)}
                record(
                    made,
                    session,
                    EventName.FHIR_SERVER_CHANGED,
                    "sign_in_rules",
                    fhir_server=server.name,
                    detail=detail,
                )
    show({"fhir_server": server.name, **found.as_dict()})


@click.command("map")
@click.argument("provider")
@click.argument("value")
@click.argument("fhir_user")
@fhir_server_option
@json_option
def map_(provider: str, value: str, fhir_user: str, fhir_server: str | None) -> None:
    """Say which resource whoever has this value (see rules --map-claim) at a provider is."""
    with services() as made:
        server = the_fhir_server(made, fhir_server)
        check_provider(made, provider)
        reference = reference_at(server, fhir_user)
        with made.db.write() as session:
            made.at_provider.federation.rulebook.put_on_list(session, server.name, provider, value, reference)
            detail = {"provider": provider}
            record(made, session, EventName.FHIR_SERVER_CHANGED, "mapped", fhir_server=server.name, detail=detail)
    show({"fhir_server": server.name, "provider": provider, "value": value, "reference": reference})


@click.command()
@click.argument("provider")
@click.argument("value")
@fhir_server_option
@json_option
def unmap(provider: str, value: str, fhir_server: str | None) -> None:
    """Take somebody off the list; who they were found to be stays, see authz user."""
    with services() as made:
        server = the_fhir_server(made, fhir_server)
        with made.db.write() as session:
            made.at_provider.federation.rulebook.take_off_list(session, server.name, provider, value)
            detail = {"provider": provider}
            record(made, session, EventName.FHIR_SERVER_CHANGED, "unmapped", fhir_server=server.name, detail=detail)
    show({"fhir_server": server.name, "provider": provider, "value": value, "removed": True})


@click.command("mapped")
@fhir_server_option
@json_option
def mapped(fhir_server: str | None) -> None:
    """List who is which resource by the list."""
    with services() as made:
        server = the_fhir_server(made, fhir_server)
        show_list(made.at_provider.federation.rulebook.list(server.name), COLUMNS)


def for_provider(made: Services, server: FhirServer, text: str) -> str:
    """The search with the name of its provider. Raises InvalidValue, NotFound."""
    serving = made.at_provider.federation.providers.serving(server.name)
    if len(serving) == 1 and "A" <= text[:1] <= "Z":  # a resource type: no provider is named
        return f"{serving[0].name}:{text}"
    check_provider(made, SearchTemplate.parse(text).provider)
    return text


def check_provider(made: Services, name: str) -> None:
    if made.at_provider.federation.providers.get(name) is None:
        raise NotFound(f"{name}: there is no sign-in provider of this name")
