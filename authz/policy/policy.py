"""The access policy after the grant: rights that were taken away since are gone at the next refresh (decision 20)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.errors import InvalidGrant
from authz.fhir_servers.features import Feature
from authz.policy.access import AccessQuestion, decide
from authz.policy.rights import RightsQuestion
from authz.policy.sandbox import is_confined, is_test, why_not
from authz.policy.sensitive import SensitivityQuestion, needs_reason

if TYPE_CHECKING:
    from authz.clients.registry import Client
    from authz.fhir_servers.registry import FhirServer, FhirServers
    from authz.policy.rights import UserRights
    from authz.policy.sensitive import Sensitivity
    from authz.scopes import ScopeSet
    from authz.users.registry import User, Users


@dataclass(frozen=True, slots=True)
class Held:
    """What an app has and wants to keep."""

    client: Client
    fhir_server: str  # name
    sub: str
    patient: str | None  # logical id
    has_launch: bool
    scope: ScopeSet
    fhir_user: str | None = None  # absolute URL; who the person was when they granted it
    encounter: str | None = None  # logical id
    context_types: frozenset[str] = frozenset()  # resource types of its fhirContext
    is_vouched: bool = False  # when it was granted, the user represented the patient by the EHR's word alone
    is_offline: bool = False  # outlasts the session
    web_messaging_origin: str | None = None  # of the EHR's window
    has_reason: bool = False  # staff said why they need protected records: nothing of it lasts


@dataclass(frozen=True, slots=True)
class Person:
    user: User
    fhir_user: str | None  # relative reference: which resource they are at the FHIR server


@dataclass(frozen=True, slots=True)
class Policy:
    users: Users
    fhir_servers: FhirServers
    rights: UserRights
    sensitivity: Sensitivity

    def still_allows(self, held: Held, person: Person | None = None) -> ScopeSet:
        """What of the scope would be granted today, never more. Raises InvalidGrant if that is nothing.

        ``person`` is whose it is, if that has just been read.
        """
        server, person = self.fhir_servers.get(held.fhir_server), person or self.person(held)
        if server is None or person is None:
            raise InvalidGrant("the user or the FHIR server is gone")
        user, fhir_user = person.user, person.fhir_user
        self.check_may_use(held, server, user, fhir_user)
        if held.patient is not None:
            vouches = held.is_vouched and server.vouched_representatives
            asked = RightsQuestion(user, fhir_user, server.name, held.patient, held.client, vouches)
            if not self.rights.allows(asked):
                raise InvalidGrant("the user may no longer share the records of this patient")
        judgement = decide(
            AccessQuestion(
                client=held.client,
                fhir_server=server,
                requested=held.scope,
                fhir_user=fhir_user,
                patient=held.patient,
                encounter=held.encounter,
                has_launch=held.has_launch,
                context_types=held.context_types,
                is_protected=held.has_reason,
                web_messaging_origin=held.web_messaging_origin,
                by_test_account=user.is_sandbox,
            )
        )
        if not judgement.granted:
            verdicts = [verdict.as_dict() for verdict in judgement.verdicts]
            raise InvalidGrant("nothing of what was granted is allowed any more").explained(verdicts)
        sensitive = SensitivityQuestion(user, fhir_user, server, held.patient, held.client, judgement.granted)
        if not held.has_reason and needs_reason(self.sensitivity, sensitive):
            raise InvalidGrant("these records are protected now: the user has to open the app again and say why")
        return judgement.granted

    def person(self, held: Held) -> Person | None:
        user = self.users.by_sub(held.sub)
        return None if user is None else Person(user, self.users.fhir_user(user.sub, held.fhir_server))

    def check_may_use(self, held: Held, server: FhirServer, user: User, fhir_user: str | None) -> None:
        """Whether the app, whatever it wants, is still for this person here. Raises InvalidGrant."""
        if not held.client.may_use(server.name):
            raise InvalidGrant("the app may no longer be used at this FHIR server")
        if held.fhir_user is not None and (fhir_user is None or held.fhir_user != server.absolute(fhir_user)):
            raise InvalidGrant("the user is no longer the person in the records who granted this")
        way_in = Feature.EHR_LAUNCH if held.has_launch else Feature.STANDALONE
        if not server.offers(way_in) or (held.is_offline and not server.offers(Feature.OFFLINE_ACCESS)):
            raise InvalidGrant("this FHIR server no longer offers what was granted")
        if not held.client.is_for(fhir_user):
            raise InvalidGrant("the app is no longer for users of this kind")
        tests = is_test(server, by_test_account=user.is_sandbox, patient=held.patient)
        if is_confined(held.client, server, by_test_account=user.is_sandbox) and not tests:
            raise InvalidGrant(why_not(held.client))
