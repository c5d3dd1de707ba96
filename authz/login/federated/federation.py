from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from authz.keyring.box import Box
from authz.login.federated.metadata import Published
from authz.login.federated.registry import Providers
from authz.login.federated.relying_party import RelyingParty
from authz.login.federated.sessions import UpstreamSessions
from authz.login.federated.trip import Trips
from authz.users.sign_in_rules import SignInRulebook
from authz.users.upstream import UpstreamIdentities

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from authz.keyring.secrets import Secrets
    from authz.keyring.signing import Keyring
    from authz.outbound import Outbound
    from authz.settings import Settings
    from authz.storage.database import Database
    from authz.storage.short_lived import Backend


@dataclass(frozen=True, slots=True)
class Federation:
    """Everything about signing in at the hospital's providers that needs no authorization request."""

    providers: Providers
    rulebook: SignInRulebook
    identities: UpstreamIdentities
    relying_party: RelyingParty
    trips: Trips
    sessions: UpstreamSessions

    @classmethod
    def wire(
        cls,
        settings: Settings,
        stores: tuple[Database, Backend],
        keys: tuple[Secrets, Keyring],
        outbound: Outbound,
        now: Callable[[], datetime],
    ) -> Self:
        (db, backend), (secrets, keyring) = stores, keys
        providers, published = Providers(db, secrets, now), Published(outbound, now)
        return cls(
            providers=providers,
            rulebook=SignInRulebook(db),
            identities=UpstreamIdentities(db, now),
            relying_party=RelyingParty(providers, published, keyring, settings.url, now),
            trips=Trips(backend, Box(secrets, "sign-in trip")),
            sessions=UpstreamSessions(db, Box(secrets, "upstream session"), providers, published, now),
        )
