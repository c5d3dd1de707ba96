"""What an app may do that nobody has approved: try itself out, with test accounts and invented patients.

Everywhere at a FHIR server that holds nothing else; elsewhere only for accounts and patients that are marked as such.
A test account is held to that in every app: its password may be published.
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
OF_TEST_ACCOUNT = "a test account has the records of test patients only"
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


def is_confined(client: Client, server: FhirServer, *, by_test_account: bool) -> bool:
    """Whether it matters with whom the app is used."""
    return (by_test_account or not client.is_approved) and not server.is_sandbox


def choosable(client: Client, server: FhirServer, patients: Iterable[str], *, by_test_account: bool) -> tuple[str, ...]:
    """Those of these patients whose records the app may open."""
    confined = is_confined(client, server, by_test_account=by_test_account)
    return tuple(patient for patient in patients if not confined or patient in server.sandbox_patients)


def only_tests(client: Client, server: FhirServer, *, by_test_account: bool, patient: str | None) -> list[Limit]:
    """Nothing at all with real people; in a test no more than what a person uses while it is open."""
    with_nobody_real = is_test(server, by_test_account=by_test_account, patient=patient)
    if not client.is_approved:
        if not with_nobody_real:
            return [Limit(Reason.NOT_APPROVED, is_nothing, ONLY_TESTS)]
        return [Limit(Reason.NOT_APPROVED, partial(may_be_tried, server), LESS)]
    if not is_confined(client, server, by_test_account=by_test_account):
        return []
    stays = stays_with_patient if with_nobody_real else is_nothing
    return [Limit(Reason.USER_RIGHTS, stays, OF_TEST_ACCOUNT)]


def why_not(client: Client) -> str:
    """Why it does not go on with somebody real."""
    return OF_TEST_ACCOUNT if client.is_approved else ONLY_TESTS


def stays_with_patient(scope: Scope) -> bool:
    return not isinstance(scope, ResourceScope) or scope.level == "patient"


def is_nothing(_scope: Scope) -> bool:
    return False


def may_be_tried(server: Sandbox, scope: Scope) -> bool:
    """``user/`` reaches beyond the patient in context, so only where everybody is invented."""
    if isinstance(scope, ResourceScope):
        return scope.level == "patient" or (scope.level == "user" and server.is_sandbox)
    return not isinstance(scope, MessagingScope | ExtensionScope) and str(scope) != "offline_access"
