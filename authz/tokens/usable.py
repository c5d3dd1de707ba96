"""Who a grant depends on, and whether they still allow that anything comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, select
from sqlalchemy.orm import load_only

from authz.clients.client import is_approved
from authz.clients.model import ClientRow
from authz.errors import InvalidClient, InvalidGrant
from authz.fhir_servers.model import FhirServerRow
from authz.policy.policy import Person
from authz.policy.sandbox import ONLY_TESTS, is_test
from authz.tokens.model import GrantRow
from authz.users.model import FhirIdentityRow, UserRow
from authz.users.user import from_row

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

AROUND = (  # of the wide rows no more than is asked for here and where tokens are issued
    select(FhirServerRow, UserRow, ClientRow, FhirIdentityRow.reference)
    .options(
        load_only(
            FhirServerRow.base_url, FhirServerRow.enabled, FhirServerRow.is_sandbox, FhirServerRow.sandbox_patients
        ),
        load_only(ClientRow.enabled, ClientRow.approved, ClientRow.approves_at, ClientRow.checked),
    )
    .select_from(GrantRow)
    .outerjoin(FhirServerRow, FhirServerRow.name == GrantRow.fhir_server)
    .outerjoin(UserRow, UserRow.sub == GrantRow.sub)
    .outerjoin(ClientRow, ClientRow.client_id == GrantRow.client_id)
    .outerjoin(
        FhirIdentityRow,
        and_(FhirIdentityRow.sub == GrantRow.sub, FhirIdentityRow.fhir_server == GrantRow.fhir_server),
    )
    .where(GrantRow.id == bindparam("grant_id"))
)


@dataclass(frozen=True, slots=True)
class Around:
    """Who a grant depends on, as one look finds them."""

    server: FhirServerRow | None
    user: UserRow | None
    client: ClientRow | None
    reference: str | None  # which resource the user is at the FHIR server

    @property
    def person(self) -> Person | None:
        return None if self.user is None else Person(from_row(self.user), self.reference)


def around(session: Session, grant: GrantRow) -> Around:
    return Around(*session.execute(AROUND, {"grant_id": grant.id}).one())


def check_usable(grant: GrantRow, found: Around, now: datetime) -> None:
    """Raise InvalidGrant if the grant was revoked, its user or FHIR server is gone or switched off, its app unapproved.

    Raises InvalidClient if the app was switched off since it authenticated.
    What takes the approval away revokes the grants that it finds; one that is being made then is found out here.
    """
    if grant.revoked_at is not None:
        raise InvalidGrant("what this was issued for has been revoked")
    server, user, client = found.server, found.user, found.client
    if server is None or not server.enabled:
        raise InvalidGrant("the FHIR server is not available for apps")
    if grant.sub is not None and (user is None or not user.enabled):
        raise InvalidGrant("the user may no longer use this server")
    if client is not None and not client.enabled:
        raise InvalidClient  # switched off since it authenticated
    if client is not None and not is_approved(client, now):
        by_test_account = user is not None and user.is_sandbox
        if not is_test(server, by_test_account=by_test_account, patient=grant.context.get("patient")):
            raise InvalidGrant(ONLY_TESTS)
