"""A FHIR server says who acts for whom: RelatedPerson, Person; asked at sign-in and again at every refresh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authz.cli.user_explain import represents
from authz.errors import Unavailable
from authz.outbound import Answer
from authz.tokens.hot import HotAnswers
from authz.tokens.revocation import Revocation
from authz.users.user import Representation, Source
from tests.fhir import bundle
from tests.pickers.test_staff_picker import offered, trail
from tests.world import FHIR

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tests.fhir import FakeFhir, Json
    from tests.transport import Reply
    from tests.world import World

SCOPE = "launch/patient openid fhirUser patient/Observation.rs offline_access"
ENDED = "the user no longer acts for this patient: the FHIR server says that it has ended"
NO_LONGER = "the user may no longer share the records of this patient"
HOURS = 3600


def related(key: str, patient: str, **more: Any) -> Json:
    return {
        "resourceType": "RelatedPerson",
        "id": key,
        "active": True,
        "patient": {"reference": f"Patient/{patient}"},
        "relationship": [{"coding": [{"code": "FTH", "display": "father"}]}],
        **more,
    }


def person(*links: Json, **more: Any) -> Json:
    return {"resourceType": "Person", "id": "p", "link": list(links), **more}


def link(reference: str, assurance: str = "level3") -> Json:
    return {"target": {"reference": reference}, "assurance": assurance}


@dataclass
class Family:
    """A father who is known here by nothing but his resource; what the FHIR server says of him can change."""

    world: World
    fhir: FakeFhir
    sub: str
    name: str = "dad"

    def says(self, *resources: Json) -> None:
        kept = [one for one in self.fhir.records if one["resourceType"] not in {"RelatedPerson", "Person"}]
        self.fhir.records = [*kept, *resources]

    def becomes(self, reference: str) -> None:
        with self.world.services.db.write() as session:
            self.world.services.users.link(session, self.sub, "main", reference)

    def opens(self, scope: str = SCOPE) -> Reply:
        """He signs in and agrees; the app's answer or what stood in the way."""
        browser = self.world.browser()
        page = browser.open(self.world.public.authorize_url(scope=scope))
        page = browser.sign_in(page, self.name, "dad-password")
        return browser.submit(page, press="allow") if page.status == 200 else page

    def tokens(self) -> Json:
        found: Json = self.world.public.redeem(self.opens().location_parameters["code"]).json()
        return found

    def launched(self, who: str, patient: str) -> Json:
        """What an app gets that a portal opens for somebody with a patient's record."""
        handle = str(self.world.ehr.launch("public", who, patient=patient)["launch"])
        page = self.world.public.launched(handle, "launch openid patient/Observation.rs offline_access")
        code = self.world.browser().submit(page, press="allow").location_parameters["code"]
        found: Json = self.world.public.redeem(code).json()
        return found

    def refresh(self, tokens: Json) -> tuple[int, str]:
        """200 and the patient, or the refusal; a new refresh token takes the place of the old one."""
        reply = self.world.public.refresh(tokens["refresh_token"])
        body = reply.json()
        if reply.status == 200:
            tokens |= body
            return 200, body["patient"]
        assert body["error"] == "invalid_grant"
        return reply.status, body["error_description"]

    def acts_for(self) -> list[tuple[str, str, Source]]:
        found = self.world.services.users.representations(self.sub, "main")
        return [(one.patient, one.relationship, one.source) for one in found]


def switched(world: World, *, on: bool) -> None:
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", {"representation_links": on})


def newcomer(world: World, fhir: FakeFhir, name: str = "dad") -> Family:
    users = world.services.users
    with world.services.db.write() as session:
        sub = users.add(session, name, name.title()).sub
        users.link(session, sub, "main", f"RelatedPerson/{name}")
        world.services.passwords.set_password(session, sub, "dad-password")
    return Family(world, fhir, sub, name)


def away_for(reason: str, fault: pytest.MonkeyPatch, after: int = 0) -> None:
    """The database goes away when so many grants have been ended for this reason, and another one shall be."""
    ended: list[object] = []
    end = Revocation.end

    def ends(self: Revocation, session: Session, grants: Any, ids: Any, why: str, peer: Any) -> Any:
        if why == reason and len(ended) + len(grants) > after:
            raise Unavailable("the database went away")
        ended.extend(grants if why == reason else ())
        return end(self, session, grants, ids, why, peer)

    fault.setattr(Revocation, "end", ends)


@pytest.fixture
def family(world: World, fhir: FakeFhir) -> Family:
    switched(world, on=True)
    made = newcomer(world, fhir)
    made.says(related("dad", "child-1", period={"start": "2024-01-02"}))
    return made


def test_a_father_is_one_by_the_word_of_the_fhir_server_until_it_says_no_more(family: Family) -> None:
    """Issue 6.3, CTX-13, decision 20: at sign-in, at every refresh; the end is told, and takes the grant with it."""
    tokens = family.tokens()
    assert (tokens["patient"], family.acts_for()) == ("child-1", [("child-1", "father", Source.FHIR)])
    assert family.refresh(tokens) == (200, "child-1")
    family.says(related("dad", "child-1", active=False))
    assert family.refresh(tokens) == (400, ENDED)
    assert family.world.fhir_server.introspect(tokens["access_token"]) == {"active": False}
    family.says(related("dad", "child-1"))
    assert family.refresh(tokens)[0] == 400
    family.world.clock.forward(minutes=2)
    assert family.tokens()["patient"] == "child-1"


def test_an_end_that_can_not_be_carried_out_is_not_written_and_is_told_again(
    family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CTX-13, decision 20: nothing is "gone" at the next answer if it was written before; the grant would come back."""
    tokens = family.tokens()
    family.says(related("dad", "child-1", active=False))
    with monkeypatch.context() as fault:
        away_for("represents_no_more", fault)
        assert family.world.public.refresh(tokens["refresh_token"]).status == 503
    assert family.acts_for() == [("child-1", "father", Source.FHIR)]
    assert family.refresh(tokens) == (400, ENDED)
    assert family.world.fhir_server.introspect(tokens["access_token"]) == {"active": False}


def test_an_answer_that_ends_nothing_leaves_every_hot_answer_ready(
    family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decision 2: every refresh asks; the epoch is raised by an end alone."""
    raised: list[str] = []
    tokens, raise_epoch = family.tokens(), HotAnswers.raise_epoch

    def counted(self: HotAnswers, session: Session) -> None:
        raised.append("once")
        raise_epoch(self, session)

    monkeypatch.setattr(HotAnswers, "raise_epoch", counted)
    assert family.refresh(tokens) == (200, "child-1")
    assert raised == []
    family.says(related("dad", "child-1", active=False))
    assert (family.refresh(tokens), raised) == ((400, ENDED), ["once"])


def test_the_fhir_server_is_asked_by_this_server_for_the_person_alone(family: Family) -> None:
    """Issue 6.3: each question with a token for that question, and nothing in an address."""
    family.tokens()
    asked = [(one.path, one.token["scope"], dict(one.parameters)["_id"]) for one in family.fhir.asked]
    assert asked[:2] == [
        ("RelatedPerson/_search", "system/RelatedPerson.rs", "dad"),
        ("Patient/_search", "system/Patient.rs", "child-1"),
    ]
    assert len([one for one in asked if one[0] == "RelatedPerson/_search"]) == 1
    assert all(family.world.fhir_server.introspect(one.bearer) == {"active": False} for one in family.fhir.asked)


def test_off_unless_a_hospital_switches_it_on(family: Family) -> None:
    """Decision 0010: nobody is asked, nobody is believed; what was believed ends at the next refresh."""
    tokens = family.tokens()
    switched(family.world, on=False)
    family.fhir.asked.clear()
    assert family.refresh(tokens) == (400, NO_LONGER)
    assert family.opens().location_parameters["error"] == "access_denied"
    assert family.fhir.asked == []


def test_a_portal_launches_him_whether_he_was_here_before_or_not(family: Family) -> None:
    """Issue 6.3, decision 0010: the launch asks the FHIR server; another patient than his is refused as before."""
    world = family.world
    family.says(related("dad", "child-1"), related("new", "child-2"))
    for who, patient in (("RelatedPerson/dad", "child-1"), ("dad", "child-1"), ("RelatedPerson/new", "child-2")):
        assert family.launched(who, patient)["patient"] == patient
    record = {"client_id": "public", "fhir_server": FHIR, "user": "RelatedPerson/new", "patient": "child-1"}
    assert world.ehr.post("/launch", record).status == 400


def test_a_person_acts_for_those_whom_the_linked_ones_act_for(family: Family) -> None:
    """Issue 6.3, OID-07: one who has several RelatedPersons; a guess is none."""
    family.becomes("Person/p")
    links = [link("RelatedPerson/a"), link(f"{FHIR}/RelatedPerson/b"), link("RelatedPerson/c", "level1")]
    people = [related("a", "child-1"), related("b", "child-2"), related("c", "B")]
    family.says(person(*links, link("Patient/H")), *people)
    browser = family.world.browser()
    page = browser.open(family.world.public.authorize_url(scope=SCOPE))
    assert offered(browser.sign_in(page, "dad", "dad-password")) == ["child-1", "child-2"]
    assert [one[0] for one in family.acts_for()] == ["child-1", "child-2"]


WRONG: dict[str, tuple[Json, ...]] = {
    "nobody is there": (),
    "another one": (related("mum", "child-1"),),
    "not in use": (related("dad", "child-1", active=False),),
    "no boolean": (related("dad", "child-1", active="true"),),
    "over": (related("dad", "child-1", period={"end": "2024-12-31"}),),
    "not yet": (related("dad", "child-1", period={"start": "2999"}),),
    "no time": (related("dad", "child-1", period={"end": "2999-02-30"}),),
    "no period": (related("dad", "child-1", period="2999"),),
    "elsewhere": (related("dad", "x") | {"patient": {"reference": "https://evil.example/r4/Patient/child-1"}},),
    "no patient": (related("dad", "x") | {"patient": {"reference": "Practitioner/dr"}},),
    "no reference": (related("dad", "x") | {"patient": {"display": "child-1"}},),
    "a patient who is gone": (related("dad", "gone"),),
}
MERGED = {"link": [{"other": {"reference": "Patient/B"}, "type": "replaced-by"}]}


@pytest.mark.parametrize("resources", WRONG.values(), ids=WRONG)
def test_what_is_not_said_as_it_must_be_makes_nobody_a_father(family: Family, resources: tuple[Json, ...]) -> None:
    """Issue 6.3: fails closed, when he comes and when he stays."""
    tokens = family.tokens()
    family.says(*resources)
    assert family.refresh(tokens) == (400, ENDED)
    family.world.clock.forward(minutes=2)
    assert family.opens().location_parameters["error"] == "access_denied"
    assert family.acts_for() == []


@pytest.mark.parametrize("change", [MERGED, {"active": False}, {"link": "replaced-by"}])
def test_a_record_that_was_merged_into_another_is_nobodys(family: Family, change: Json) -> None:
    """SCP-06: the survivor's record does not come with it; the hospital says anew who acts for them."""
    tokens = family.tokens()
    family.fhir.records = [one | change if one["id"] == "child-1" else one for one in family.fhir.records]
    assert family.refresh(tokens) == (400, ENDED)
    assert family.acts_for() == []


def test_a_related_person_who_moves_to_another_patient_takes_no_grant_along(family: Family) -> None:
    """Issue 6.3: the app had the first child's record; it gets neither."""
    tokens = family.tokens()
    family.says(related("dad", "child-2"))
    assert family.refresh(tokens) == (400, ENDED)
    assert family.acts_for() == [("child-2", "father", Source.FHIR)]


def test_what_ends_between_two_refreshes_counts_no_more_without_a_question(family: Family) -> None:
    """Issue 6.3: a day is over when it is over, FHIR Period."""
    family.says(related("dad", "child-1", period={"end": f"{family.world.clock():%Y-%m-%d}"}))
    family.tokens()
    assert family.acts_for() != []
    family.world.clock.forward(hours=24)
    assert family.acts_for() == []


def test_a_refresh_that_is_repeated_as_its_answer_was_lost_is_asked_about_too(family: Family) -> None:
    """CTX-13: also within the ten seconds of decision 9."""
    tokens = family.tokens()
    first = dict(tokens)
    assert family.refresh(tokens) == (200, "child-1")
    family.says(related("dad", "child-1", active=False))
    family.world.clock.forward(seconds=9)
    assert family.refresh(first) == (400, ENDED)


def test_a_fhir_server_that_is_away_is_believed_for_the_grace_and_no_longer(family: Family) -> None:
    """``representation_grace_seconds``: from the last confirmation; silence revokes nothing."""
    tokens = family.tokens()
    family.fhir.is_down = True
    family.world.clock.forward(hours=23)
    assert family.refresh(tokens) == (200, "child-1")
    family.world.clock.forward(hours=2)
    assert family.refresh(tokens) == (400, NO_LONGER)
    assert family.opens().location_parameters["error"] == "access_denied"
    family.fhir.is_down = False
    assert family.refresh(tokens) == (200, "child-1")


@pytest.mark.parametrize("answer", [Answer(403, {}, b""), Answer(500, {}, b""), Answer(200, {}, b"<html>")])
def test_an_answer_that_can_not_be_used_confirms_and_ends_nothing(family: Family, answer: Answer) -> None:
    """Issue 6.3: as if it were away."""
    tokens = family.tokens()
    family.world.clock.forward(hours=23)
    family.fhir.says = [answer]
    assert family.refresh(tokens) == (200, "child-1")
    family.world.clock.forward(hours=2)
    family.fhir.says = [answer]
    assert family.refresh(tokens) == (400, NO_LONGER)


def test_a_part_of_the_answer_is_none(family: Family) -> None:
    """A page that goes on elsewhere must not end what stands on the next one."""
    tokens = family.tokens()
    family.fhir.says = [
        Answer(200, {}, bundle(FHIR, [related("x", "B"), related("y", "B")], [("_count", "1")])),
    ]
    assert family.refresh(tokens) == (200, "child-1")


def test_what_an_operator_said_is_not_touched(family: Family) -> None:
    """Issue 6.3: it goes before, it stays when the FHIR server says no more, and its grants stay."""
    with family.world.services.db.write() as session:
        for patient in ("child-1", "B"):
            one = Representation(patient, "guardian")
            family.world.services.users.represent(session, family.sub, "main", one)
    family.says(related("dad", "child-1"), related("other", "child-2"))
    browser = family.world.browser()
    page = browser.open(family.world.public.authorize_url(scope=SCOPE))
    page = browser.submit(browser.sign_in(page, "dad", "dad-password"), press="child-1")
    page = browser.submit(page, press="allow") if page.status == 200 else page
    tokens = family.world.public.redeem(page.location_parameters["code"]).json()
    family.says()
    assert family.refresh(tokens) == (200, "child-1")
    both = [("B", "guardian", Source.HERE), ("child-1", "guardian", Source.HERE)]
    assert family.acts_for() == both


def test_nobody_else_becomes_who_he_was(family: Family) -> None:
    """What was read is about the resource: whoever is another one now has nothing of it."""
    family.tokens()
    family.becomes("RelatedPerson/other")
    assert family.acts_for() == []


EVENTS = st.lists(st.sampled_from(["ends", "begins", "away", "back", "hours", "refresh"]), max_size=12)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS)
def test_no_grant_outlives_its_relationship_past_the_next_refresh(family: Family, events: list[str]) -> None:
    """Issue 6.3, decision 20: whatever happens in whatever order, a refresh that works was confirmed, now or not long
    ago by a FHIR server that is silent since; and what was ended never comes back."""
    family.fhir.is_down = False
    family.says(related("dad", "child-1"))
    family.world.clock.forward(minutes=2)  # what the last example was told counts no more
    tokens = family.launched("RelatedPerson/dad", "child-1")
    acts, confirmed, is_ended = True, family.world.clock(), False
    for event in [*events, "refresh"]:
        if event in {"ends", "begins"}:
            acts = event == "begins"
            family.says(related("dad", "child-1", active=acts))
        elif event in {"away", "back"}:
            family.fhir.is_down = event == "away"
        elif event == "hours":
            family.world.clock.forward(hours=7)
        else:
            status, said = family.refresh(tokens)
            if not family.fhir.is_down and not is_ended:
                confirmed = family.world.clock() if acts else confirmed
                is_ended = not acts
            is_good = not is_ended and (family.world.clock() - confirmed).total_seconds() < 24 * HOURS
            assert (status == 200) == is_good, said
            if is_ended:
                assert family.world.fhir_server.introspect(tokens["access_token"]) == {"active": False}


def test_a_slow_fhir_server_is_not_waited_for(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 6.3: two seconds for all the questions of a refresh; then it counts as away."""
    tokens = family.tokens()
    seconds = iter([0.0, 0.5, 2.5])
    monkeypatch.setattr("authz.authorize.representing.monotonic", lambda: next(seconds))
    family.fhir.asked.clear()
    assert family.refresh(tokens) == (200, "child-1")
    assert [one.path for one in family.fhir.asked] == ["RelatedPerson/_search"]


def test_each_change_is_on_the_trail_once(family: Family) -> None:
    """Issue 6.3: by whose word, and about whom; not at every question."""
    tokens = family.tokens()
    family.refresh(tokens)
    family.says()
    family.refresh(tokens)
    rows = [one for one in trail(family.world, "user.changed", "grant.revoked") if one.patient == "child-1"]
    assert sorted((one.event, one.reason, one.sub, one.detail.get("source")) for one in rows) == [
        ("grant.revoked", "represents_no_more", family.sub, None),
        ("user.changed", "represents", family.sub, "fhir"),
        ("user.changed", "represents_no_more", family.sub, "fhir"),
    ]


def test_an_operator_sees_by_whose_word_and_since_when(family: Family) -> None:
    """Issue 6.3: ``authz user explain``; what was confirmed too long ago is there and counts no more."""
    family.says(related("dad", "child-1", period={"end": "2999-12"}))
    family.tokens()
    said = {
        "patient": "child-1",
        "relationship": "father",
        "source": "fhir",
        "expires_at": "3000-01-01T00:00:00+00:00",
        "confirmed_at": family.world.clock().isoformat(),
    }
    assert list(represents(family.world.services, family.sub, "main")) == [said | {"counts": True}]
    family.world.clock.forward(days=1)
    assert list(represents(family.world.services, family.sub, "main")) == [said | {"counts": False}]
