"""``authz client sheet``: what the developers of an app are told when it is registered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from authz.cli.context import services
from authz.cli.output import json_option, show_sheets
from authz.errors import NotFound

if TYPE_CHECKING:
    from authz.clients.client import Client
    from authz.discovery.documents import Discovery
    from authz.fhir_servers.registry import FhirServer

KEYS = frozenset({"issuer", "jwks_uri", "capabilities"})


@click.command("sheet")
@click.argument("client_id")
@json_option
def sheet(client_id: str) -> None:
    """Show what an app's developers need: where everything is and what it is registered for, at each FHIR server."""
    with services() as made:
        client = made.clients.find(client_id)
        if client is None:
            raise NotFound(f"there is no client {client_id}")
        servers = [one for one in made.fhir_servers.all() if one.enabled and client.may_use(one.name)]
        show_sheets([integration(made.discovery, client, server) for server in servers])


def context(client: Client) -> list[str]:
    """What the app may learn beside its token, by its launch scopes."""
    return [str(scope) for scope in client.scope.launches]


def integration(discovery: Discovery, client: Client, server: FhirServer) -> dict[str, Any]:
    """One FHIR server's part; the endpoints and capabilities are those of its discovery document."""
    document = discovery.smart_configuration(server)
    found = {name: value for name, value in document.items() if name.endswith("_endpoint") or name in KEYS}
    return {
        "fhir_server": server.name,
        "iss": server.base_url,
        "client_id": client.client_id,
        "token_endpoint_auth_method": client.token_endpoint_auth_method,
        "grant_types": sorted(client.grant_types),
        "redirect_uris": list(client.redirect_uris),
        "launch_uris": list(client.launch_uris),
        "scope": str(client.scope),
        "context": context(client),
        "contacts": client.about.get("contacts", []),
        **found,
        **({"developer_url": server.developer_url} if server.developer_url else {}),
    }
