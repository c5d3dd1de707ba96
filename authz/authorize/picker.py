"""The pages where a patient and a visit are chosen: what they show, and what a search found (SMART LAU-11, CTX-13)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authz.authorize.picking import GROUPS, SELF, Choice, Picking
from authz.authorize.telling import encounter_choice, patient_choice, with_doubles
from authz.errors import TooManyRequests
from authz.fhir_servers.bundle import SearchFailed, Why
from authz.fhir_servers.search import PatientQuery
from authz.policy.sandbox import choosable, is_confined
from authz.tokens.own import OnBehalf
from authz.wording import gettext, mark

if TYPE_CHECKING:
    from authz.audit.event import Peer
    from authz.authorize.pending import Pending
    from authz.authorize.request import AuthorizationRequest
    from authz.authorize.searching import Searching
    from authz.authorize.situation import Situation
    from authz.fhir_servers.search_settings import SearchSettings
    from authz.users.recent import RecentPatients
    from authz.users.registry import Users

PROBLEMS = {
    Why.UNAVAILABLE: mark("The health record system does not answer. Nothing was searched; try again."),
    Why.BUSY: mark("Too many people are searching at this moment. Try again."),
    Why.REFUSED: mark("The health record system did not allow this search."),
    Why.UNUSABLE: mark("The answer of the health record system can't be used. Tell the support desk if this stays so."),
}
TOO_OFTEN = mark("You have searched too often in the last minute. Wait a little, then try again.")


@dataclass(frozen=True, slots=True)
class Results:
    """What a page offers, and why it may offer nothing."""

    offered: tuple[Choice, ...] = ()
    problem: str = ""
    total: int | None = None
    next_url: str | None = field(default=None, repr=False)
    retry_after: int | None = None  # seconds, where the person has searched too often


@dataclass(frozen=True, slots=True)
class PatientsPage:
    results: Results
    settings: SearchSettings | None  # of the form; None: a representative, who has nobody to search for
    query: PatientQuery
    is_searched: bool  # else the results are those of before
    is_further: bool  # not the first page of them
    is_test: bool = False  # the app is not approved: it gets nobody but test patients


@dataclass(frozen=True, slots=True)
class EncountersPage:
    results: Results
    patient: Choice
    is_further: bool


@dataclass(frozen=True, slots=True)
class Picker:
    users: Users
    recent: RecentPatients
    searching: Searching

    def patients(
        self, request: AuthorizationRequest, pending: Pending, situation: Situation, peer: Peer
    ) -> tuple[PatientsPage, Picking]:
        """The page for whoever has to choose a patient, and what is to be kept of it."""
        who = on_behalf(request, pending, situation, peer)
        picking = pending.picking
        by_test_account = situation.user is not None and situation.user.is_sandbox
        only_tests = is_confined(request.client, request.fhir_server, by_test_account=by_test_account)
        if not situation.is_staff or only_tests:
            results = (
                self.tests(who)
                if situation.is_staff
                else self.represented(request, who, by_test_account=by_test_account)
            )
            page = PatientsPage(results, None, PatientQuery(), is_searched=False, is_further=False, is_test=only_tests)
            return page, Picking(offered=results.offered)
        query = picking.query
        results = self.before(who) if query is None else self.found(who, query, picking.url)
        page = PatientsPage(
            results,
            request.fhir_server.patient_search,
            query or PatientQuery(),
            is_searched=query is not None,
            is_further=picking.url is not None,
        )
        return page, Picking(query, picking.url, results.next_url, results.offered)

    def tests(self, who: OnBehalf) -> Results:
        """The test patients of a FHIR server: no test account, and no app that is not approved, finds anybody else."""
        ids = sorted(who.server.sandbox_patients)
        try:
            records = self.searching.named(who, ids)
        except SearchFailed as failure:
            return failed(failure)
        return Results(tuple(patient_choice(records[key], key) for key in ids if key in records))

    def represented(self, request: AuthorizationRequest, who: OnBehalf, *, by_test_account: bool) -> Results:
        """Themselves, and the people they act for; one whose record they can't see is shown by its number."""
        kind, _, own_id = (who.fhir_user or "").partition("/")
        own = {own_id: SELF} if kind == "Patient" else {}
        others = {one.patient: one.relationship for one in self.users.representations(who.sub, who.server.name)}
        allowed = choosable(request.client, request.fhir_server, others, by_test_account=by_test_account)
        known = {patient: others[patient] for patient in allowed} | own
        try:
            records = self.searching.named(who, known)
        except SearchFailed as failure:
            return failed(failure)
        choices = (patient_choice(records.get(patient), patient, as_what) for patient, as_what in known.items())
        return Results(tuple(sorted(choices, key=lambda choice: GROUPS.index(choice.group))))

    def before(self, who: OnBehalf) -> Results:
        """Patients of before whom the person may still see, the last one first."""
        ids = self.recent.of(who.sub, who.server.name)
        try:
            records = self.searching.named(who, ids) if ids else {}
        except SearchFailed as failure:
            return failed(failure)
        return Results(tuple(patient_choice(records[key], key) for key in ids if key in records))

    def found(self, who: OnBehalf, query: PatientQuery, url: str | None) -> Results:
        problem = query.problem(who.server.patient_search)
        if problem:
            return Results(problem=problem)
        try:
            page = self.searching.patients(who, query, url)
        except (SearchFailed, TooManyRequests) as failure:
            return failed(failure)
        return Results(with_doubles(page.records), total=page.total, next_url=page.next_url)

    def encounters(
        self, request: AuthorizationRequest, pending: Pending, situation: Situation, peer: Peer
    ) -> tuple[EncountersPage, Picking]:
        """The page with the visits of the patient in context, and what is to be kept of it."""
        patient = situation.context.patient
        assert patient is not None
        url = pending.picking.url
        who = on_behalf(request, pending, situation, peer)
        shown = pending.patient or Choice(patient, gettext("Patient %(id)s", id=patient))
        try:
            visits = self.searching.visits(who, patient, url)
        except (SearchFailed, TooManyRequests) as failure:
            results = failed(failure)
            return EncountersPage(results, shown, is_further=url is not None), Picking(url=url)
        offered = tuple(map(encounter_choice, visits.encounters.records))
        results = Results(offered, next_url=visits.encounters.next_url)
        page = EncountersPage(results, patient_choice(visits.patient, patient), is_further=url is not None)
        return page, Picking(url=url, next_url=results.next_url, offered=offered)


def failed(failure: SearchFailed | TooManyRequests) -> Results:
    if isinstance(failure, TooManyRequests):
        return Results(problem=gettext(TOO_OFTEN), retry_after=failure.retry_after)
    return Results(problem=gettext(PROBLEMS[failure.why]))


def on_behalf(request: AuthorizationRequest, pending: Pending, situation: Situation, peer: Peer) -> OnBehalf:
    assert situation.user is not None
    return OnBehalf(
        situation.user.sub,
        situation.fhir_user,
        request.client.client_id,
        request.fhir_server,
        peer,
        pending.launch_id,
    )
