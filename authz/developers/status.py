"""Where an approval stands, in words for the app's makers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.registration.lanes import Lane
from authz.registration.model import State

if TYPE_CHECKING:
    from datetime import datetime

    from authz.clients.registry import Client
    from authz.registration.model import RegistrationRow

LANES = {
    Lane.PATIENT: "An app for patients",
    Lane.PROVIDER: "An app for clinicians",
    Lane.BACKEND: "A service without people",
}
OUTLOOKS = {
    Lane.PATIENT: "It is approved by itself after a while, unless the hospital decides before.",
    Lane.PROVIDER: "Ask for production on its page, and the hospital decides.",
    Lane.BACKEND: "The hospital decides; until then the service gets no token.",
}
SANDBOX_WORKS = "It works for test accounts with invented patients, and for nobody else."
STATES = {
    State.SANDBOX: ("In the sandbox", SANDBOX_WORKS),
    State.REQUESTED: ("Waiting for a decision", f"{SANDBOX_WORKS} Somebody at the hospital looks at it."),
    State.HELD: ("On hold", f"{SANDBOX_WORKS} The hospital has a question before it decides."),
    State.APPROVED: ("In production", "It works for everybody it is for."),
    State.DECLINED: ("Declined", f"{SANDBOX_WORKS} Correct what is said below, and ask again."),
}
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


def status(client: Client, row: RegistrationRow, approves_at: datetime | None, now: datetime) -> Status:
    """An approval that has come by itself is one, whatever was written down."""
    state = State.APPROVED if client.is_approved else State(row.state)
    title, meaning = STATES[state]
    waits = approves_at is not None and state in (State.SANDBOX, State.REQUESTED)
    return Status(
        lane=LANES[Lane(row.lane)],
        title=title if client.enabled else "Switched off",
        meaning=meaning if client.enabled else "The hospital has switched the app off: nobody can use it.",
        when=BY_ITSELF.format(when=moment(approves_at, now)) if waits and approves_at is not None else "",
        reason=row.reason,
        mood={State.APPROVED: "good", State.DECLINED: "bad", State.HELD: "bad"}.get(state, "warn"),
        may_request=client.enabled and state in (State.SANDBOX, State.DECLINED),
        outlook=OUTLOOKS[Lane(row.lane)],
    )


def moment(time: datetime, now: datetime) -> str:
    """``28 November 2026, 03:47 UTC (in 47 hours)``."""
    hours = max(1, round((time - now).total_seconds() / HOUR))
    return f"{time.day} {time:%B %Y, %H:%M} UTC (in {hours} {'hour' if hours == 1 else 'hours'})"
