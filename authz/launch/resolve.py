"""How an app was opened: from the EHR, with a context that is there already, or by itself (SMART AUTHZ-13)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from authz.audit.event import Event, EventName
from authz.errors import InvalidRequest, printable
from authz.launch.launch import Launch, LaunchUnusable, Unusable
from authz.scopes import LaunchScope

if TYPE_CHECKING:
    from typing import NoReturn

    from authz.audit.event import Peer
    from authz.launch.store import Launches
    from authz.scopes import ScopeSet

LAUNCH = LaunchScope(None)
LAUNCH_ENCOUNTER = LaunchScope("encounter")
# AZ-73: one sentence for all, so that nobody learns which launches there are or were
UNUSABLE = "the launch is unknown, expired or already used, or it was made for another app, FHIR server or request"
# a launch that there is, and somebody tries it for whom it was not made (AZ-74)
BY_ANOTHER = frozenset({Unusable.OTHER_CLIENT, Unusable.OTHER_FHIR_SERVER, Unusable.OTHER_REQUEST})


@dataclass(frozen=True, slots=True)
class Asked:
    """What decides about the launch in an authorization request."""

    launch: str | None
    scope: ScopeSet  # as requested
    client_id: str
    fhir_server: str  # name
    peer: Peer | None = None


@dataclass(frozen=True, slots=True)
class EhrLaunch:
    """The EHR opened the app: its context wins over whatever ``launch/...`` scopes ask for (CTX-11, AZ-78)."""

    launch: Launch


@dataclass(frozen=True, slots=True)
class Standalone:
    """The app was opened by itself: what still has to be chosen. A scope ``launch`` has nothing to refer to here."""

    patient_needed: bool
    encounter_needed: bool


def resolve(launches: Launches, asked: Asked) -> EhrLaunch | Standalone:
    """Find the context of an authorization request.

    Raises InvalidRequest, never falls back to a standalone launch; the audit trail is told why.
    """
    if not asked.launch:  # empty is absent (decision 11)
        return Standalone(
            patient_needed=asked.scope.is_for_patient, encounter_needed=LAUNCH_ENCOUNTER in asked.scope.launches
        )
    if LAUNCH not in asked.scope.launches:
        raise InvalidRequest("the parameter launch needs the scope launch")
    try:
        launch = launches.read(asked.launch)
    except LaunchUnusable as cause:
        refuse(launches, asked, cause)
    if launch.client_id != asked.client_id:
        refuse(launches, asked, LaunchUnusable(Unusable.OTHER_CLIENT, launch.launch_id))
    if launch.fhir_server != asked.fhir_server:
        refuse(launches, asked, LaunchUnusable(Unusable.OTHER_FHIR_SERVER, launch.launch_id))
    return EhrLaunch(launch)


def claim(launches: Launches, launch: Launch, claimant: str, asked: Asked) -> None:
    """Tie the launch to this request (decision 14); ``claimant`` names it the same way each time it comes.

    Raises InvalidRequest if another request came before.
    """
    if not launches.claim(launch.digest, claimant):
        refuse(launches, asked, LaunchUnusable(Unusable.OTHER_REQUEST, launch.launch_id))


def check_open(launches: Launches, launch: Launch, page_seconds: int) -> None:
    """Whether the page of a launch may still be answered; whoever sits there shows no cookie.

    Not after the launch was used or withdrawn elsewhere, its user, its EHR or the EHR's session has gone, or a page's
    life after its own end, however often a page was shown meanwhile. Raises InvalidRequest.
    """
    if launches.now() >= launch.expires_at + timedelta(seconds=page_seconds):
        raise InvalidRequest(UNUSABLE) from LaunchUnusable(Unusable.UNKNOWN, launch.launch_id)
    try:
        launches.check_unspent(launch.digest)
        launches.check_around(launch)
    except LaunchUnusable as cause:
        raise InvalidRequest(UNUSABLE) from cause


def refuse(launches: Launches, asked: Asked, cause: LaunchUnusable) -> NoReturn:
    launches.trail.refused(
        Event(
            event=EventName.LAUNCH_REFUSED,
            outcome="refused",
            reason=cause.reason.value,
            client_id=asked.client_id,
            fhir_server=asked.fhir_server,
            launch_id=cause.launch_id,
            peer=asked.peer,
            one_by_one=cause.reason in BY_ANOTHER,
            detail={"problem": printable(cause.detail)} if cause.detail else {},
        )
    )
    raise InvalidRequest(UNUSABLE) from cause
