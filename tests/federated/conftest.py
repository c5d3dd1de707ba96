from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from authz.audit.model import AuditEventRow
from authz.audit.order import ORDER
from authz.login.federated.registry import NewProvider
from tests.upstream import CLIENT_ID, IDP, SECRET, FakeProvider, Network
from tests.world import World, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from tests.actors import Browser
    from tests.transport import Reply

ALONE = "launch/patient patient/*.rs openid fhirUser"


@dataclass
class Hospital:
    """A world in which the people of the main FHIR server sign in at a provider of the hospital's."""

    world: World
    provider: FakeProvider
    network: Network

    def add_provider(self, name: str = "hospital", secret: str | None = SECRET, **changes: Any) -> None:
        new = NewProvider(**{"name": name, "issuer": IDP, "client_id": CLIENT_ID, "label": "Hospital ID", **changes})
        with self.world.services.db.write() as session:
            self.federation.providers.add(session, new, secret)

    def rules(self, fhir_server: str = "main", **changes: Any) -> None:
        with self.world.services.db.write() as session:
            self.federation.rulebook.update(session, fhir_server, changes)

    @property
    def federation(self) -> Any:
        return self.world.services.at_provider.federation

    def away(self, browser: Browser, scope: str = ALONE, **changes: str | None) -> Reply:
        """The app is opened from outside; the answer that leads to the provider."""
        return browser.open(self.world.public.authorize_url(scope=scope, **changes))

    def arrive(self, browser: Browser, scope: str = ALONE, **changes: str | None) -> Reply:
        """The page after the sign-in there."""
        return browser.open(self.provider.visited(self.away(browser, scope, **changes).location))

    def trail(self, event: str) -> list[tuple[str, str | None, dict[str, Any]]]:
        """Outcome, reason and detail of what is on the audit trail."""
        with self.world.services.db.read() as session:
            rows = session.scalars(select(AuditEventRow).where(AuditEventRow.event == event).order_by(*ORDER))
            return [(row.outcome, row.reason, row.detail) for row in rows]


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Hospital]:
    """One provider of the main FHIR server, believed about ``fhirUser``, and no accounts of this server's own."""
    provider = FakeProvider()
    network = Network(provider)
    made = build(settings_in(tmp_path), outbound=network)
    provider.clock, network.introspect = made.clock, made.fhir_server.introspect
    with made.app.app_context():
        found = Hospital(made, provider, network)
        found.add_provider(fhir_user_claim="fhirUser", fhir_servers=("main",))
        found.rules(local_accounts=False)
        yield found
        made.services.db.engine.dispose()
    made.services.backend.close()
    shutil.rmtree(tmp_path, ignore_errors=True)
