"""Notices a caller that asks about tokens that do not exist: it may be guessing (RFC 7662 §4, security.md IN-11)."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

from authz.audit.event import Event, EventName

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.audit.trail import Trail

log = logging.getLogger(__name__)
MANY = 1_000  # inactive answers a minute, of one process; a busy FHIR server with a stale app stays below
MINUTE = 60.0


class ScanAlarm:
    """Says so once a minute, to the log and to the trail; the caller is served on, as its users depend on it."""

    def __init__(self, trail: Trail, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.trail = trail
        self.monotonic = monotonic
        self.lock = threading.Lock()
        self.minute = 0
        self.misses: Counter[str] = Counter()

    def missed(self, caller: str) -> None:
        minute = int(self.monotonic() // MINUTE)
        with self.lock:
            if minute != self.minute:
                self.minute, self.misses = minute, Counter()
            self.misses[caller] += 1
            raised = self.misses[caller] == MANY
        if raised:
            log.warning("%s asked about %d tokens within a minute that are not good", caller, MANY)
            self.trail.refused(Event(EventName.INTROSPECTION_REFUSED, "refused", "many_unknown", client_id=caller))
