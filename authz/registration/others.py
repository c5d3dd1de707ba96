"""All apps that another is compared with, by what they are told apart: read anew only where one has changed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import load_only

from authz.clients.client import is_approved
from authz.clients.model import ClientRow
from authz.registration.findings import Named, named

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.orm import Session

AT_ONCE = 20  # rows whose whole metadata is in memory: one may be a quarter of a megabyte
STANDING = load_only(ClientRow.updated_at, ClientRow.approved, ClientRow.checked, ClientRow.approves_at)
SAID = (
    ClientRow.client_id,
    ClientRow.updated_at,
    ClientRow.client_name,
    ClientRow.about,
    ClientRow.redirect_uris,
    ClientRow.launch_uris,
)


@dataclass(frozen=True, slots=True)
class Others:
    """What strangers call their apps costs its work once for each version of an app, and not at each check of any."""

    now: Callable[[], datetime]
    known: dict[tuple[str, datetime], Named] = field(default_factory=dict)

    def of(self, session: Session, client_id: str) -> tuple[Named, ...]:
        """All enabled apps but this one."""
        others = select(ClientRow).where(ClientRow.enabled, ClientRow.client_id != client_id)
        rows = session.scalars(others.options(STANDING).order_by(ClientRow.client_id)).all()
        kept = {row.client_id: one for row in rows if (one := self.known.get((row.client_id, row.updated_at)))}
        kept |= self.learned(session, [row.client_id for row in rows if row.client_id not in kept])
        self.forget([(row.client_id, row.updated_at) for row in rows])
        now = self.now()
        found = ((row, kept.get(row.client_id)) for row in rows)
        return tuple(replace(one, is_approved=is_approved(row, now)) for row, one in found if one is not None)

    def learned(self, session: Session, client_ids: Sequence[str]) -> dict[str, Named]:
        """As they are now; of one that has gone meanwhile nothing."""
        found = {}
        for start in range(0, len(client_ids), AT_ONCE):
            some = ClientRow.client_id.in_(client_ids[start : start + AT_ONCE])
            for row in session.execute(select(*SAID).where(some)):
                found[row.client_id] = self.known[row.client_id, row.updated_at] = summary(row)
        return found

    def forget(self, versions: Sequence[tuple[str, datetime]]) -> None:
        """What is no version of an app any more, but for the one that is looked at itself just now."""
        if len(self.known) > len(versions) + AT_ONCE:
            for version in set(self.known).difference(versions):
                self.known.pop(version, None)


def summary(row: Row[tuple[str, datetime, str, dict[str, object], list[str], list[str]]]) -> Named:
    lists = {"redirect_uris": row.redirect_uris, "launch_uris": row.launch_uris}
    said = {"client_name": row.client_name, **row.about, **lists}
    return named(row.client_id, said, is_approved=False).shortened()
