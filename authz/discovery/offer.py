"""What is switched on at a FHIR server, or at one at least of several: what every document follows from (CAP-03)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from authz.fhir_servers.associated import APP_STATE
from authz.fhir_servers.features import AppRegistration, Feature
from authz.launch.standing import STAFF
from authz.scopes import ResourceScope, parse_scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.fhir_servers.registry import FhirServer
    from authz.scopes import ScopeSet


@dataclass(frozen=True, slots=True)
class Offer:
    """Of these FHIR servers; where there is none yet, of what one would have by default."""

    servers: tuple[FhirServer, ...]

    def has(self, feature: Feature) -> bool:
        return not self.servers or any(server.offers(feature) for server in self.servers)

    @property
    def has_users(self) -> bool:
        """Whether apps are opened by people, so that there is an authorization endpoint and an id_token."""
        return self.has(Feature.EHR_LAUNCH) or self.has(Feature.STANDALONE)

    @property
    def has_offline(self) -> bool:
        return self.has_users and self.has(Feature.OFFLINE_ACCESS)

    def ceilings(self, level: str) -> list[ScopeSet]:
        """What users of each type may pass on where they can open an app for that level (decision 16)."""
        return [
            ceiling
            for server in self.servers
            for user_type, ceiling in server.scope_ceilings.items()
            if may_be_user(server, user_type, level)
        ]


def may_be_user(server: FhirServer, user_type: str, level: str) -> bool:
    """Staff have a patient in context by an EHR launch, or where they may choose one."""
    if level == "patient" and user_type in STAFF and not server.staff_picker:
        return server.offers(Feature.EHR_LAUNCH)
    return server.offers(Feature.EHR_LAUNCH) or server.offers(Feature.STANDALONE)


def ehr(offer: Offer) -> bool:
    return offer.has(Feature.EHR_LAUNCH)


def standalone(offer: Offer) -> bool:
    return offer.has(Feature.STANDALONE)


def users(offer: Offer) -> bool:
    return offer.has_users


def backends(offer: Offer) -> bool:
    return offer.has(Feature.BACKEND_SERVICES)


def offline(offer: Offer) -> bool:
    return offer.has_offline


def v1(offer: Offer) -> bool:
    return offer.has(Feature.SCOPES_V1)


def app_state(offer: Offer) -> bool:
    return any(server.app_state for server in offer.servers)


def messaging(offer: Offer) -> bool:
    """Only where an EHR has a window: its origin is registered."""
    return any(server.has_web_messaging for server in offer.servers)


def registration(offer: Offer) -> bool:
    """Off until a hospital opens it (decision 13)."""
    return any(server.registration is not AppRegistration.CLOSED for server in offer.servers)


def always(_offer: Offer) -> bool:
    return True


def level(name: str) -> Callable[[Offer], bool]:
    return lambda offer: not offer.servers or any(ceiling.has_level(name) for ceiling in offer.ceilings(name))


def is_granted_to_users(scope: ResourceScope, offer: Offer) -> bool:
    if scope.is_v1 and not v1(offer):
        return False
    return not offer.servers or any(ceiling.covers(scope) for ceiling in offer.ceilings(scope.level))


def records(text: str) -> Callable[[Offer], bool]:
    scope = parse_scope(text)
    assert isinstance(scope, ResourceScope)
    return partial(is_granted_to_users, scope)


RECORDS = (
    *("patient/*.rs", "patient/*.cruds", "user/*.rs", "user/*.cruds"),
    *("patient/*.read", "patient/*.write", "user/*.read", "user/*.write"),
)
CAPABILITIES: dict[str, Callable[[Offer], bool]] = {  # SMART section 2.3
    "launch-ehr": ehr,
    "launch-standalone": standalone,
    "authorize-post": users,
    "client-public": users,
    "client-confidential-symmetric": users,
    "client-confidential-asymmetric": always,
    "sso-openid-connect": users,
    "context-banner": ehr,
    "context-style": ehr,
    "context-ehr-patient": ehr,
    "context-ehr-encounter": ehr,
    "context-standalone-patient": standalone,
    "context-standalone-encounter": standalone,
    "permission-offline": offline,
    "permission-online": ehr,
    "permission-patient": level("patient"),
    "permission-user": level("user"),
    "permission-v1": v1,
    "permission-v2": always,
    APP_STATE: app_state,
}
SCOPES: dict[str, Callable[[Offer], bool]] = {
    "openid": users,
    "fhirUser": users,
    "profile": users,
    "launch": ehr,
    "launch/patient": users,
    "launch/encounter": users,
    "offline_access": offline,
    "online_access": users,
    **{text: records(text) for text in RECORDS},
    "system/*.rs": backends,
    "system/*.cruds": backends,
    **dict.fromkeys(("messaging/ui", "messaging/scratchpad", "messaging/fhir"), messaging),
}


def listed(table: dict[str, Callable[[Offer], bool]], offer: Offer) -> list[str]:
    return [name for name, is_on in table.items() if is_on(offer)]
