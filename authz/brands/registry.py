from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from authz.brands.brand import Brand, of_website
from authz.brands.bundle import Catalogue, bundle
from authz.brands.model import BrandBundleRow, BrandRow
from authz.errors import AlreadyExists, InvalidValue, NotFound
from authz.storage.database import insert_once
from authz.storage.recent import A_SECOND, Recent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.fhir_servers.registry import FhirServer, FhirServers
    from authz.storage.database import Database

ONLY = 1


@dataclass(frozen=True, slots=True)
class Published:
    """The bundle as apps get it."""

    bundle: str  # JSON
    identifiers: Mapping[str, Any]  # base URL -> Identifier of its brand, or None

    def lists(self, server: FhirServer) -> bool:
        """Whether the bundle has this FHIR server as it is now; else its document does not name the bundle."""
        return server.base_url in self.identifiers


class Brands:
    """The brands as they are written, and as they are published."""

    def __init__(self, db: Database, fhir_servers: FhirServers, now: Callable[[], datetime], url: str) -> None:
        self.db = db
        self.fhir_servers = fhir_servers
        self.now = now
        self.url = url
        self.recent: Recent[Published | None] = Recent(A_SECOND)

    def all(self, session: Session) -> list[Brand]:
        return [loaded(row) for row in session.scalars(select(BrandRow).order_by(BrandRow.id))]

    def get(self, session: Session, brand_id: str) -> Brand:
        return loaded(self.row(session, brand_id))

    def add(self, session: Session, brand_id: str, content: Mapping[str, Any]) -> Brand:
        """Without an identifier it gets the recommended one (UB-07). Raises InvalidValue and AlreadyExists."""
        brand = Brand.load(brand_id, content)
        if not brand.identifiers and brand.website:
            brand = Brand.load(brand_id, {**content, "identifiers": [of_website(brand.website)]})
        if not insert_once(session, BrandRow, id=brand_id, content=brand.content(), updated_at=self.now()):
            raise AlreadyExists(f"{brand_id}: there is a brand of this id")
        return brand

    def update(self, session: Session, brand_id: str, changes: Mapping[str, Any]) -> Brand:
        """Change members; a list is replaced as a whole. Raises NotFound and InvalidValue."""
        row = self.row(session, brand_id)
        brand = Brand.load(brand_id, {**row.content, **changes})
        row.content, row.updated_at = brand.content(), self.now()
        return brand

    def remove(self, session: Session, brand_id: str) -> None:
        self.row(session, brand_id)
        session.execute(delete(BrandRow).where(BrandRow.id == brand_id))

    def row(self, session: Session, brand_id: str) -> BrandRow:
        row = session.get(BrandRow, brand_id, with_for_update=True)
        if row is None:
            raise NotFound(f"{brand_id}: there is no brand of this id")
        return row

    def catalogue(self, session: Session) -> Catalogue:
        servers = {server.name: server for server in self.fhir_servers.all() if server.enabled}
        return Catalogue(self.all(session), servers, self.url)

    def publish(self, session: Session) -> dict[str, Any]:
        """Make the bundle and put it where apps read it. Raises InvalidValue with all that is against it."""
        catalogue = self.catalogue(session)
        found = catalogue.problems()
        if found:
            raise InvalidValue("; ".join(found))
        row = session.get(BrandBundleRow, ONLY, with_for_update=True)
        now = self.now()
        before = json.loads(row.bundle) if row is not None else None
        made = bundle(catalogue.resources(), before, now.isoformat(timespec="milliseconds"))
        if row is None:
            row = BrandBundleRow(id=ONLY)
            session.add(row)
        self.recent.forget_after(session)
        row.bundle, row.identifiers, row.published_at = json.dumps(made), catalogue.identifiers(), now
        return made

    def withdraw(self, session: Session) -> None:
        """Publish nothing any more. Raises NotFound."""
        row = session.get(BrandBundleRow, ONLY, with_for_update=True)
        if row is None:
            raise NotFound("there is no published bundle")
        self.recent.forget_after(session)
        session.delete(row)

    def published(self) -> Published | None:
        """The same object until something has changed, or a second is over."""
        return self.recent.get("published", self.read)

    def read(self) -> Published | None:
        with self.db.read() as session:
            row = session.get(BrandBundleRow, ONLY)
            return None if row is None else Published(row.bundle, row.identifiers)


def loaded(row: BrandRow) -> Brand:
    return Brand.load(row.id, row.content)
