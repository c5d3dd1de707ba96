"""What a person has decided about an app is known when it comes again: by its addresses, its names, its software_id.

Kept apart from the registration, which its vendor may change and delete (RFC 7592 §2.2, §2.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from authz.clients.redirect_uri import HOST, PARTS
from authz.registration.look_alikes import skeletons
from authz.registration.model import EarlierDecisionRow as Row
from authz.settings import LOOPBACK_HOSTS
from authz.storage.records import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.registration.changes import Members

NARROWED = "narrowed"  # approved for less than it asked


@dataclass(frozen=True, slots=True)
class Said:
    """A decision that an app should not get round."""

    decision: str  # "declined", "held", "narrowed"
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Earlier:
    now: Callable[[], datetime]

    def keep(self, session: Session, client_id: str, members: Members, said: Said) -> None:
        """Remember the app as it is now, beside what it was when it was decided about before."""
        now, found = self.now(), marks(members)
        session.execute(delete(Row).where(Row.client_id == client_id, Row.mark.in_(found)))
        session.add_all(
            Row(
                mark=mark,
                client_id=client_id,
                client_name=members["client_name"],
                decision=said.decision,
                actor=said.actor,
                reason=said.reason,
                decided_at=now,
            )
            for mark in found
        )

    def forget(self, session: Session, client_id: str) -> None:
        """A person has said yes to this app: nothing stands against another like it."""
        session.execute(delete(Row).where(Row.client_id == client_id))

    def like(self, session: Session, found: AbstractSet[str], client_id: str | None = None) -> list[dict[str, Any]]:
        """What was decided about other apps that have one of these ``marks``, the oldest first."""
        alike = select(Row).where(Row.mark.in_(found), Row.client_id != (client_id or ""))
        rows = session.scalars(alike.order_by(Row.decided_at, Row.client_id)).all()
        return list({row.client_id: as_dict(row) for row in rows}.values())


def as_dict(row: Row) -> dict[str, Any]:
    return {
        "client_id": row.client_id,
        "client_name": row.client_name,
        "decision": row.decision,
        "actor": row.actor,
        "reason": row.reason,
        "decided_at": row.decided_at.isoformat(),
    }


def marks(members: Members) -> set[str]:
    """SHA-256 of each thing by which an app is known again; a loopback address is everybody's."""
    return {digest(mark) for mark in texts(members)}


def texts(members: Members) -> Iterator[str]:
    for name, value in members.items():
        if name.partition("#")[0] == "client_name":
            yield from (f"name {skeleton}" for skeleton in skeletons(value))
    for uri in [*members.get("redirect_uris", ()), *members.get("launch_uris", ())]:
        if (place := place_of(uri)) not in LOOPBACK_HOSTS:
            yield f"place {place}"
    if members.get("software_id"):
        yield f"software_id {members['software_id']}"


def place_of(uri: str) -> str:
    """The host of a web address without its port, or the private-use scheme."""
    parts = PARTS.fullmatch(uri)
    if parts is None:
        return uri
    host = HOST.fullmatch(parts["authority"] or "")
    return host["host"].strip("[]") if host and parts["scheme"] in {"http", "https"} else parts["scheme"]
