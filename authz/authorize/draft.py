"""A request while it is checked, and what it is checked against."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authz.clients.legacy import Legacy
    from authz.clients.registry import Client, Clients
    from authz.fhir_servers.registry import FhirServers
    from authz.keyring.signing import Keyring


@dataclass(frozen=True, slots=True)
class Registries:
    """What a request is checked against."""

    clients: Clients
    fhir_servers: FhirServers
    keyring: Keyring
    issuer: str
    own: Mapping[str, Client] = field(default_factory=dict)  # this server's own pages, see own_pages

    def client(self, client_id: str) -> Client | None:
        return self.own.get(client_id) or self.clients.find(client_id)


@dataclass(slots=True)
class Draft:
    """A request while it is checked; an empty parameter is an absent one (RFC 6749 §3.1)."""

    parameters: dict[str, str]
    duplicates: set[str]
    registries: Registries
    client: Client
    found: dict[str, Any] = field(default_factory=dict)
    forgiven: set[Legacy] = field(default_factory=set)  # what an older app was allowed

    def is_forgiven(self, switch: Legacy) -> bool:
        """Whether this app may; asking is using it."""
        if self.client.is_allowed(switch):
            self.forgiven.add(switch)
        return switch in self.forgiven

    def get(self, name: str) -> str | None:
        return self.parameters.get(name) or None
