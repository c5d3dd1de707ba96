"""Now and then, after signing in, people read which apps go on while they are away (SMART BP-01)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import update

from authz.my_apps.model import OfflineReminderRow
from authz.storage.database import changed, insert_once

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from authz.clients.registry import Clients
    from authz.my_apps.my_apps import MyApps


@dataclass(frozen=True, slots=True)
class Reminders:
    my_apps: MyApps
    clients: Clients
    now: Callable[[], datetime]
    seconds: int  # between two of them

    def due(self, sub: str, may_see: Callable[[str], bool]) -> tuple[str, ...]:
        """The names of these apps at the FHIR servers they ``may_see``, once in ``seconds``; of two pages at once one
        gets them.

        Whoever allowed the first of them only lately knows: for them the time begins.
        """
        before = self.now() - timedelta(seconds=self.seconds)
        with self.my_apps.db.read() as session:
            row = session.get(OfflineReminderRow, sub)
        if row is not None and row.shown_at > before:
            return ()
        held = [one for one in self.my_apps.offline(sub) if may_see(one.place.fhir_server)]
        if not held:
            return ()
        if row is None and all(one.since > before for one in held):
            self.note(sub, before)
            return ()
        found = {one.place.client_id: self.clients.find(one.place.client_id) for one in held}
        names = sorted({client.shown_name for client in found.values() if client is not None})
        return tuple(names) if self.note(sub, before) else ()

    def note(self, sub: str, before: datetime) -> bool:
        """Whether nobody else has noted it since."""
        now = self.now()
        again = update(OfflineReminderRow).where(OfflineReminderRow.sub == sub, OfflineReminderRow.shown_at <= before)
        with self.my_apps.db.write() as session:
            first = insert_once(session, OfflineReminderRow, sub=sub, shown_at=now)
            return first or changed(session, again.values(shown_at=now)) == 1
