"""The first sight of a launch that its EHR made by itself: the person is found or made, and it is audited, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.audit.event import EventName
from authz.launch.launch import Launch, Origin, launch_of
from authz.launch.record import Seal

if TYPE_CHECKING:
    from datetime import datetime

    from authz.audit.trail import Trail
    from authz.launch.directory import Directory, Vetted
    from authz.storage.database import Database
    from authz.storage.short_lived import Backend

SEEN = "launch-seen:"
MAX_SECONDS = 300  # the longest such a launch may live


@dataclass(frozen=True, slots=True)
class Admission:
    db: Database
    backend: Backend
    directory: Directory
    trail: Trail

    def admit(self, digest: str, vetted: Vetted, ehr: str | None, origin: Origin, made_at: datetime) -> Launch:
        """A launch of which everything is known here; ``ehr`` made it, as far as that is proved."""
        first = self.backend.get(SEEN + digest)[0] is None
        if not first and vetted.person.sub is not None:
            return launch(digest, vetted, Seal(vetted.person.sub, ehr, made_at), origin)
        with self.db.write() as session:
            admitted = launch(digest, vetted, Seal(self.directory.sub(session, vetted), ehr, made_at), origin)
            self.trail.record(session, admitted.event(EventName.LAUNCH_CREATED))
        self.backend.put({SEEN + digest: b"1"}, MAX_SECONDS)
        return admitted


def launch(digest: str, vetted: Vetted, seal: Seal, origin: Origin) -> Launch:
    return launch_of(digest, vetted.asked, vetted.server, seal, origin)
