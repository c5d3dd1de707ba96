"""Registration by apps themselves: somebody to try an app with, and decisions that were not forgotten."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from authz.doctor.finding import Finding
from authz.fhir_servers.features import AppRegistration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authz.services import Services

WAITING_LONG = timedelta(days=14)


def registration(made: Services) -> Iterator[Finding]:
    accounts = [user.sub for user in made.users.all() if user.is_sandbox and user.enabled]
    known = {name for sub in accounts for name in made.users.fhir_users(sub)}
    for server in made.fhir_servers.all():
        if not server.enabled or server.is_sandbox or server.registration is AppRegistration.CLOSED:
            continue
        missing = [] if server.sandbox_patients else ["test patient"]
        missing += [] if server.name in known else ["test account"]
        if missing:
            told = f"apps can register, and there is no {' and no '.join(missing)} to try them with"
            yield Finding("registration.no_tests", server.name, told)
    for one in made.registration.review.list(undecided=True):
        waiting = made.now() - one.registration.created_at
        if one.registration.proposed is None and waiting > WAITING_LONG:
            told = f"{one.client.client_name} has waited for {waiting.days} days"
            yield Finding("registration.waiting", one.client.client_id, told)
