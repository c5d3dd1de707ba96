"""The CapabilityStatement: what this server can do, and (for SMART 1.0 apps) where to ask for access."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from demo.fhir_server.parameters import PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from demo.config import DemoConfig

INTERACTIONS = ("read", "search-type", "create", "update", "delete")


def capability_statement(config: DemoConfig, security: Mapping[str, Any], started: str) -> dict[str, Any]:
    """FHIR R4 CapabilityStatement of kind ``instance``; ``security`` is the authorization server's own words."""
    types = [
        {
            "type": type_,
            "interaction": [{"code": code} for code in INTERACTIONS],
            "versioning": "versioned",
            "readHistory": False,
            "updateCreate": True,
            "conditionalCreate": False,
            "conditionalUpdate": False,
            "conditionalDelete": "not-supported",
            "searchParam": [{"name": name, "type": item.kind} for name, item in sorted(parameters.items())],
        }
        for type_, parameters in sorted(PARAMETERS.items())
    ]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": started,
        "publisher": "Lakeside General Hospital (invented)",
        "kind": "instance",
        "software": {"name": "Lakeside demo FHIR server"},
        "implementation": {"description": "Synthetic records behind SMART on FHIR", "url": config.fhir},
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [{"mode": "server", "security": {**security, "cors": True}, "resource": types}],
    }
