"""Laws of a grant: whatever is requested, registered, allowed to the user and ticked, it stays within all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import example, given
from hypothesis import strategies as st

from authz.consent.catalogue import Catalogue, Kind
from authz.consent.choices import Offer, offer
from authz.fhir_servers.server import DEFAULT_CEILINGS
from authz.policy.access import AccessQuestion, decide
from authz.scopes import Judgement, Reason, ResourceScope, ScopeSet, UnknownScope, judge
from tests.policy.test_access import CLIENT, SERVER
from tests.scopes.test_properties import FUTURE, accesses, other_accesses, resource_texts

TYPES = ("Observation", "Condition")
CATALOGUE = Catalogue(
    [
        *(Kind(name, name, "", "", type=name) for name in (*TYPES, "*")),
        Kind("a", "a", "", "", "Observation", "category=a"),
        Kind("b-or-c", "b or c", "", "", "Observation", "category=b,c"),
        Kind("final", "final", "", "", "Condition", "status=f"),
    ]
)
OTHERS = st.sampled_from(
    [
        "launch",
        "launch/patient",
        "launch/encounter",
        "openid",
        "fhirUser",
        "offline_access",
        "online_access",
        "__x",
        "foo",
    ]
)
SYSTEM = resource_texts().map(lambda text: f"system{text[text.index('/') :]}")
ALL = ScopeSet.parse(f"patient/*.cruds user/*.cruds system/*.cruds __x {' '.join(map(str, CLIENT.scope))}")
READING = ScopeSet.parse("patient/*.rs user/Observation.rs?category=a,b user/Condition.rs")


def sets(texts: st.SearchStrategy[str], least: int, most: int) -> st.SearchStrategy[ScopeSet]:
    return st.lists(texts, min_size=least, max_size=most).map(lambda found: ScopeSet.parse(" ".join(found)))


RESOURCES = sets(resource_texts(), 1, 4)
MIXED = sets(resource_texts() | resource_texts() | resource_texts() | OTHERS | SYSTEM, 1, 6)
USERS = st.sampled_from([*["Patient/A", "Practitioner/dr"] * 3, "RelatedPerson/rel", "Group/none", None])


@dataclass(frozen=True)
class Case:
    """One request, shown and decided."""

    question: AccessQuestion
    required: ScopeSet
    shown: Judgement
    offer: Offer
    ticked: frozenset[str]

    @property
    def agreed(self) -> ScopeSet:
        return self.offer.agreed(self.ticked)

    @property
    def decided(self) -> Judgement:
        return decide(replace(self.question, agreed=self.agreed))

    @property
    def rights(self) -> ScopeSet:
        """What this user may pass on, and what is no matter of rights."""
        kind = (self.question.fhir_user or "").partition("/")[0]
        others = [scope for scope in self.question.requested if not isinstance(scope, ResourceScope)]
        return self.question.fhir_server.scope_ceilings.get(kind, ScopeSet()) | ScopeSet.of(*others)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    most = st.sampled_from([ALL, ALL, READING])
    question = AccessQuestion(
        client=replace(CLIENT, scope=draw(most | MIXED)),
        fhir_server=replace(SERVER, scope_ceilings={kind: draw(most | RESOURCES) for kind in DEFAULT_CEILINGS}),
        requested=draw(MIXED),
        fhir_user=draw(USERS),
        patient=draw(st.sampled_from(["A", "A", "A", None])),
        has_launch=draw(st.booleans()),
    )
    required = draw(st.just(ScopeSet()) | RESOURCES)
    shown = decide(question)
    made = offer(shown, required, CATALOGUE, TYPES)
    unticked = draw(st.frozensets(st.sampled_from([*made.boxes, "forged"])))
    ticked = draw(st.sampled_from([frozenset(made.boxes) - unticked, unticked]))
    return Case(question, required, shown, made, ticked)


@given(cases())
def test_a_grant_lies_within_the_request_the_registration_the_rights_and_the_consent(case: Case) -> None:
    """PROC-07, AZ-50, LC-10, REQ-122: granted ⊆ requested ∩ registered ∩ user's rights ∩ consented; REQ-47."""
    granted = case.decided.granted
    assert case.question.requested.covers(granted)
    assert case.question.client.scope.covers(granted)
    assert case.rights.covers(granted)
    assert case.agreed.covers(granted)


@given(cases())
def test_consent_never_widens_and_takes_exactly_what_was_unticked(case: Case) -> None:
    """LC-10, SCP-16: sound and complete, tried with every access of a small world."""
    shown, granted = case.shown.granted, case.decided.granted
    assert accesses(granted) == accesses(shown) & accesses(case.agreed)
    refreshing = {"offline_access", "online_access"}
    assert other_accesses(granted) - refreshing == (other_accesses(shown) & other_accesses(case.agreed)) - refreshing
    assert refreshing >= other_accesses(granted) - other_accesses(shown)


@given(cases())
def test_who_ticks_more_agrees_to_more(case: Case) -> None:
    """No box takes anything away by being ticked."""
    for box in case.ticked:
        assert case.agreed.covers(case.offer.agreed(case.ticked - {box}))


@given(cases())
def test_ticking_everything_changes_nothing(case: Case) -> None:
    """N06, N12, PROC-02: not even a spelling."""
    everything = frozenset(case.offer.boxes)
    assert case.offer.is_whole(everything)
    whole = decide(replace(case.question, agreed=case.offer.agreed(everything)))
    assert whole == case.shown
    assert str(whole.granted) == str(case.shown.granted)


@given(cases())
def test_ticking_nothing_leaves_only_what_has_no_box(case: Case) -> None:
    """SCP-17: no data, no offline access, nothing of the installation's own."""
    left = decide(replace(case.question, agreed=case.offer.agreed(frozenset()))).granted
    assert left.resources == ()
    assert "offline_access" not in left
    assert "__x" not in left


@given(cases())
def test_every_granted_scope_is_valid_and_reads_back_as_itself(case: Case) -> None:
    """SCP-08, PROC-02: what a choice makes of a scope is a scope, its letters in order, its constraints whole."""
    granted = case.decided.granted
    again = ScopeSet.parse(str(granted))
    assert again == granted
    assert str(again) == str(granted)
    assert not any(isinstance(scope, UnknownScope) for scope in again)


@given(cases())
def test_each_verdict_says_what_is_granted_instead(case: Case) -> None:
    """Q-11: and names the person's choice wherever that was what left nothing."""
    judgement = case.decided
    assert [verdict.requested for verdict in judgement.verdicts] == [str(scope) for scope in case.question.requested]
    assert {text for verdict in judgement.verdicts for text in verdict.granted} == {str(s) for s in judgement.granted}
    shown = {verdict.requested: verdict for verdict in case.shown.verdicts}
    for verdict in judgement.verdicts:
        if shown[verdict.requested].outcome == "granted" and verdict.outcome != "granted":
            assert verdict.reason is Reason.UNTICKED
        if shown[verdict.requested].outcome != "dropped" and verdict.outcome == "dropped":
            assert verdict.reason is Reason.UNTICKED


@given(cases())
def test_what_is_required_is_found_whatever_it_is(case: Case) -> None:
    """REQ-122: all required boxes together are enough, without any one of them it is not."""
    needed = case.offer.needed()
    assert case.offer.is_enough(frozenset(case.offer.boxes))
    for box in needed:
        assert not case.offer.is_enough(frozenset(case.offer.boxes) - {box})
    if case.offer.is_enough(case.ticked):
        granted = case.decided.granted
        assert granted.covers(case.required.narrow_to(case.shown.granted))


# A resource that only this box reaches: its type, and what is true of it.
REACHED = {
    "a": ("Observation", frozenset({("category", "a")})),
    "b-or-c": ("Observation", frozenset({("category", "b")})),
    "rest of Observation": ("Observation", frozenset[tuple[str, str]]()),
    "final": ("Condition", frozenset({("status", "f")})),
    "rest of Condition": ("Condition", frozenset[tuple[str, str]]()),
    "rest": (FUTURE, frozenset[tuple[str, str]]()),
}


@given(
    st.sampled_from(["Observation", "Condition", "*"]), st.sampled_from(["rs", "cud", "cruds", "ru", "s"]), st.data()
)
def test_a_kind_is_reached_by_its_own_box_alone(resource_type: str, letters: str, data: st.DataObject) -> None:
    """N07, SCP-12: what is unticked can't be seen or changed, what is ticked can; the rest only while all is ticked."""
    requested = ScopeSet.parse(f"patient/{resource_type}.{letters}")
    made = offer(judge(requested, []), ScopeSet(), CATALOGUE, TYPES)
    ticked = data.draw(st.frozensets(st.sampled_from(made.boxes)))
    reached = accesses(requested.narrow_to(made.agreed(ticked)))
    names = {box.partition(" ")[2] for box in ticked}
    kinds = {name: REACHED[name] for box in made.boxes if (name := box.partition(" ")[2]) in REACHED}
    for letter in letters:
        acts = ("see" if letter in "rs" else "change") in names
        for name, (type_, resource) in kinds.items():
            beside = {other for other in kinds if name == "rest" or REACHED[other][0] == type_}
            counts = names >= beside if name.startswith("rest") else name in names
            assert (("patient", type_, letter, resource) in reached) is (acts and counts)


@given(MIXED, MIXED)
@example(ScopeSet.parse("patient/Observation.rs patient/Observation.rs?category=a"), ScopeSet())
def test_a_second_judgement_keeps_what_the_first_granted(requested: ScopeSet, registered: ScopeSet) -> None:
    """REF-04: at a refresh, what was granted is judged again; nothing changes where nothing changed."""
    question = AccessQuestion(
        replace(CLIENT, scope=CLIENT.scope | registered), SERVER, requested, "Patient/A", "A", has_launch=True
    )
    first = decide(question).granted
    assert str(decide(replace(question, requested=first)).granted) == str(first)
