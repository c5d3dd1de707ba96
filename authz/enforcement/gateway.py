"""From a proxied request and a token to the ruling: the part of enforcement that has stores and servers behind it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from authz.audit.event import Event, EventName
from authz.enforcement.decide import decide, is_open, understood
from authz.enforcement.fhir_request import Server
from authz.enforcement.reserved import WRITES
from authz.enforcement.token import LEVELS, Token
from authz.enforcement.upstream import bases
from authz.errors import BearerError, InvalidToken, NoToken, printable
from authz.policy.app_state import STATE
from authz.scopes import ScopeSet
from authz.storage.recent import A_SECOND, Recent
from authz.tokens.introspection import INACTIVE, Caller
from authz.users.who_is_who import telling

if TYPE_CHECKING:
    from authz.audit.event import Peer
    from authz.audit.trail import Trail
    from authz.enforcement.fhir_request import Access, FhirRequest
    from authz.enforcement.reach import UserReach
    from authz.enforcement.upstream import Upstream
    from authz.fhir_servers.registry import FhirServer, FhirServers
    from authz.tokens.introspection import Introspection
    from authz.users.sign_in_rules import SignInRulebook
    from authz.users.who_is_who import Telling

AUDIT_SECONDS = 60.0  # the same refusal of the same token is one line in the trail for so long
MOST_LINES = 30  # of one token in that time, by one process; what is asked is in the line, and can be made up


class Refused(BearerError):
    """RFC 6750 §3.1: the token does not give this; ``scope`` would, if it is not empty."""

    code: ClassVar[str] = "insufficient_scope"
    status: ClassVar[int] = 403

    def __init__(self, description: str, scope: str = "") -> None:
        super().__init__(description)
        self.scope = scope

    def headers(self) -> dict[str, str]:
        challenge = super().headers()["WWW-Authenticate"]
        return {"WWW-Authenticate": f'{challenge}, scope="{printable(self.scope)}"' if self.scope else challenge}


@dataclass(frozen=True, slots=True)
class Gateway:
    """Rules on requests to FHIR servers."""

    introspection: Introspection
    fhir_servers: FhirServers
    upstream: Upstream
    user_reach: UserReach
    trail: Trail
    rulebook: SignInRulebook
    tellings: Recent[Telling] = field(default_factory=lambda: Recent(A_SECOND))
    audited: Recent[bool] = field(default_factory=lambda: Recent(AUDIT_SECONDS))
    lines: Recent[list[str]] = field(default_factory=lambda: Recent(AUDIT_SECONDS))

    def fhir_server(self, name: str) -> FhirServer | None:
        """The enabled FHIR server of this name."""
        server = self.fhir_servers.get(name)
        return server if server is not None and server.enabled else None

    def rule(self, server: FhirServer, request: FhirRequest, token: str | None, peer: Peer) -> dict[str, Any]:
        """The members of the token's introspection answer if it may; none of them for what is open to everybody.

        Raises NoToken, InvalidToken, Refused, or where the answer can't be known now Unavailable, TooManyRequests.
        """
        known = known_of(server)
        found, _ = understood(request, known)
        if is_open(found):
            return {}
        if token is None:
            raise NoToken("an access token is needed")
        members = self.live(token, server)
        carried, person = self.token(members, server, found), members.get("sub") or members["client_id"]
        with self.upstream.records(server, person) as records:
            decision = decide(carried, request, known, records)
        if decision.is_allowed:
            return members
        self.audit(members, server, decision.why, peer)
        raise Refused(decision.why, decision.scope)

    def live(self, token: str, server: FhirServer) -> dict[str, Any]:
        """RS-01, RS-02: active, in time, and made for this FHIR server."""
        answer = self.introspection.answer(token, Caller(f"forward-auth/{server.name}", frozenset({server.name})))
        if answer == INACTIVE:
            raise InvalidToken("the access token is unknown, expired, revoked or of another FHIR server")
        members: dict[str, Any] = json.loads(answer)
        return members

    def token(self, members: dict[str, Any], server: FhirServer, found: tuple[Access, ...]) -> Token:
        fhir_user = server.relative(members["fhirUser"]) if "fhirUser" in members else None
        carried = Token(
            ScopeSet.parse(members["scope"]),
            members.get("patient"),
            fhir_user,
            by_name_only=frozenset({STATE}) if server.app_state else frozenset(),
            telling=self.telling(server) if WRITES & {access.kind for access in found} else {},
        )
        if not carried.scopes.has_level(LEVELS[1]):
            return carried
        return replace(carried, user_reach=self.user_reach.of(members, fhir_user, server, found))

    def telling(self, server: FhirServer) -> Telling:
        key = (server.name, server.representation_links)
        return self.tellings.get(key, lambda: telling(server, self.rulebook.of(server.name)))

    def audit(self, members: dict[str, Any], server: FhirServer, why: str, peer: Peer) -> None:
        said = self.lines.get(members.get("jti"), list)

        def write() -> bool:
            if len(said) >= MOST_LINES:
                return False
            said.append(why)
            event = Event(
                EventName.FHIR_REFUSED,
                outcome="refused",
                reason=Refused.code,
                sub=members.get("sub"),
                client_id=members.get("client_id"),
                fhir_server=server.name,
                patient=members.get("patient"),
                token_id=members.get("jti"),
                peer=peer,
                one_by_one=True,
                detail={"problem": printable(why)},
            )
            if len(said) == MOST_LINES:
                event = replace(event, event=EventName.RATE_LIMITED, reason="refusals_of_a_token")
            self.trail.refused(event)
            return True

        self.audited.get((members.get("jti"), why), write)


def known_of(server: FhirServer) -> Server:
    """What the pure part needs of a FHIR server's record."""
    paths = {urlsplit(url).path.removesuffix("/") for url in (server.base_url, *server.aliases)}
    return Server(tuple(sorted(paths, key=len, reverse=True)), server.resource_types, bases(server))
