"""Which FHIR servers take an app that comes by itself: each says so (decisions 13 and 23)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.errors import InvalidToken, NoToken
from authz.fhir_servers.features import AppRegistration
from authz.registration.initial_tokens import NO_GOOD

if TYPE_CHECKING:
    from authz.fhir_servers.registry import FhirServers
    from authz.registration.admission import Presented
    from authz.registration.initial_tokens import InitialTokens
    from authz.storage.database import Database


@dataclass(frozen=True, slots=True)
class Opened:
    """The FHIR servers where an app may be used once it is registered; at least one."""

    names: tuple[str, ...]

    def narrowed(self, name: str | None) -> tuple[str, ...]:
        """Only the one that whoever spoke for the app has named, if any. Raises InvalidToken if it is not open."""
        if name is None:
            return self.names
        if name not in self.names:
            raise InvalidToken(NO_GOOD)
        return (name,)


@dataclass(frozen=True, slots=True)
class Doors:
    db: Database
    fhir_servers: FhirServers
    tokens: InitialTokens

    def opened(self, presented: Presented, fhir_server: str | None) -> Opened:
        """Those that open to what was presented, or that one.

        Raises NoToken and InvalidToken: a closed door says no more than a missing one (RG-01).
        """
        token = presented.initial_access_token
        ways = {AppRegistration.OPEN}
        if token is not None or presented.software_statement is not None:
            ways.add(AppRegistration.INVITED)
        everyone = [server for server in self.fhir_servers.all() if server.enabled]
        names = [
            server.name for server in everyone if server.registration in ways and fhir_server in {None, server.name}
        ]
        if token is not None:
            with self.db.read() as session:
                self.tokens.check(session, token)
        if not names:
            raise NoToken("registration needs an initial access token") if token is None else InvalidToken(NO_GOOD)
        return Opened(tuple(names))
