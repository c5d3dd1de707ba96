"""How far a user sees at a FHIR server, whatever an app was granted (SMART SCP-01, decisions 16 and 20)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from authz.enforcement.compartment import patient_of_reference
from authz.enforcement.token import EVERYONE, NOBODY, Reach
from authz.launch.standing import STAFF
from authz.policy.rights import HookedRights, RightsQuestion
from authz.storage.recent import Recent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authz.clients.registry import Clients
    from authz.enforcement.fhir_request import Access
    from authz.fhir_servers.registry import FhirServer
    from authz.policy.rights import UserRights
    from authz.users.registry import Users

BELIEVED_SECONDS = 1.0
MAX_NAMED = 10


@dataclass(frozen=True, slots=True)
class UserReach:
    """Patients see themselves and, as representatives do, those they act for; staff everybody.

    Where the site has rules of its own (``user_rights``) they are asked about staff, too: then staff reach only the
    patients whom the request itself names, and of these whom the rules allow.
    """

    users: Users
    clients: Clients
    rights: UserRights
    answers: Recent[Reach] = field(default_factory=lambda: Recent(BELIEVED_SECONDS))

    def of(self, members: dict[str, Any], fhir_user: str | None, server: FhirServer, found: Iterable[Access]) -> Reach:
        """``members`` are those of the token's introspection answer; ``fhir_user`` is the relative reference."""
        sub = members.get("sub")
        kind, _, id_ = (fhir_user or "").partition("/")
        if not isinstance(sub, str) or not kind:
            return NOBODY
        if kind not in STAFF:
            own = frozenset({id_} if kind == "Patient" else ())
            represented = partial(self.users.represented, sub, server.name)
            return self.answers.get((sub, server.name, own), lambda: Reach(own.union(represented())))
        if not isinstance(self.rights, HookedRights):
            return EVERYONE
        named = frozenset(sorted(named_patients(found))[:MAX_NAMED])
        key = (sub, server.name, members.get("client_id"), named)
        return self.answers.get(key, lambda: self.allowed(sub, str(members.get("client_id")), server, fhir_user, named))

    def allowed(
        self, sub: str, client_id: str, server: FhirServer, fhir_user: str | None, named: frozenset[str]
    ) -> Reach:
        user, client = self.users.by_sub(sub), self.clients.find(client_id)
        if user is None or client is None:
            return NOBODY
        asked = {patient: RightsQuestion(user, fhir_user, server.name, patient, client) for patient in named}
        return Reach(frozenset(patient for patient, question in asked.items() if self.rights.allows(question)))


def named_patients(found: Iterable[Access]) -> set[str]:
    """Every patient a request names in its address: as the resource, the compartment or a parameter."""
    named: set[str] = set()
    for access in found:
        named |= {access.id} if access.type == "Patient" and access.id else set()
        named |= {access.compartment} if access.compartment else set()
        for name, value in access.pairs:
            code = name.partition(":")[0]
            if code == "patient" or (code == "_id" and access.type == "Patient"):
                named |= {id_ for text in value.split(",") if (id_ := text.removeprefix("Patient/"))}
            elif patient := patient_of_reference(value, ()):
                named.add(patient)
    return named
