from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from authz.registration.model import RegistrationEventRow as Row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.registration.webhook import Webhook

VENDOR, SERVER = "vendor", "server"
MAX_ACTOR = 255


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
        self.webhook.write(session, client_id, actor, what)

    def keep_newest(self, session: Session, client_id: str, what: str, most: int) -> None:
        """Forget the oldest lines of one kind: whoever may write them at will must not fill the disk (RG-19)."""
        lines = select(Row.id).where(Row.client_id == client_id, Row.what == what)
        old = session.scalars(lines.order_by(Row.id.desc()).offset(most)).all()
        if old:
            session.execute(delete(Row).where(Row.id.in_(old)))

    def of(self, session: Session, client_id: str) -> Sequence[Row]:
        found = select(Row).where(Row.client_id == client_id)
        return session.scalars(found.order_by(Row.id)).all()
