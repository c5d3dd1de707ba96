"""The bundle of brands and endpoints, and what a publisher must keep to (SMART UB-02..09)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authz.brands.brand import CATEGORIES, Brand
from authz.fhir_servers.server import FHIR_VERSIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authz.fhir_servers.registry import FhirServer

PROFILE = "http://hl7.org/fhir/smart-app-launch/StructureDefinition/user-access"
EXTENSION = "http://hl7.org/fhir/StructureDefinition"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All the brands, the FHIR servers they refer to, and where resources are said to be."""

    brands: Sequence[Brand]
    servers: dict[str, FhirServer]  # by name, the enabled ones
    url: str  # of this server, without a slash at the end

    @property
    def published_servers(self) -> list[FhirServer]:
        """Those that a brand has as its endpoint, so each has at least one (UB-04)."""
        named = {name for brand in self.brands for name in brand.endpoints}
        return [server for name, server in sorted(self.servers.items()) if name in named]

    def brand_of(self, server: FhirServer) -> Brand | None:
        """The one that the server's own document names; None if that is not clear."""
        mine = [brand for brand in self.brands if server.name in brand.endpoints]
        chosen = [brand for brand in mine if server.name in brand.primary_for] or mine
        return chosen[0] if len(chosen) == 1 else None

    def problems(self) -> list[str]:
        """Everything that keeps these brands from being published."""
        known = {brand.id: brand for brand in self.brands}
        found = [] if self.brands else ["there is no brand to publish"]
        for brand in self.brands:
            found += [
                f"{brand.id}: there is no enabled FHIR server {n}" for n in brand.endpoints if n not in self.servers
            ]
            if brand.part_of and (brand.part_of not in known or brand.part_of == brand.id):
                found.append(f"{brand.id}: it is part of {brand.part_of}, which is no other brand")
            elif brand.part_of and known[brand.part_of].part_of:
                found.append(f"{brand.id}: {brand.part_of} is itself part of a brand; two levels at most (UB-08)")
        counts = Counter(identifier for brand in self.brands for identifier in brand.identifiers)
        found += [f"{identifier}: several brands have this identifier" for identifier, n in counts.items() if n > 1]
        return found + [problem for server in self.published_servers for problem in self.endpoint_problems(server)]

    def endpoint_problems(self, server: FhirServer) -> list[str]:
        found = []
        if not server.developer_url:
            found.append(f"{server.name}: say by authz fhir-server update --developer-url where developers get help")
        brand = self.brand_of(server)
        if brand is None:
            found.append(f"{server.name}: of several brands say by --primary-for which is its own")
        elif len(self.brands) > 1 and not brand.identifiers:
            found.append(f"{brand.id}: an identifier is needed, there are several brands (UB-02)")
        return found

    def identifiers(self) -> dict[str, dict[str, str] | None]:
        """For each endpoint's base URL the identifier its own document gives; None: the only brand has none."""
        found: dict[str, dict[str, str] | None] = {}
        for server in self.published_servers:
            brand = self.brand_of(server)
            found[server.base_url] = identifier(brand.identifiers[0]) if brand and brand.identifiers else None
        return found

    def resources(self) -> dict[str, dict[str, Any]]:
        """By their full URL: brands first, then endpoints."""
        made = [organization(brand, self.servers) for brand in self.brands]
        made += [endpoint(server) for server in self.published_servers]
        return {f"{self.url}/{one['resourceType']}/{one['id']}": one for one in made}


def bundle(resources: dict[str, dict[str, Any]], before: dict[str, Any] | None, now: str) -> dict[str, Any]:
    """The collection; what did not change keeps its times (UB-04)."""
    old = {entry["fullUrl"]: entry["resource"] for entry in before["entry"]} if before else {}
    entries = []
    for url, resource in resources.items():
        known = old.get(url)
        same = known is not None and {k: v for k, v in known.items() if k != "meta"} == resource
        updated = known["meta"]["lastUpdated"] if known is not None and same else now
        kind = "brand" if resource["resourceType"] == "Organization" else "endpoint"
        meta = {"lastUpdated": updated, "profile": [f"{PROFILE}-{kind}"]}
        entries.append(
            {"fullUrl": url, "resource": {"resourceType": resource["resourceType"], "meta": meta, **resource}}
        )
    changed = before is None or entries != before["entry"]
    timestamp = now if changed or before is None else before["timestamp"]
    return {
        "resourceType": "Bundle",
        "id": "user-access-brands",
        "meta": {"lastUpdated": timestamp, "profile": [f"{PROFILE}-brands-bundle"]},
        "type": "collection",
        "timestamp": timestamp,
        "entry": entries,
    }


def organization(brand: Brand, servers: dict[str, FhirServer]) -> dict[str, Any]:
    """UB-08; an element without a value is left out."""
    optional: dict[str, Any] = {
        "extension": [*details(brand), *(portal(one, servers) for one in brand.portals)],
        "identifier": [identifier(one) for one in brand.identifiers],
        "type": [coding("organization-type", code, CATEGORIES[code]) for code in brand.categories]
        or absence(brand, "category"),
        "alias": list(brand.aliases),
        "telecom": [{"system": "url", "value": brand.website}]
        if brand.website
        else [{"system": "url", "_value": one} for one in absence(brand, "website")],
        "address": list(brand.addresses) or absence(brand, "address"),
        "endpoint": [reference(servers[name]) for name in brand.endpoints],
    }
    made: dict[str, Any] = {"resourceType": "Organization", "id": brand.id, "active": True, "name": brand.name}
    made |= {name: value for name, value in optional.items() if value}
    return made | ({"partOf": {"reference": f"Organization/{brand.part_of}"}} if brand.part_of else {})


def details(brand: Brand) -> list[dict[str, Any]]:
    """The extension with the logo, or with why there is none."""
    parts: list[dict[str, Any]] = [url_part("brandLogo", brand.logo), url_part("brandLogoLicense", brand.logo_license)]
    parts += [{"url": "brandLogo", "_valueUrl": one} for one in absence(brand, "logo")]
    kept = [part for part in parts if part]
    return [{"url": f"{EXTENSION}/organization-brand", "extension": kept}] if kept else []


def portal(said: dict[str, Any], servers: dict[str, FhirServer]) -> dict[str, Any]:
    """A page where people see their records, and the endpoints behind it."""
    parts = [
        {"url": "portalName", "valueString": said["name"]} if said.get("name") else {},
        {"url": "portalDescription", "valueMarkdown": said["description"]} if said.get("description") else {},
        url_part("portalUrl", said["url"]),
        url_part("portalLogo", said.get("logo", "")),
        url_part("portalLogoLicense", said.get("logo_license", "")),
        *({"url": "portalEndpoint", "valueReference": reference(servers[name])} for name in said["endpoints"]),
    ]
    return {"url": f"{EXTENSION}/organization-portal", "extension": [part for part in parts if part]}


def endpoint(server: FhirServer) -> dict[str, Any]:
    """UB-09; it says where the FHIR server is, not that anybody may use it (UB-10)."""
    return {
        "resourceType": "Endpoint",
        "id": server.name,
        "extension": [{"url": f"{EXTENSION}/endpoint-fhir-version", "valueCode": v} for v in server.fhir_versions],
        "status": "active",
        "connectionType": {"system": f"{TERMINOLOGY}/endpoint-connection-type", "code": "hl7-fhir-rest"},
        "name": display(server),
        "contact": [{"system": "url", "value": server.developer_url}],
        "payloadType": [coding("endpoint-payload-type", "none")],
        "address": server.base_url,
    }


def display(server: FhirServer) -> str:
    versions = ", ".join(FHIR_VERSIONS[version] for version in server.fhir_versions)
    return f"FHIR {versions} at {server.base_url}"


def reference(server: FhirServer) -> dict[str, str]:
    return {"reference": f"Endpoint/{server.name}", "display": display(server)}


def identifier(said: str) -> dict[str, str]:
    system, _, value = said.rpartition("|")
    return {"system": system, "value": value}


def coding(system: str, code: str, words: str = "") -> dict[str, Any]:
    said = {"system": f"{TERMINOLOGY}/{system}", "code": code} | ({"display": words} if words else {})
    return {"coding": [said]}


def url_part(name: str, url: str) -> dict[str, Any]:
    return {"url": name, "valueUrl": url} if url else {}


def absence(brand: Brand, element: str) -> list[dict[str, Any]]:
    """UB-06: the organisation was asked, and did not say."""
    reason = brand.absent.get(element)
    return [{"extension": [{"url": f"{EXTENSION}/data-absent-reason", "valueCode": reason}]}] if reason else []
