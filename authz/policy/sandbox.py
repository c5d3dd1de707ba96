"""What an app may do that nobody has approved: try itself out, with test accounts and invented patients.

Everywhere at a FHIR server that holds nothing else; elsewhere only for accounts and patients that are marked as such.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from authz.scopes import ExtensionScope, Limit, MessagingScope, Reason, ResourceScope

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from authz.clients.registry import Client
    from authz.fhir_servers.registry import FhirServer
    from authz.scopes.scope import Scope

NOT_APPROVED = "the app is not approved yet"
ONLY_TESTS = f"{NOT_APPROVED}: only test accounts can use it, and only for test patients"
LESS = f"{NOT_APPROVED}: until then it gets the records of test patients, while somebody uses it"


class Sandbox(Protocol):
    """A FHIR server, as far as it matters here."""

    @property
    def is_sandbox(self) -> bool: ...

    @property
    def sandbox_patients(self) -> Collection[str]: ...


def is_test(server: Sandbox, *, by_test_account: bool, patient: str | None) -> bool:
    """Whether nobody real has a part in this."""
    return server.is_sandbox or (by_test_account and (patient is None or patient in server.sandbox_patients))


def is_confined(client: Client, server: FhirServer) -> bool:
    """Whether it matters with whom the app is used."""
    return not client.is_approved and not server.is_sandbox


def choosable(client: Client, server: FhirServer, patients: Iterable[str]) -> tuple[str, ...]:
    """Those of these patients whose records the app may open."""
    confined = is_confined(client, server)
    return tuple(patient for patient in patients if not confined or patient in server.sandbox_patients)


def only_tests(client: Client, server: FhirServer, *, by_test_account: bool, patient: str | None) -> list[Limit]:
    """Nothing at all with real people; in a test no more than what a person uses while it is open."""
    if client.is_approved:
        return []
    if not is_test(server, by_test_account=by_test_account, patient=patient):
        return [Limit(Reason.NOT_APPROVED, is_nothing, ONLY_TESTS)]
    return [Limit(Reason.NOT_APPROVED, partial(may_be_tried, server), LESS)]


def is_nothing(_scope: Scope) -> bool:
    return False


def may_be_tried(server: Sandbox, scope: Scope) -> bool:
    """``user/`` reaches beyond the patient in context, so only where everybody is invented."""
    if isinstance(scope, ResourceScope):
        return scope.level == "patient" or (scope.level == "user" and server.is_sandbox)
    return not isinstance(scope, MessagingScope | ExtensionScope) and str(scope) != "offline_access"
