"""Opening an app as the EHR would, by a test account and with an invented patient: what its makers may start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from authz.errors import InvalidRequest
from authz.fhir_servers.features import Feature
from authz.launch.standing import STAFF
from authz.users.model import FhirIdentityRow, UserRow

if TYPE_CHECKING:
    from authz.audit.event import Peer
    from authz.clients.registry import Client
    from authz.fhir_servers.registry import FhirServer, FhirServers
    from authz.launch.store import Launches
    from authz.storage.database import Database
    from authz.users.registry import Users


@dataclass(frozen=True, slots=True)
class Trial:
    """A test account, and the invented patient who is open."""

    person: str  # to sign in with
    display_name: str
    fhir_user: str
    patient: str  # logical id

    @property
    def id(self) -> str:
        return f"{self.person} {self.patient}"


@dataclass(frozen=True, slots=True)
class Place:
    """A FHIR server where a launch can be tried, and with whom."""

    server: FhirServer
    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True)
class Trials:
    db: Database
    users: Users
    fhir_servers: FhirServers
    launches: Launches

    def places(self, client: Client) -> list[Place]:
        """Where its makers can open the app; nowhere without a launch URL."""
        if not client.launch_uris:
            return []
        servers = [one for one in self.fhir_servers.all() if one.enabled and client.may_use(one.name)]
        return [self.place(client, server) for server in servers if server.offers(Feature.EHR_LAUNCH)]

    def place(self, client: Client, server: FhirServer) -> Place:
        here = FhirIdentityRow.fhir_server == server.name
        linked = select(UserRow, FhirIdentityRow.reference).join(FhirIdentityRow, FhirIdentityRow.sub == UserRow.sub)
        test = linked.where(here, UserRow.is_sandbox, UserRow.enabled, UserRow.name.is_not(None))
        with self.db.read() as session:
            found = session.execute(test.order_by(UserRow.name)).all()
            people = [(user.sub, user.name or "", user.display_name, reference) for user, reference in found]
        return Place(
            server,
            tuple(
                Trial(name, display_name, reference, patient)
                for sub, name, display_name, reference in people
                if client.is_for(reference)
                for patient in self.patients(sub, reference, server)
            ),
        )

    def patients(self, sub: str, reference: str, server: FhirServer) -> list[str]:
        """Staff may have any of the invented patients open, others themselves or whom they represent."""
        type_, _, id_ = reference.partition("/")
        represented = frozenset(self.users.represented(sub, server.name))
        own = {"Patient": represented | {id_}, "RelatedPerson": represented}
        mine = server.sandbox_patients if type_ in STAFF else own.get(type_, frozenset())
        return sorted(patient for patient in mine if server.is_sandbox or patient in server.sandbox_patients)

    def start(self, client: Client, fhir_server: str, trial: str, launch_url: str, peer: Peer) -> str:
        """The address the EHR would open, good once and for some minutes.

        Only for test accounts and invented patients, whatever the app may do otherwise. Raises InvalidRequest.
        """
        place = next((one for one in self.places(client) if one.server.name == fhir_server), None)
        chosen = next((one for one in place.trials if one.id == trial), None) if place is not None else None
        if place is None or chosen is None:
            raise InvalidRequest("choose a test account and an invented patient")
        asked = {
            "client_id": client.client_id,
            "fhir_server": place.server.base_url,
            "user": chosen.person,
            "patient": chosen.patient,
            "launch_url": launch_url or client.launch_uris[0],
        }
        handle, launch = self.launches.create(None, asked, peer, trial=True)
        url = launch.url_to_open(handle)
        assert url is not None  # one was given
        return url
