"""Those whom a grant is about, held as they are until it is committed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from authz.authorize.refusal import PageRefusal
from authz.clients.client import from_row
from authz.clients.model import ClientRow
from authz.clients.redirect_uri import match
from authz.errors import AccessDenied, InvalidRequest
from authz.fhir_servers.model import FhirServerRow
from authz.launch.launch import LaunchUnusable, Unusable
from authz.launch.resolve import UNUSABLE
from authz.launch.standing import Standing
from authz.login.federated.sessions import end_is_told
from authz.storage.turns import of_client, of_fhir_server, of_user, together
from authz.users.model import FhirIdentityRow, UserRow
from authz.wording import mark

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from authz.authorize.pending import Pending
    from authz.authorize.request import AuthorizationRequest
    from authz.authorize.situation import Situation
    from authz.users.registry import Users

WHO = (
    select(UserRow, ClientRow, FhirServerRow, FhirIdentityRow.reference)
    .select_from(UserRow)
    .join(ClientRow, ClientRow.client_id == bindparam("client_id"))
    .join(FhirServerRow, FhirServerRow.name == bindparam("fhir_server"))
    .outerjoin(
        FhirIdentityRow,
        (FhirIdentityRow.sub == UserRow.sub) & (FhirIdentityRow.fhir_server == FhirServerRow.name),
    )
    .where(UserRow.sub == bindparam("sub"))
)
CHANGED = "the app, the FHIR server or what the user may share was changed meanwhile: begin again"


def hold(session: Session, users: Users, request: AuthorizationRequest, pending: Pending, situation: Situation) -> None:
    """Begin the grant's transaction with a turn about the person, the app and the FHIR server.

    Whoever changes one of them meanwhile waits, and then finds the grant to be revoked; if they were first, nothing
    is granted by what this request found at its beginning. Who signed in at the EHR did not sign in here, where that
    was ended.

    Raises AccessDenied; PageRefusal if the app has lost the address that the answer would go to; InvalidRequest if the
    launch's EHR named another than the person is by now.
    """
    launch, sign_in, user = pending.launch, situation.sign_in, situation.user
    assert sign_in is not None
    assert user is not None
    about = (of_user(sign_in.sub), of_client(request.client.client_id), of_fhir_server(request.fhir_server.name))
    together(session, *about)
    named = {"sub": sign_in.sub, "client_id": request.client.client_id, "fhir_server": request.fhir_server.name}
    found = session.execute(WHO, named).one_or_none()
    if found is None or not (found.UserRow.enabled and found.ClientRow.enabled and found.FhirServerRow.enabled):
        raise AccessDenied("the user, the app or the FHIR server was switched off meanwhile")
    is_by_ehr = launch is not None and pending.sign_in is None
    is_told = pending.origin is not None and end_is_told(session, pending.origin)
    if is_told or (not is_by_ehr and not sign_in.counts_in(found.UserRow.sessions_valid_from)):
        raise AccessDenied("this sign-in was ended meanwhile")
    if found.reference != situation.fhir_user:
        raise AccessDenied("the user has become another person in the records meanwhile")
    if launch is not None and launch.fhir_user not in {None, situation.fhir_user}:
        raise InvalidRequest(UNUSABLE) from LaunchUnusable(Unusable.USER_GONE, launch.launch_id)
    client = from_row(found.ClientRow, users.now())
    if match(client, request.redirect_uri) is None:
        raise PageRefusal(mark("The address the app wants to return to (redirect_uri) is not registered for it."))
    is_as_before = client == request.client and request.fhir_server.is_still(found.FhirServerRow)
    if not is_as_before or found.UserRow.is_sandbox is not user.is_sandbox or has_ended(users, request, situation):
        raise AccessDenied(CHANGED)


def has_ended(users: Users, request: AuthorizationRequest, situation: Situation) -> bool:
    """Whether the person represented the patient, and does not any more."""
    if situation.stands is not Standing.REPRESENTATIVE or situation.user is None:
        return False
    return situation.context.patient not in users.represented(situation.user.sub, request.fhir_server.name)
