"""Who a patient is, for pages that would otherwise show a number: asked quickly, and done without where that fails."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from authz.errors import AccessDenied
from authz.fhir_servers.bundle import SearchFailed, Why
from authz.fhir_servers.search import QUICKLY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from authz.authorize.searching import Searching
    from authz.fhir_servers.records import PatientRecord
    from authz.tokens.own import OnBehalf

log = logging.getLogger(__name__)
PAUSE_SECONDS = 60.0


class Naming:
    """A FHIR server that did not answer is left alone for a minute, so that not every page waits for it."""

    def __init__(self, searching: Searching, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.searching = searching
        self.monotonic = monotonic
        self.away_until: dict[str, float] = {}

    def records(self, who: OnBehalf, ids: Iterable[str]) -> dict[str, PatientRecord]:
        """Those of these patients whom the person may see, by id; nobody at all if nobody answers."""
        name = who.server.name
        if self.monotonic() < self.away_until.get(name, 0.0):
            return {}
        try:
            return self.searching.named(who, ids, QUICKLY)
        except SearchFailed as failure:  # it is in the log, and on the trail
            if failure.why is not Why.UNAVAILABLE:
                return {}
            self.away_until[name] = self.monotonic() + PAUSE_SECONDS
        except AccessDenied:
            log.info("no name of a patient was asked for: the person or the FHIR server was switched off")
        return {}
