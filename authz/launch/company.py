"""Whether an app, a person and what is open may come together in a launch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz.errors import InvalidRequest
from authz.fhir_servers.people import for_whom
from authz.launch.standing import Standing, standing

if TYPE_CHECKING:
    from authz.clients.registry import Client
    from authz.fhir_servers.registry import FhirServer
    from authz.launch.context import LaunchContext
    from authz.launch.directory import Person
    from authz.users.registry import Users

UNKNOWN = "?"  # no id of anybody
OF_TEST_ACCOUNT = "a test account is launched with a test patient of this FHIR server"
ONLY_TESTS = "the app is not approved yet: launch it as a test account, with a test patient of this FHIR server"


def check_patient(users: Users, person: Person, patient: str | None, server: FhirServer) -> None:
    """Patients are launched with their own record, representatives with those of whom they represent (CTX-13)."""
    if patient is None:
        return

    def represents() -> bool:
        if person.sub is None:
            return patient in users.acting.linked_to(server.name, person.reference or "")
        return patient in users.represented(person.sub, server.name)

    found = standing(person.reference, patient, represents, ehr_vouches=server.vouched_representatives)
    if found is Standing.NOBODY:
        raise InvalidRequest("patient: not the user's own record, nor of somebody the user is known to represent")


def check_app(users: Users, client: Client, person: Person, context: LaunchContext, server: FhirServer) -> None:
    """An app is opened for those whom it is for; one that is not approved, with nobody real."""
    if not client.is_for(person.reference):
        raise InvalidRequest(f"user: the app is for {for_whom(client.user_types)}, and this user is none of them")
    user = users.by_sub(person.sub) if person.sub is not None else None
    by_test_account = user is not None and user.is_sandbox
    if server.is_sandbox or (client.is_approved and not by_test_account):
        return
    if not by_test_account:
        raise InvalidRequest(f"user: {ONLY_TESTS}")
    why = OF_TEST_ACCOUNT if client.is_approved else ONLY_TESTS
    if not patients_of(context) <= server.sandbox_patients:
        raise InvalidRequest(f"patient: {why}")
    if context.patient is None and (context.encounter is not None or context.fhir_context):
        raise InvalidRequest(f"patient: say whose record is open; {why}")


def patients_of(context: LaunchContext) -> set[str]:
    """Logical ids of the patients that a launch names, beside the one in context too; UNKNOWN for one without an id."""
    others = [item for item in context.fhir_context if item.resource_type == "Patient"]
    ids = {UNKNOWN if item.reference is None else item.reference.removeprefix("Patient/") for item in others}
    return ids | ({context.patient} if context.patient is not None else set())
