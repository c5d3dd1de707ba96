"""What is posted from the pages where a patient and a visit are chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from authz.authorize.picking import Picking
from authz.authorize.refusal import NotOffered
from authz.authorize.steps import Step, next_step
from authz.fhir_servers.search import PatientQuery
from authz.wording import mark

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authz.authorize.front import FrontChannel
    from authz.authorize.outcome import BrowserFacts, Outcome
    from authz.authorize.pending import Pending
    from authz.authorize.request import AuthorizationRequest


@dataclass(frozen=True, slots=True)
class Choosing:
    front: FrontChannel

    def patient(self, handle: str, sent: Mapping[str, str], browser: BrowserFacts) -> Outcome:
        """Search, go on to further results, or choose one of those offered. Raises NotOffered for any other."""
        pending = self.front.take(handle, browser)

        def chosen(request: AuthorizationRequest) -> Outcome:
            is_here = self.is_at(Step.SELECT_PATIENT, request, pending, browser)
            if sent.get("action") in {"search", "more"}:
                picking = pending.picking.further() if sent["action"] == "more" else Picking(query_of(sent))
                return self.front.go_on(request, replace(pending, picking=picking) if is_here else pending, browser)
            patient = pending.picking.chosen(sent.get("patient", "")) if is_here else None
            if patient is None:
                raise NotOffered(mark("This patient was not offered."))
            return self.settled(request, replace(pending, patient=patient, picking=Picking()), browser)

        return self.front.guarded(pending, browser, chosen)

    def encounter(self, handle: str, sent: Mapping[str, str], browser: BrowserFacts) -> Outcome:
        """Likewise for a visit, which one may also go on without."""
        pending = self.front.take(handle, browser)

        def chosen(request: AuthorizationRequest) -> Outcome:
            is_here = self.is_at(Step.SELECT_ENCOUNTER, request, pending, browser)
            if sent.get("action") in {"search", "more"}:
                picking = pending.picking.further() if sent["action"] == "more" else Picking()
                return self.front.go_on(request, replace(pending, picking=picking) if is_here else pending, browser)
            if is_here and sent.get("action") == "without":
                decided = replace(pending, without_encounter=True, picking=Picking())
                return self.settled(request, decided, browser)
            visit = pending.picking.chosen(sent.get("encounter", "")) if is_here else None
            if visit is None:
                raise NotOffered(mark("This visit was not offered."))
            return self.settled(request, replace(pending, encounter=visit.id, picking=Picking()), browser)

        return self.front.guarded(pending, browser, chosen)

    def is_at(self, step: Step, request: AuthorizationRequest, pending: Pending, browser: BrowserFacts) -> bool:
        """Whether this is what the person has to do now: a form of another step chooses nothing (LC-27)."""
        return next_step(self.front.judge.look(request, pending, browser).facts) is step

    def settled(self, request: AuthorizationRequest, pending: Pending, browser: BrowserFacts) -> Outcome:
        """The user's rights are looked at now, and again when the code is issued."""
        self.front.judge.look(request, pending, browser)
        return self.front.go_on(request, pending, browser)


def query_of(sent: Mapping[str, str]) -> PatientQuery:
    return PatientQuery(sent.get("name", ""), sent.get("birthdate", ""), sent.get("identifier", ""))
