"""Whether a launch would be taken, and everything that speaks against it; nothing is made by asking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from authz.errors import InsufficientScope, InvalidRequest
from authz.launch.company import check_app, check_patient
from authz.launch.directory import launch_url, type_problems
from authz.launch.launch import WHICH_LAUNCH_URL
from authz.launch.request import check_auth_time, load, problems_of
from authz.launch.schema import LAUNCH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from authz.clients.registry import Client
    from authz.fhir_servers.registry import Ehr, FhirServer
    from authz.launch.store import Launches

Found = TypeVar("Found")
NEEDED = {"client_id": "a", "fhir_server": "a:b", "user": "a"}  # stand for what is not sound, and are not looked up


@dataclass(slots=True)
class Checkup:
    """One launch, looked at by everything that will look at it; ``ehr`` is whose, None for an operator's."""

    launches: Launches
    members: Mapping[str, Any]
    ehr: Ehr | None

    def problems(self) -> list[str]:
        """In words, each with the member it is about; an empty list: it would be taken, and could be used."""
        sound = {name: value for name, value in self.members.items() if not problems_of(LAUNCH, NEEDED | {name: value})}
        return [*problems_of(LAUNCH, self.members), *self.unknown(sound)]

    def unknown(self, sound: dict[str, Any]) -> list[str]:
        """What the registries say of the members that are well formed."""
        found: list[str] = []
        directory = self.launches.directory
        asked = load(LAUNCH, NEEDED | sound)
        attempt(found, lambda: check_auth_time(asked, self.launches.now()))
        if "fhir_server" not in sound:
            return found
        server = attempt(found, lambda: directory.server(asked.fhir_server, self.ehr))
        if server is None:
            return found
        client = attempt(found, lambda: directory.client(asked.client_id, server)) if "client_id" in sound else None
        if client is not None:
            found += app_problems(client, asked.launch_url, said="launch_url" in self.members)
        attempt(found, lambda: directory.check_origin(asked.web_messaging_origin, server))
        found += type_problems(asked, server)
        if "user" in sound:
            person = attempt(found, lambda: directory.person(asked.user, server))
            if person is not None:
                attempt(found, lambda: check_patient(directory.users, person, asked.context.patient, server))
            if person is not None and client is not None:
                attempt(found, lambda: check_app(directory.users, client, person, asked.context, server))
        return [*found, *self.session_problems(server, asked.session)]

    def session_problems(self, server: FhirServer, session_id: str | None) -> list[str]:
        if session_id is None:
            return []
        sessions = self.launches.ehr_sessions
        with self.launches.db.read() as session:
            ended = sessions.is_ended(session, server.name, sessions.digest(session_id))
        return ["session: this EHR session has ended"] if ended else []


def app_problems(client: Client, wanted: str | None, *, said: bool) -> list[str]:
    found: list[str] = []
    if "launch" not in client.scope:
        found.append("client_id: the app is not registered for scope launch, so it could not use the launch")
    attempt(found, lambda: launch_url(client, wanted))
    if not said and launch_url(client, None) is None:
        found.append(WHICH_LAUNCH_URL)
    return found


def attempt(found: list[str], look: Callable[[], Found]) -> Found | None:
    """What was looked up; None, and the reason among ``found``, if it was refused."""
    try:
        return look()
    except InsufficientScope as error:
        found.append(f"fhir_server: {error.description}")
    except InvalidRequest as error:
        found.append(error.description)
    return None
