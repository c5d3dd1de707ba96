"""An app as it is checked: what it says, and everything here that it is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from authz.clients.client import members
from authz.clients.model import ClientRow
from authz.errors import NotFound
from authz.registration import findings
from authz.registration.model import RegistrationRow, ReportRow
from authz.settings import LOOPBACK_HOSTS

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.brands.registry import Brands
    from authz.fhir_servers.registry import FhirServers
    from authz.registration.others import Others
    from authz.registration.scope_words import ScopeWords

SHORTEST_ALIAS = 4  # UC stands in glucose


@dataclass(frozen=True, slots=True)
class Case:
    """All that is known here of an app to be checked; nothing else is read while others are asked."""

    said: dict[str, Any]
    mine: findings.Named
    others: tuple[findings.Named, ...]
    fhir_servers: tuple[str, ...]  # names; empty: all
    organizations: frozenset[str]  # whose names it may not take
    sites: frozenset[str]  # hosts of the same organizations, where it may not be at home
    asked: datetime | None  # what was due when it was read


@dataclass(frozen=True, slots=True)
class Cases:
    others: Others
    fhir_servers: FhirServers
    brands: Brands
    words: ScopeWords

    def read(self, session: Session, client_id: str) -> Case:
        """As it is, or, once approved, as its vendor proposes that it becomes: what time approves is what there is."""
        asked = asked_for(session, client_id)  # first: whoever changes the app while it is read asks anew
        row, registration = session.get(ClientRow, client_id), session.get(RegistrationRow, client_id)
        if row is None:
            raise NotFound(f"{client_id}: there is no client of this id")
        said = (registration.proposed if registration and row.approved else None) or members(row)
        return Case(
            said=said,
            mine=findings.named(client_id, said, is_approved=row.approved),
            others=self.others.of(session, client_id),
            fhir_servers=tuple(row.fhir_servers),
            organizations=self.organizations(session),
            sites=self.sites(session),
            asked=asked,
        )

    def organizations(self, session: Session) -> frozenset[str]:
        """Who runs this server, its FHIR servers, and the published brands, by what people call them too."""
        shown = {one.branding.organization for one in self.fhir_servers.all()}
        brands = self.brands.all(session)
        called = {alias for brand in brands for alias in brand.aliases if len(alias) >= SHORTEST_ALIAS}
        return frozenset({self.words.describer.holder} | shown | called | {brand.name for brand in brands}) - {""}

    def sites(self, session: Session) -> frozenset[str]:
        """Where this server, its FHIR servers and the brands are."""
        found = {self.words.describer.settings.issuer, *(one.base_url for one in self.fhir_servers.all())}
        found |= {brand.website for brand in self.brands.all(session)}
        return frozenset(map(findings.host_of, found)) - {"", *LOOPBACK_HOSTS}


def asked_for(session: Session, client_id: str) -> datetime | None:
    return session.scalar(select(ReportRow.due_at).where(ReportRow.client_id == client_id))
