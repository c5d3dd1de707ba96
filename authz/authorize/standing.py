"""Those whom a grant is about, held as they are until it is committed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from authz.clients.model import ClientRow
from authz.errors import AccessDenied, InvalidRequest
from authz.fhir_servers.model import FhirServerRow
from authz.launch.launch import LaunchUnusable, Unusable
from authz.launch.resolve import UNUSABLE
from authz.storage.turns import of_client, of_fhir_server, of_user, together
from authz.users.model import FhirIdentityRow, UserRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from authz.authorize.pending import Pending
    from authz.authorize.request import AuthorizationRequest
    from authz.authorize.situation import Situation

WHO = (
    select(
        (UserRow.enabled & ClientRow.enabled & FhirServerRow.enabled).label("are_on"),
        UserRow.sessions_valid_from,
        FhirIdentityRow.reference,
    )
    .select_from(UserRow)
    .join(ClientRow, ClientRow.client_id == bindparam("client_id"))
    .join(FhirServerRow, FhirServerRow.name == bindparam("fhir_server"))
    .outerjoin(
        FhirIdentityRow,
        (FhirIdentityRow.sub == UserRow.sub) & (FhirIdentityRow.fhir_server == FhirServerRow.name),
    )
    .where(UserRow.sub == bindparam("sub"))
)


def hold(session: Session, request: AuthorizationRequest, pending: Pending, situation: Situation) -> None:
    """Begin the grant's transaction with a turn about the person, the app and the FHIR server.

    Whoever changes one of them meanwhile waits, and then finds the grant to be revoked; who was first has ended
    what this request found at its beginning. Who signed in at the EHR did not sign in here, where that was ended.

    Raises AccessDenied, or InvalidRequest if the launch's EHR named another than the person is by now.
    """
    launch, sign_in = pending.launch, situation.sign_in
    assert sign_in is not None
    about = (of_user(sign_in.sub), of_client(request.client.client_id), of_fhir_server(request.fhir_server.name))
    together(session, *about)
    named = {"sub": sign_in.sub, "client_id": request.client.client_id, "fhir_server": request.fhir_server.name}
    found = session.execute(WHO, named).one_or_none()
    if found is None or not found.are_on:
        raise AccessDenied("the user, the app or the FHIR server was switched off meanwhile")
    is_by_ehr = launch is not None and pending.sign_in is None
    if not is_by_ehr and sign_in.since < found.sessions_valid_from:
        raise AccessDenied("this sign-in was ended meanwhile")
    if found.reference != situation.fhir_user:
        raise AccessDenied("the user has become another person in the records meanwhile")
    if launch is not None and launch.fhir_user not in {None, situation.fhir_user}:
        raise InvalidRequest(UNUSABLE) from LaunchUnusable(Unusable.USER_GONE, launch.launch_id)
