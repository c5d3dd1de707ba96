"""The discovery documents as they go out: made when something has changed, not for each who asks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.brands.registry import Brands, Published
    from authz.discovery.documents import Discovery
    from authz.fhir_servers.registry import FhirServer, FhirServers


@dataclass(frozen=True, slots=True)
class Tagged:
    """Bytes with the tag by which they are known again, which costs as much as to read all of them."""

    body: bytes
    tag: str

    @classmethod
    def of(cls, body: bytes) -> Self:
        return cls(body, f'"{sha256(body).hexdigest()[:32]}"')


class ReadyDocuments:
    """Each as JSON. The registries hand out the same objects until something may have changed, which is all to see."""

    def __init__(self, discovery: Discovery, fhir_servers: FhirServers, brands: Brands) -> None:
        self.discovery = discovery
        self.fhir_servers = fhir_servers
        self.brands = brands
        self.made: dict[str, tuple[object, object, bytes]] = {}
        self.bundle: tuple[Published, Tagged] | None = None
        self.described: dict[str, tuple[dict[str, Any], FhirServer, Tagged]] = {}

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

    def brand_bundle(self, published: Published) -> Tagged:
        if self.bundle is not None and self.bundle[0].bundle == published.bundle:
            return self.bundle[1]
        made = Tagged.of(published.bundle.encode())
        self.bundle = published, made
        return made

    def capability_statement(self, server: FhirServer, statement: dict[str, Any]) -> Tagged:
        """The FHIR server's own, with what apps of SMART 1.0 look for (CS-01..05): some MB, so made once for each."""
        known = self.described.get(server.name)
        if known is not None and known[0] is statement and known[1] == server:
            return known[2]
        content = described(statement, self.discovery.oauth_uris(server), server.base_url)
        made = Tagged.of(json.dumps(content).encode())
        self.described[server.name] = statement, server, made
        return made

    def ready(self, name: str, made_of: object, brands: Published | None, make: Callable[[], dict[str, Any]]) -> bytes:
        known = self.made.get(name)
        if known is not None and known[0] is made_of and known[1] is brands:
            return known[2]
        body = json.dumps(make(), indent=1).encode()
        self.made[name] = (made_of, brands, body)
        return body


def enabled(servers: tuple[FhirServer, ...]) -> list[FhirServer]:
    return [server for server in servers if server.enabled]


def described(statement: dict[str, Any], security: dict[str, Any], base_url: str) -> dict[str, Any]:
    """The statement with its ``rest.security`` replaced, and without the address behind the proxy."""
    rest = statement.get("rest")
    modes = [{**item, "security": security} if isinstance(item, dict) else item for item in rest or []]
    implementation = {"description": "FHIR server", **(statement.get("implementation") or {}), "url": base_url}
    return {**statement, "implementation": implementation, "rest": modes}
