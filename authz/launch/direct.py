"""Launches that an EHR writes straight into Redis (decision 4): off unless the FHIR server allows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from authz.audit.event import EventName
from authz.errors import InvalidRequest
from authz.launch.launch import Launch, LaunchUnusable, Unusable, launch_id_of, launch_of
from authz.launch.record import Seal
from authz.launch.request import CLOCKS_APART_SECONDS, check_auth_time, load
from authz.launch.schema import RECORD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from authz.audit.trail import Trail
    from authz.launch.directory import Directory, Vetted
    from authz.launch.request import LaunchRequest
    from authz.storage.database import Database
    from authz.storage.short_lived import Backend

SEEN = "launch-seen:"
MAX_SECONDS = 300


@dataclass(frozen=True, slots=True)
class DirectWrites:
    """Judges records that bear no seal: nothing in them is believed that is not known here."""

    db: Database
    backend: Backend
    directory: Directory
    trail: Trail
    now: Callable[[], datetime]
    possible: bool  # the store is Redis

    def accept(self, digest: str, key: str, members: Mapping[str, Any]) -> Launch:
        """The launch of a record under ``key``, audited when it is first seen. Raises LaunchUnusable."""
        launch_id = launch_id_of(digest)
        if not self.possible:
            raise LaunchUnusable(Unusable.FOREIGN, launch_id, "the store is not Redis")
        try:
            asked = load(RECORD, members)
            check_auth_time(asked, self.now())
        except InvalidRequest as cause:
            raise LaunchUnusable(Unusable.MALFORMED, launch_id, cause.description) from cause
        self.check_life(asked, key, launch_id)
        try:
            vetted = self.directory.vet(asked, None)
        except InvalidRequest as cause:
            raise LaunchUnusable(Unusable.FOREIGN, launch_id, cause.description) from cause
        if not vetted.server.redis_launches:
            raise LaunchUnusable(Unusable.FOREIGN, launch_id, "the FHIR server does not allow launches from Redis")
        return self.admit(digest, vetted)

    def check_life(self, asked: LaunchRequest, key: str, launch_id: str) -> None:
        """Both ends are capped: what the record says, and what Redis will do."""
        assert asked.exp is not None  # the schema requires it
        # the clocks may differ: Redis' own holds the key to 300 s anyway
        longest = self.now() + timedelta(seconds=MAX_SECONDS + CLOCKS_APART_SECONDS)
        if asked.exp > longest.timestamp():
            raise LaunchUnusable(Unusable.LONG_LIVED, launch_id, f"exp is more than {MAX_SECONDS} s ahead")
        left = self.backend.expires_in(key)
        if left is None:
            raise LaunchUnusable(Unusable.UNKNOWN, launch_id)
        if left > MAX_SECONDS:
            raise LaunchUnusable(Unusable.LONG_LIVED, launch_id, f"the key lives longer than {MAX_SECONDS} s")

    def admit(self, digest: str, vetted: Vetted) -> Launch:
        first = self.backend.get(SEEN + digest)[0] is None
        if not first and vetted.person.sub is not None:
            return self.launch(digest, vetted, vetted.person.sub)
        with self.db.write() as session:
            launch = self.launch(digest, vetted, self.directory.sub(session, vetted))
            self.trail.record(session, launch.event(EventName.LAUNCH_CREATED))
        self.backend.put({SEEN + digest: b"1"}, MAX_SECONDS)
        return launch

    def launch(self, digest: str, vetted: Vetted, sub: str) -> Launch:
        return launch_of(digest, vetted.asked, vetted.server.name, Seal(sub, None), is_direct=True)
