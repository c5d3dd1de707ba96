"""Asking a FHIR server again for whom somebody acts; what has ended is revoked (SMART CTX-13, decision 20)."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

from authz.audit.event import Event, EventName, Peer
from authz.errors import AccessDenied
from authz.fhir_servers.bundle import SearchFailed, Why
from authz.launch.standing import REPRESENTATIVES
from authz.outbound import Limits
from authz.storage.turns import of_user
from authz.tokens.own import OnBehalf
from authz.users.registry import find_by_fhir_user
from authz.users.representation_links import read_links
from authz.users.user import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.authorize.searching import Searching
    from authz.fhir_servers.server import FhirServer
    from authz.tokens.revocation import Revocation
    from authz.tokens.whose import Ended
    from authz.users.registry import Users
    from authz.users.user import Representation

log = logging.getLogger(__name__)
SECONDS = 2.0  # for all the questions together
MAX_BYTES = 400_000
JUST_NOW = timedelta(seconds=60)  # the pages of one sign-in ask once
ENDED = "represents_no_more"


@dataclass(frozen=True, slots=True)
class Representing:
    users: Users
    searching: Searching
    revocation: Revocation
    now: Callable[[], datetime]

    def meet(self, server: FhirServer, reference: str | None, client_id: str, peer: Peer | None = None) -> None:
        """Ask when somebody comes, unless that was done just now."""
        if self.is_told_there(server, reference) and reference is not None:
            since = self.now() - JUST_NOW
            if not self.users.acting.is_read_since(server.name, reference, since):
                self.confirm(server, reference, client_id, peer)

    def confirm(self, server: FhirServer, reference: str | None, client_id: str, peer: Peer | None = None) -> None:
        """Ask now. Without a usable answer nothing changes, and what was confirmed before counts for its grace."""
        if not self.is_told_there(server, reference) or reference is None:
            return
        who = OnBehalf("", None, client_id, server, peer or Peer())
        asked_at, until = self.now(), monotonic() + SECONDS

        def by_id(resource_type: str, ids: Iterable[str]) -> Mapping[str, dict[str, Any]]:
            left = until - monotonic()
            if left <= 0:
                raise SearchFailed(Why.UNAVAILABLE, "the FHIR server is too slow")
            return self.searching.by_id(who, resource_type, ids, Limits(left, MAX_BYTES))

        try:
            found = read_links(server, reference, by_id, asked_at)
        except (SearchFailed, AccessDenied):  # it is in the log, and on the trail
            log.warning("whom %s acts for could not be confirmed", reference)
            return
        self.keep(server, reference, found, asked_at)

    def is_told_there(self, server: FhirServer, reference: str | None) -> bool:
        return server.representation_links and (reference or "").partition("/")[0] in REPRESENTATIVES

    def keep(self, server: FhirServer, reference: str, found: Iterable[Representation], asked_at: datetime) -> None:
        """Write down the answer, and end what was granted for those whom nothing else lets the person act for."""

        def write(session: Session) -> list[Ended]:
            come, gone = self.users.acting.keep(session, server.name, reference, found, asked_at)
            user = find_by_fhir_user(session, server.name, reference)
            sub = user.sub if user else None
            about = Event(
                EventName.USER_CHANGED, sub=sub, fhir_server=server.name, detail={"source": Source.FHIR.value}
            )
            for reason, patients in (("represents", come), (ENDED, gone)):
                for patient in sorted(patients):
                    self.users.trail.record(session, replace(about, reason=reason, patient=patient))
            if sub is None:
                return []
            over = gone.difference(self.users.represented(sub, server.name))
            return [(sub, server.name, patient) for patient in sorted(over)]

        known = self.users.by_fhir_user(server.name, reference)
        self.revocation.revoke_patients([of_user(known.sub)] if known else [], ENDED, within=write)
