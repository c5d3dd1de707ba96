"""Where an approval stands, in words for the app's makers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.registration.lanes import Lane
from authz.registration.model import State

if TYPE_CHECKING:
    from datetime import datetime

    from authz.registration.applications import Application

LANES = {
    Lane.PATIENT: "An app for patients",
    Lane.PROVIDER: "An app for clinicians",
    Lane.BACKEND: "A service without people",
}
OUTLOOKS = {
    Lane.PATIENT: "It is approved by itself after a while, unless the hospital decides before.",
    Lane.PROVIDER: "Ask for production, and the hospital decides.",
    Lane.BACKEND: "The hospital decides; until then the service gets no token.",
}
NOTHING_YET = "It gets no token before the hospital has agreed."
SANDBOX_WORKS = "It works for test accounts with invented patients, and for nobody else."
STATES = {
    State.SANDBOX: ("In the sandbox", ""),
    State.REQUESTED: ("Waiting for a decision", " Somebody at the hospital looks at it."),
    State.HELD: ("On hold", " The hospital has to decide before it goes on."),
    State.APPROVED: ("In production", "It works for everybody it is for."),
    State.DECLINED: ("Declined", " Correct what is said below, and ask again."),
}
SWITCHED_OFF = ("Switched off", "The hospital has switched the app off: nobody can use it.")
MOODS = {State.APPROVED: "good", State.DECLINED: "bad", State.HELD: "bad"}
BY_ITSELF = "It is approved by itself on {when}, unless the hospital decides before."
HOUR = 3600


@dataclass(frozen=True, slots=True)
class Status:
    lane: str
    title: str
    meaning: str
    when: str  # of an approval that comes by itself
    reason: str  # of the last decision
    mood: str  # "good", "warn" or "bad"
    may_request: bool
    outlook: str  # what leads to production


def status(application: Application, now: datetime) -> Status:
    """An approval that has come by itself is one, whatever was written down."""
    state, row, is_enabled = application.state, application.registration, application.client.enabled
    title, meaning = STATES[state] if is_enabled else SWITCHED_OFF
    if is_enabled and state is not State.APPROVED:
        meaning = (NOTHING_YET if row.lane == Lane.BACKEND else SANDBOX_WORKS) + meaning
    by_itself = application.approves_at if state in (State.SANDBOX, State.REQUESTED) else None
    return Status(
        lane=LANES[Lane(row.lane)],
        title=title,
        meaning=meaning,
        when=BY_ITSELF.format(when=moment(by_itself, now)) if by_itself is not None else "",
        reason=row.reason,
        mood=MOODS.get(state, "warn"),
        may_request=is_enabled and state in (State.SANDBOX, State.DECLINED),
        outlook=OUTLOOKS[Lane(row.lane)],
    )


def moment(time: datetime, now: datetime) -> str:
    """``28 November 2026, 03:47 UTC (in 47 hours)``."""
    hours = max(1, round((time - now).total_seconds() / HOUR))
    return f"{time.day} {time:%B %Y, %H:%M} UTC (in {hours} {'hour' if hours == 1 else 'hours'})"
