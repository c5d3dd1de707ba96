"""Who came from a provider, before it is known who that is here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.audit.event import Event
from authz.users.upstream import UpstreamIdentity

if TYPE_CHECKING:
    from authz.audit.event import EventName, Peer
    from authz.fhir_servers.server import FhirServer
    from authz.login.federated.id_token import Proof
    from authz.login.federated.provider import Provider


@dataclass(frozen=True, slots=True)
class Came:
    """Who came from which provider, to open which app, for the records of which FHIR server."""

    provider: Provider
    proof: Proof
    server: FhirServer
    client_id: str
    launch_id: str
    peer: Peer

    @property
    def identity(self) -> UpstreamIdentity:
        proof = self.proof
        return UpstreamIdentity(proof.issuer, proof.subject, self.provider.name, proof.claims, proof.auth_time)

    def event(self, name: EventName, reason: str, sub: str | None) -> Event:
        return Event(
            name,
            reason=reason,
            sub=sub,
            client_id=self.client_id,
            fhir_server=self.server.name,
            launch_id=self.launch_id,
            peer=self.peer,
            detail={"provider": self.provider.name},
        )
