"""The discovery documents as they go out: made when something has changed, not for each who asks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.brands.registry import Brands, Published
    from authz.discovery.documents import Discovery
    from authz.fhir_servers.registry import FhirServer, FhirServers


class ReadyDocuments:
    """Each as JSON. The registries hand out the same objects until something may have changed, which is all to see."""

    def __init__(self, discovery: Discovery, fhir_servers: FhirServers, brands: Brands) -> None:
        self.discovery = discovery
        self.fhir_servers = fhir_servers
        self.brands = brands
        self.made: dict[str, tuple[object, object, bytes]] = {}

    def openid_configuration(self) -> bytes:
        servers = self.fhir_servers.all()
        return self.ready("openid", servers, None, lambda: self.discovery.openid_configuration(enabled(servers)))

    def oauth_metadata(self) -> bytes:
        servers = self.fhir_servers.all()
        return self.ready("oauth", servers, None, lambda: self.discovery.oauth_metadata(enabled(servers)))

    def smart_configuration(self, server: FhirServer) -> bytes:
        brands = self.brands.published()
        return self.ready(
            f"smart {server.name}", server, brands, lambda: self.discovery.smart_configuration(server, brands)
        )

    def ready(self, name: str, made_of: object, brands: Published | None, make: Callable[[], dict[str, Any]]) -> bytes:
        known = self.made.get(name)
        if known is not None and known[0] is made_of and known[1] is brands:
            return known[2]
        body = json.dumps(make(), indent=1).encode()
        self.made[name] = (made_of, brands, body)
        return body


def enabled(servers: tuple[FhirServer, ...]) -> list[FhirServer]:
    return [server for server in servers if server.enabled]
