"""Searches for the pages where somebody chooses: each with a token of its own, bounded in number, on the trail."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from authz.audit.event import Event, EventName
from authz.errors import AccessDenied, InvalidGrant
from authz.fhir_servers.bundle import SearchFailed, Why
from authz.fhir_servers.search import LIMITS
from authz.scopes import ScopeSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from authz.audit.trail import Trail
    from authz.fhir_servers.records import PatientRecord
    from authz.fhir_servers.search import Encounters, FhirSearch, PatientQuery, Patients
    from authz.limits import Limits as RateLimits
    from authz.outbound import Limits
    from authz.storage.database import Database
    from authz.tokens.own import OnBehalf, OwnTokens

T = TypeVar("T")
log = logging.getLogger(__name__)
AT_ONCE = 4  # in each process: the FHIR server asks back about each token, which needs threads too
WAIT_SECONDS = 2.0
PATIENTS = ScopeSet.parse("user/Patient.rs")
PATIENTS_AND_VISITS = ScopeSet.parse("user/Patient.rs user/Encounter.rs")


@dataclass(frozen=True, slots=True)
class Visits:
    """A patient's visits, and who the patient is, as far as the person may see that."""

    patient: PatientRecord | None
    encounters: Encounters


class Searching:
    """Everything raises SearchFailed, and AccessDenied for somebody who was switched off meanwhile.

    What a person searches for raises TooManyRequests too.
    """

    def __init__(self, db: Database, search: FhirSearch, tokens: OwnTokens, trail: Trail, limits: RateLimits) -> None:
        self.db = db
        self.search = search
        self.tokens = tokens
        self.trail = trail
        self.limits = limits
        self.slots = threading.BoundedSemaphore(AT_ONCE)

    def patients(self, who: OnBehalf, query: PatientQuery, next_url: str | None) -> Patients:
        def ask(token: str) -> Patients:
            return self.search.patients(who.server, token, query, next_url)

        self.limits.searching(about(who))
        return self.on_trail(who, PATIENTS, ask, lambda found: len(found.records))

    def named(self, who: OnBehalf, ids: Iterable[str], limits: Limits = LIMITS) -> dict[str, PatientRecord]:
        return self.on_trail(who, PATIENTS, lambda token: self.search.named(who.server, token, ids, limits), len)

    def people(self, who: OnBehalf, resource_type: str, asked: list[tuple[str, str]]) -> tuple[dict[str, Any], ...]:
        """Who somebody may be that has just signed in; it is this server that asks, as they have no rights yet."""

        def ask(token: str) -> tuple[dict[str, Any], ...]:
            return self.search.page(who.server, token, resource_type, asked).resources

        return self.on_trail(who, ScopeSet.parse(f"system/{resource_type}.rs"), ask, len)

    def by_id(self, who: OnBehalf, resource_type: str, ids: Iterable[str], limits: Limits) -> dict[str, dict[str, Any]]:
        """Those of these resources that there are; it is this server that asks. A part of the answer is none."""
        wanted = list(ids)

        def ask(token: str) -> dict[str, dict[str, Any]]:
            asked = [("_id", ",".join(wanted)), ("_count", str(len(wanted)))]
            page = self.search.page(who.server, token, resource_type, asked, limits=limits)
            found = {one["id"]: one for one in page.resources if one["id"] in wanted}
            if page.next_url is not None and len(found) < len(wanted):
                raise SearchFailed(Why.UNUSABLE, "the answer goes on elsewhere")
            return found

        return self.on_trail(who, ScopeSet.parse(f"system/{resource_type}.rs"), ask, len)

    def visits(self, who: OnBehalf, patient: str, next_url: str | None) -> Visits:
        def ask(token: str) -> Visits:
            known = self.search.named(who.server, token, [patient])
            return Visits(known.get(patient), self.search.encounters(who.server, token, patient, next_url))

        self.limits.searching(about(who))
        return self.on_trail(who, PATIENTS_AND_VISITS, ask, lambda found: len(found.encounters.records), patient)

    def on_trail(
        self,
        who: OnBehalf,
        scope: ScopeSet,
        ask: Callable[[str], T],
        count: Callable[[T], int],
        patient: str | None = None,
    ) -> T:
        """Ask with a token that is good for this alone; the trail tells who searched and how many were found."""
        what = replace(about(who), patient=patient, scope=str(scope))
        try:
            found, grant_id = self.asked(who, scope, ask)
        except SearchFailed as failure:
            log.warning("a search failed (%s): %s", failure.why.value, failure)
            self.trail.refused(replace(what, outcome="refused", reason=failure.why.value))
            raise
        with self.db.write() as session:
            self.trail.record(session, replace(what, grant_id=grant_id, detail={"found": count(found)}))
        return found

    def asked(self, who: OnBehalf, scope: ScopeSet, ask: Callable[[str], T]) -> tuple[T, str]:
        if not self.slots.acquire(timeout=WAIT_SECONDS):
            raise SearchFailed(Why.BUSY, f"{AT_ONCE} searches are running already")
        try:
            with self.tokens.lend(who, scope) as lent:
                return ask(lent.token), lent.grant_id
        except InvalidGrant as cause:
            raise AccessDenied(cause.description) from cause
        finally:
            self.slots.release()


def about(who: OnBehalf) -> Event:
    return Event(
        event=EventName.RECORDS_SEARCHED,
        sub=who.sub or None,
        client_id=who.client_id,
        fhir_server=who.server.name,
        launch_id=who.launch_id,
        peer=who.peer,
    )
