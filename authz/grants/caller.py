"""Who calls a back-channel endpoint: a client at /token and /revoke, a FHIR server or an EHR that asks about tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

from authz.clients.speakers import ehr_name
from authz.errors import InsufficientScope, InvalidClient, InvalidRequest, InvalidToken, NoToken
from authz.launch.directory import LAUNCH_SCOPE
from authz.storage.recent import A_SECOND, Recent
from authz.tokens.introspection import Caller

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.audit.event import Peer
    from authz.clients.registry import Client, Clients
    from authz.scopes import ScopeSet
    from authz.tokens.introspection import Introspection

INTROSPECT_SCOPE = "__introspect"
HANDLE_SCOPE = "__swm_introspect"
SECRET_PARAMETERS = ("client_id", "client_secret")


@dataclass(frozen=True, slots=True)
class BackChannelRequest:
    """A form post as the gate has let it through, and the credentials of its headers."""

    form: dict[str, str]
    peer: Peer
    basic: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # every reading of the Basic header (SYM-04)
    bearer: str | None = field(default=None, repr=False)
    path: str = ""  # which endpoint is called, below the issuer's path

    def credentials(self) -> list[str]:
        """The kinds of credentials sent; two at once are refused (RFC 6749 §2.3)."""
        kinds = {
            "basic": bool(self.basic),
            "post": "client_secret" in self.form,
            "assertion": "client_assertion" in self.form or "client_assertion_type" in self.form,
            "bearer": self.bearer is not None,
        }
        return [kind for kind, sent in kinds.items() if sent]

    @property
    def claimed_client_id(self) -> str | None:
        """Who the request says it is from, without proof."""
        return self.form.get("client_id") or next((name for name, _ in reversed(self.basic)), None)

    def check_one_credential(self) -> None:
        if len(self.credentials()) > 1:
            raise InvalidRequest("use one way of client authentication, not several")


class Registered(Protocol):
    """FHIR servers or EHRs, which call by a credential of their own."""

    def caller(self, request: BackChannelRequest) -> Caller | None:
        """None if it is nobody of these. Raises InvalidClient for one that proves it wrongly."""
        ...


class Callers:
    """Authenticates who asks; a good secret is remembered for a second, so that SQL is left in peace.

    Not a client's: clients are (see ``Clients.recent``), and what is remembered of what is remembered grows old.
    """

    def __init__(
        self,
        scope: str,
        registered: Registered,
        introspection: Introspection,
        authenticate_client: Callable[[BackChannelRequest], Client],
        clients: Clients,
    ) -> None:
        self.scope = scope
        self.registered = registered
        self.introspection = introspection
        self.authenticate_client = authenticate_client
        self.clients = clients
        self.recent: Recent[Caller | None] = Recent(A_SECOND)

    def authenticate(self, request: BackChannelRequest) -> Caller:
        """Whoever is registered for it by its credential; a client that is registered for the scope by its secret or
        its key; anybody by a token with that scope (SMART INT-07, INT-08).

        Raises InvalidClient, InvalidToken, InsufficientScope, NoToken.
        """
        request.check_one_credential()
        match request.credentials():
            case ["bearer"]:
                return self.by_token(str(request.bearer))
            case ["assertion"]:
                return self.registered.caller(request) or self.by_client(request)
            case ["basic" | "post"]:
                return self.by_secret(request)
        raise NoToken(f"say who you are: HTTP Basic of your credential, or a client or token with scope {self.scope}")

    def by_secret(self, request: BackChannelRequest) -> Caller:
        sent = [*(part for reading in request.basic for part in reading), *map(request.form.get, SECRET_PARAMETERS)]
        key = sha256("\0".join(part or "" for part in sent).encode()).digest()
        return self.recent.get(key, lambda: self.registered.caller(request)) or self.by_client(request)

    def by_client(self, request: BackChannelRequest) -> Caller:
        client = self.authenticate_client(request)
        if self.scope not in client.scope or not client.is_approved:
            raise InvalidClient
        return Caller(client.client_id, frozenset(client.fhir_servers) or None, as_ehr(client.client_id, client.scope))

    def by_token(self, token: str) -> Caller:
        facts = self.introspection.token_facts(token)
        if facts is None:
            raise InvalidToken("the access token is unknown, expired or revoked")
        if self.scope not in facts.scope:
            raise InsufficientScope("this token may not introspect", self.scope, facts.named)
        client = self.clients.recent(facts.client_id)
        ehr = as_ehr(facts.client_id, facts.scope, *([] if client is None else [client.scope]))
        return Caller(facts.client_id, frozenset({facts.fhir_server}), ehr)


def as_ehr(client_id: str, *scopes: ScopeSet) -> str | None:
    """A client that may make launches is one EHR among others, also where its token has not that scope."""
    return ehr_name(client_id) if any(LAUNCH_SCOPE in scope for scope in scopes) else None
