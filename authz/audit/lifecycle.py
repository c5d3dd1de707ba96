"""The server's own life on the trail: its starts, what was set differently since the one before, and its stops."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from sqlalchemy import select

from authz.audit.event import Event, EventName
from authz.audit.model import AuditEventRow
from authz.audit.order import ORDER

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from authz.audit.trail import Trail
    from authz.keyring.secrets import Secrets
    from authz.settings import Settings

PURPOSE = "settings on the trail"
MARK = 16  # hexadecimal digits: enough to see a change, and without the key nothing to guess a password from


@dataclass(frozen=True, slots=True)
class Lifecycle:
    trail: Trail
    settings: Settings
    secrets: Secrets

    def started(self, session: Session) -> None:
        """Note the start, and by name the settings that are not what they were at the last one."""
        before = self.last_start(session)
        changed = sorted(self.changed(before)) if before else []
        self.trail.record(session, Event(EventName.SERVER_STARTED, detail={"settings": self.marks()}))
        if changed:
            self.trail.record(session, Event(EventName.CONFIGURATION_CHANGED, detail={"changed": changed}))

    def stopped(self) -> None:
        """Note an orderly stop; a start without one before it followed a crash."""
        self.trail.shown(Event(EventName.SERVER_STOPPED))

    def last_start(self, session: Session) -> dict[str, str]:
        starts = select(AuditEventRow.detail).where(AuditEventRow.event == EventName.SERVER_STARTED.value)
        last = session.scalar(starts.order_by(*(column.desc() for column in ORDER)).limit(1))
        return (last or {}).get("settings", {})  # type: ignore[no-any-return]  # as it was written here

    def marks(self) -> dict[str, str]:
        return {name: self.secrets.mac(PURPOSE, text)[:MARK] for name, text in self.texts().items()}

    def changed(self, before: dict[str, str]) -> set[str]:
        """Whose mark no key of this server makes; a setting that only one of the two versions has, too."""
        now = self.texts()
        same = {name for name, text in now.items() if self.is_mark(before.get(name), text)}
        return (before.keys() | now.keys()) - same

    def is_mark(self, mark: str | None, text: str) -> bool:
        return any(made[:MARK] == mark for made in self.secrets.macs(PURPOSE, text))

    def texts(self) -> dict[str, str]:
        return {field.name: f"{field.name}={getattr(self.settings, field.name)}" for field in fields(self.settings)}
