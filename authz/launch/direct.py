"""Launches that an EHR writes straight into Redis (decision 4): off unless the FHIR server allows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from authz.errors import InvalidRequest
from authz.launch.admission import MAX_SECONDS
from authz.launch.launch import Launch, LaunchUnusable, Origin, Unusable, launch_id_of
from authz.launch.request import CLOCKS_APART_SECONDS, check_auth_time, load
from authz.launch.schema import RECORD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from authz.launch.admission import Admission
    from authz.launch.directory import Directory
    from authz.launch.request import LaunchRequest
    from authz.storage.short_lived import Backend


@dataclass(frozen=True, slots=True)
class DirectWrites:
    """Judges records that bear no seal: nothing in them is believed that is not known here."""

    backend: Backend
    directory: Directory
    admission: Admission
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
        return self.admission.admit(digest, vetted, None, Origin.REDIS, self.now())

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
