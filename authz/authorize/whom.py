"""For which patient and which visit: what is given, what follows, what has to be chosen (SMART CTX-10..13)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from authz.authorize.context import told
from authz.errors import AccessDenied
from authz.launch.context import LaunchContext, context_types
from authz.launch.standing import STAFF
from authz.policy.access import AccessQuestion, decide
from authz.policy.sandbox import choosable, is_confined

if TYPE_CHECKING:
    from authz.authorize.pending import Pending
    from authz.authorize.request import AuthorizationRequest
    from authz.scopes import ScopeSet
    from authz.users.registry import User, Users

SOMEBODY = "?"  # stands for whoever or whatever would be chosen, to see whether it is needed at all


@dataclass(frozen=True, slots=True)
class Context:
    """Logical ids, as far as they are certain, and what is still to be chosen."""

    patient: str | None = None
    encounter: str | None = None
    needs_patient: bool = False
    needs_encounter: bool = False


def find_context(
    request: AuthorizationRequest, pending: Pending, users: Users, user: User, fhir_user: str | None
) -> Context:
    """The launch's context wins (AZ-78); in a launch something is chosen only where the FHIR server's policy says so.

    Raises AccessDenied for somebody who has nobody to choose.
    """
    given = pending.launch.context if pending.launch is not None else LaunchContext()
    may_choose = pending.launch is None or request.fhir_server.launch_picker
    chosen = pending.patient.id if pending.patient is not None else None
    patient, encounter = given.patient or chosen, given.encounter or pending.encounter
    if not may_choose or (given.patient is None and given.encounter is not None):
        return Context(patient, encounter)  # whose visit the EHR named, nobody here can tell
    asked = question(request, pending, fhir_user, Context(anybody(request, user), SOMEBODY))
    wanted = decide(replace(asked, by_test_account=user.is_sandbox)).granted
    if patient is None and wanted.is_for_patient:
        patient, needs_patient = whose(request, pending, users, user, fhir_user)
        if needs_patient:
            return Context(needs_patient=True)
    undecided = encounter is None and not pending.without_encounter
    return Context(
        patient, encounter, needs_encounter=undecided and patient is not None and "launch/encounter" in wanted
    )


def anybody(request: AuthorizationRequest, user: User) -> str:
    """Somebody whose records the app could open."""
    server = request.fhir_server
    only_tests = is_confined(request.client, server, by_test_account=user.is_sandbox)
    return next(iter(server.sandbox_patients), SOMEBODY) if only_tests else SOMEBODY


def whose(
    request: AuthorizationRequest, pending: Pending, users: Users, user: User, fhir_user: str | None
) -> tuple[str | None, bool]:
    """The only patient there can be, or whether one has to be chosen (CTX-13).

    An EHR that vouches for representatives says for whom: what it did not say is not chosen beside it.
    """
    kind, _, own_id = (fhir_user or "").partition("/")
    if kind in STAFF:
        if request.fhir_server.staff_picker:
            return None, True
        refusal = AccessDenied("open this app from the EHR: choosing a patient here is not offered to staff")
    else:
        is_vouched = pending.launch is not None and request.fhir_server.vouched_representatives
        represented = () if is_vouched else users.represented(user.sub, request.fhir_server.name)
        represented = choosable(request.client, request.fhir_server, represented, by_test_account=user.is_sandbox)
        people = [own_id, *(one for one in represented if one != own_id)] if kind == "Patient" else list(represented)
        if people:
            return (people[0], False) if len(people) == 1 else (None, True)
        refusal = AccessDenied("there is no patient whose records this user may share")
    if pending.launch is not None:
        return None, False
    raise refusal


def question(
    request: AuthorizationRequest,
    pending: Pending,
    fhir_user: str | None,
    context: Context,
    agreed: ScopeSet | None = None,
) -> AccessQuestion:
    launched = pending.launch.context.as_parameters() if pending.launch else {}
    return AccessQuestion(
        client=request.client,
        fhir_server=request.fhir_server,
        requested=request.scope,
        fhir_user=fhir_user,
        patient=context.patient,
        encounter=context.encounter,
        has_launch=pending.launch is not None,
        context_types=context_types(told(request.client, launched)),
        agreed=agreed,
        web_messaging_origin=pending.launch.web_messaging_origin if pending.launch else None,
    )
