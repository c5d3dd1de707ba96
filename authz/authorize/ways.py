"""By which ways people sign in for a FHIR server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.authorize.ways_in import Way, WaysIn

if TYPE_CHECKING:
    from authz.login.federated.federation import Federation


@dataclass(frozen=True, slots=True)
class Ways:
    federation: Federation

    def of(self, fhir_server: str) -> WaysIn:
        found = self.federation.providers.serving(fhir_server)
        has_password = self.federation.rulebook.of(fhir_server).local_accounts
        return WaysIn(
            has_password, tuple(Way(provider.name, provider.label, provider.acr_values) for provider in found)
        )
