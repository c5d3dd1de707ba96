"""Whether apps may write what a FHIR server is believed by about people, where /forward-auth can't refuse it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz.doctor.finding import Finding
from authz.launch.standing import STAFF
from authz.users.who_is_who import telling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authz.fhir_servers.registry import FhirServer
    from authz.services import Services

OF_A_RECORD = frozenset({"Patient", "Person", "RelatedPerson"})  # FHIR R4, Patient compartment
WRITES = "cud"


def who_is_who(made: Services) -> Iterator[Finding]:
    """A FHIR server without an upstream_url is asked at its base URL: what stands before it is not ours."""
    for server in made.fhir_servers.all():
        if not server.enabled or server.upstream_url:
            continue
        believed = OF_A_RECORD & telling(server, made.federation.rulebook.of(server.name)).keys()
        if types := sorted(type_ for type_ in believed if may_be_written(server, type_)):
            told = f"people are known and act for others by its {', '.join(types)}, which apps may be let write"
            yield Finding("fhir.who_is_who", server.name, told)


def may_be_written(server: FhirServer, type_: str) -> bool:
    """Whether anybody may pass on a scope for it that is not one of staff themselves."""
    return any(
        scope.permits(type_, letter)
        for user_type, ceiling in server.scope_ceilings.items()
        for scope in ceiling.resources
        if scope.level == "patient" or user_type not in STAFF
        for letter in WRITES
    )
