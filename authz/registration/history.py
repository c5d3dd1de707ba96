from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, exists, select

from authz.registration.model import RegistrationEventRow as Row
from authz.registration.model import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.registration.model import RegistrationRow
    from authz.registration.webhook import Webhook

VENDOR, SERVER = "vendor", "server"
MAX_ACTOR = 255
MOST_OF_A_KIND = 50  # of what an app's developer does, that are kept for the review
DECISIONS = (State.APPROVED.value, State.DECLINED.value, State.HELD.value)


def administrator(name: str) -> str:
    """Who decided, as the history has it."""
    return f"administrator:{name}"[:MAX_ACTOR]


@dataclass(frozen=True, slots=True)
class History:
    """What happened to a registration, as vendor and reviewer read it; written in the transaction that does it."""

    now: Callable[[], datetime]
    webhook: Webhook

    def note(
        self, session: Session, client_id: str, actor: str, what: str, note: str = "", **changes: tuple[Any, Any]
    ) -> None:
        """``changes`` are members of the metadata with what they were and what they became."""
        session.add(
            Row(
                client_id=client_id,
                at=self.now(),
                actor=actor,
                what=what,
                note=note,
                changes={name: list(pair) for name, pair in changes.items()},
            )
        )
        session.flush()
        if actor == VENDOR:
            self.keep_newest(session, client_id, what)
        self.webhook.write(session, client_id, actor, what)

    def held(self, session: Session, registration: RegistrationRow) -> None:
        """Say so if this server holds it by itself, for the reason that stands with it."""
        if registration.state == State.HELD.value:
            self.note(session, registration.client_id, SERVER, State.HELD.value, registration.reason)

    def keep_newest(self, session: Session, client_id: str, what: str) -> None:
        """Forget the oldest of a vendor's lines of one kind: whoever writes at will must not fill the disk (RG-19)."""
        lines = select(Row.id).where(Row.client_id == client_id, Row.actor == VENDOR, Row.what == what)
        old = session.scalars(lines.order_by(Row.id.desc()).offset(MOST_OF_A_KIND)).all()
        if old:
            session.execute(delete(Row).where(Row.id.in_(old)))

    def is_decided(self, session: Session, client_id: str) -> bool:
        """Whether a person has ever said yes or no to this app."""
        by_person = (Row.client_id == client_id) & Row.actor.startswith(administrator(""), autoescape=True)
        return bool(session.scalar(select(exists().where(by_person, Row.what.in_(DECISIONS)))))

    def of(self, session: Session, client_id: str) -> Sequence[Row]:
        found = select(Row).where(Row.client_id == client_id)
        return session.scalars(found.order_by(Row.id)).all()
