"""Whether what a launch names is known here: FHIR server, app, launch URL, person, the EHR's origin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from authz.errors import InsufficientScope, InvalidRequest
from authz.fhir_servers.features import Feature
from authz.launch.company import check_app, check_patient

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from authz.clients.registry import Client, Clients
    from authz.fhir_servers.registry import Ehr, FhirServer, FhirServers
    from authz.fhir_servers.style import Styles
    from authz.launch.request import LaunchRequest
    from authz.users.registry import Users
    from authz.users.representation_links import Meeting

LAUNCH_SCOPE = "__launch"


@dataclass(frozen=True, slots=True)
class Person:
    """The user of a launch: known by ``sub``, or so far only by what a FHIR server calls them."""

    sub: str | None
    reference: str | None = None  # "Practitioner/prac-1"; always, when there is no sub yet


@dataclass(frozen=True, slots=True)
class Vetted:
    """A launch request of which everything is known here."""

    asked: LaunchRequest
    server: FhirServer
    launch_url: str | None
    person: Person


@dataclass(frozen=True, slots=True)
class Directory:
    """The registries a launch refers to."""

    fhir_servers: FhirServers
    clients: Clients
    users: Users
    styles: Styles
    representing: Meeting

    def vet(self, asked: LaunchRequest, ehr: Ehr | None) -> Vetted:
        """Look everything up; ``ehr`` is who asks, None for an operator or for whoever may write into the store.

        Raises InvalidRequest naming the member, and InsufficientScope for a FHIR server that is not the EHR's.
        """
        server = self.server(asked.fhir_server, ehr)
        client = self.client(asked.client_id, server)
        self.check_origin(asked.web_messaging_origin, server)
        if problems := type_problems(asked, server):
            raise InvalidRequest("; ".join(problems))
        person = self.person(asked.user, server)
        if asked.context.patient is not None:
            self.representing.meet(server, person.reference, asked.client_id)
        check_patient(self.users, person, asked.context.patient, server)
        check_app(self.users, client, person, asked.context, server)
        return Vetted(self.styled(asked, server), server, launch_url(client, asked.launch_url), person)

    def client(self, client_id: str, server: FhirServer) -> Client:
        client = self.clients.find(client_id)
        if client is None or not client.enabled or not client.may_use(server.name):
            raise InvalidRequest("client_id: no such app at this FHIR server")
        return client

    def check_origin(self, origin: str | None, server: FhirServer) -> None:
        if origin is not None and origin not in server.ehr_origins:
            raise InvalidRequest("web_messaging_origin: not registered for this FHIR server")

    def styled(self, asked: LaunchRequest, server: FhirServer) -> LaunchRequest:
        """With the style that is published for the FHIR server, if the EHR says none itself (CTX-20)."""
        style = self.styles.current(server.name) if asked.context.smart_style_url is None else None
        if style is None:
            return asked
        context = replace(asked.context, smart_style_url=style.url)
        return replace(asked, members=asked.members | {"smart_style_url": style.url}, context=context)

    def server(self, base_url: str, ehr: Ehr | None) -> FhirServer:
        """The FHIR server meant, if this EHR may speak for it."""
        server = self.fhir_servers.by_aud(base_url)
        if server is None:
            raise InvalidRequest("fhir_server: no such FHIR server")
        if ehr is not None and server.name not in ehr.fhir_servers:
            raise InsufficientScope("this credential is not for that FHIR server", LAUNCH_SCOPE)
        if not server.offers(Feature.EHR_LAUNCH):
            raise InvalidRequest("fhir_server: apps are not opened from an EHR at this FHIR server")
        return server

    def person(self, user: str, server: FhirServer) -> Person:
        """Decision 15: a login name must exist; a ``fhirUser`` of this FHIR server need not, its EHR vouches.

        Who is somebody at other FHIR servers only is not for an EHR of this one to speak for.
        """
        reference = server.relative(user)
        if reference is None and "://" in user:
            raise InvalidRequest("user: not a person of this FHIR server")
        found = self.users.by_name(user) if reference is None else self.users.by_fhir_user(server.name, reference)
        if found is not None and found.enabled and self.is_here(found.sub, server):
            return Person(found.sub, reference or self.users.fhir_user(found.sub, server.name))
        if found is None and reference is not None and server.vouched_users:
            return Person(None, reference)
        raise InvalidRequest("user: no such person here")

    def is_here(self, sub: str, server: FhirServer) -> bool:
        identities = self.users.fhir_users(sub)
        return not identities or server.name in identities

    def sub(self, session: Session, vetted: Vetted) -> str:
        """The person's ``sub``; whoever is first seen here is made in the caller's transaction (decision 19)."""
        if vetted.person.sub is not None:
            return vetted.person.sub
        assert vetted.person.reference is not None  # whoever has no sub was named by it
        return self.users.vouch(session, vetted.server.name, vetted.person.reference).sub

    def is_welcome(self, sub: str, fhir_server: str, fhir_user: str | None) -> bool:
        """Whether the person of a launch is there, and still whom it named, if it did by a resource."""
        user = self.users.by_sub(sub)
        if user is None or not user.enabled:
            return False
        return fhir_user is None or self.users.fhir_user(sub, fhir_server) == fhir_user


def launch_url(client: Client, wanted: str | None) -> str | None:
    """One of the registered launch URLs, whatever the EHR or a Task says (SMART LAU-01, TSK-03)."""
    if wanted is not None and wanted not in client.launch_uris:
        raise InvalidRequest("launch_url: not registered for this app")
    if wanted is None and len(client.launch_uris) == 1:
        return client.launch_uris[0]
    return wanted


def type_problems(asked: LaunchRequest, server: FhirServer) -> list[str]:
    return [
        f"fhirContext[{number}]: {item.resource_type} is no resource type of this FHIR server"
        for number, item in enumerate(asked.context.fhir_context)
        if item.resource_type is not None and item.resource_type not in server.resource_types
    ]
