"""The parts behind the pages for the makers of apps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.developers.attempts import Attempts
from authz.developers.overview import Overview
from authz.developers.preview import Previews
from authz.developers.sessions import DeveloperSessions
from authz.developers.trials import Trials

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from authz.clients.registry import Clients
    from authz.consent.catalogue import Catalogue
    from authz.consent.describe import Describer
    from authz.discovery.documents import Discovery
    from authz.launch.store import Launches
    from authz.storage.database import Database


@dataclass(frozen=True, slots=True)
class Developers:
    catalogue: Catalogue
    overview: Overview
    previews: Previews
    sessions: DeveloperSessions
    trials: Trials
    attempts: Attempts


def build(
    db: Database, launches: Launches, discovery: Discovery, describer: Describer, now: Callable[[], datetime]
) -> Developers:
    directory, catalogue = launches.directory, describer.catalogue
    clients: Clients = directory.clients
    return Developers(
        catalogue=catalogue,
        overview=Overview(discovery, catalogue, describer.settings.organization),
        previews=Previews(describer),
        sessions=DeveloperSessions(db, launches.backend, launches.secrets, clients, launches.trail),
        trials=Trials(db, directory.users, directory.fhir_servers, launches),
        attempts=Attempts(db, directory.fhir_servers, now),
    )
