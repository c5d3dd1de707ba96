"""Laws of scopes, checked against a model that knows nothing of letters or unions: the set of all accesses allowed.

The model's world: an access is (level, type, letter, what is true of the resource). ``*`` also stands for a type that
no scope names, and a resource may have several values of one search parameter.
"""

from __future__ import annotations

from itertools import chain, combinations, product

from hypothesis import given
from hypothesis import strategies as st

from authz.scopes import Limit, Reason, ResourceScope, Scope, ScopeSet, UnknownScope, judge, parse_scope

LEVELS = ("patient", "user")
TYPES = ("Observation", "Condition")
FUTURE = "FutureType"
ATOMS = (("category", "a"), ("category", "b"), ("category", "c"), ("status", "f"))
RESOURCES = tuple(
    frozenset(chosen) for chosen in chain.from_iterable(combinations(ATOMS, n) for n in range(len(ATOMS) + 1))
)
Access = tuple[str, str, str, frozenset[tuple[str, str]]]

CONSTRAINTS = ("category=a", "category=b", "category=a,b", "category=b,c", "status=f", "%63ategory=%61")
SUFFIXES = ("read", "write", "*", "r", "s", "rs", "c", "cs", "cruds", "rd", "ud")


@st.composite
def resource_texts(draw: st.DrawFn) -> str:
    base = f"{draw(st.sampled_from(LEVELS))}/{draw(st.sampled_from((*TYPES, '*')))}.{draw(st.sampled_from(SUFFIXES))}"
    query = draw(st.lists(st.sampled_from(CONSTRAINTS), max_size=3))
    is_v1 = base.rpartition(".")[2] in ("read", "write", "*")
    return base if is_v1 or not query else f"{base}?{'&'.join(query)}"


OTHERS = st.sampled_from(
    ("openid", "fhirUser", "launch", "launch/patient", "launch/list?role=x", "messaging/ui", "messaging/ui.done", "__x")
)
KNOWN = st.lists(resource_texts() | OTHERS, max_size=5).map(lambda texts: ScopeSet.parse(" ".join(texts)))
TOKENS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"\\'), min_size=1)
PARTS = "patient / Observation * . rs read ? code = a , & %2C %5C % : launch role messaging ui __ http: _count %26 + |"
LIKELY = st.lists(st.sampled_from(PARTS.split()), min_size=1, max_size=12).map("".join)
ANY_TEXT = st.text() | TOKENS | LIKELY | resource_texts()


def accesses(scopes: ScopeSet) -> set[Access]:
    """Every access some resource scope of the set allows, found by trying them all."""
    return {
        (level, type_, letter, resource)
        for scope in scopes.resources
        for level, type_, letter, resource in product(LEVELS, (*TYPES, FUTURE), "cruds", RESOURCES)
        if allows(scope, level, type_, letter, resource)
    }


def allows(scope: ResourceScope, level: str, type_: str, letter: str, resource: frozenset[tuple[str, str]]) -> bool:
    matches = all(any((name, value) in resource for value in values) for name, values in scope.constraints)
    return scope.level == level and scope.permits(type_, letter) and matches


def other_accesses(scopes: ScopeSet) -> set[str]:
    """The scopes that are all or nothing, and a messaging group as its messages and itself."""
    spelled = {str(scope) for scope in scopes if not isinstance(scope, ResourceScope | UnknownScope)}
    return spelled | ({"messaging/ui.done"} if "messaging/ui" in spelled else set())


@given(ANY_TEXT)
def test_parsing_never_raises_and_printing_gives_the_same_scope_back(text: str) -> None:
    """Digest 12.3; house style: parse(str(x)) == x."""
    scope = parse_scope(text)
    assert parse_scope(str(scope)) == scope
    assert parse_scope(scope.normal_form) == scope
    assert isinstance(scope, UnknownScope) or str(scope) in (text, text.removesuffix("&"))


@given(ANY_TEXT)
def test_the_normal_form_is_one_spelling_for_one_meaning(text: str) -> None:
    """Digest PROC-03."""
    scope = parse_scope(text)
    again = parse_scope(scope.normal_form)
    assert again.normal_form == scope.normal_form
    assert isinstance(scope, UnknownScope) or scope.covered_by((again,))


@given(st.text())
def test_a_parameter_and_its_parts_agree(text: str) -> None:
    """RFC 6749 §3.3; digest PROC-01."""
    scopes = ScopeSet.parse(text)
    assert ScopeSet.parse(str(scopes)) == scopes
    assert str(ScopeSet.parse(str(scopes))) == str(scopes)


@given(KNOWN, KNOWN)
def test_covers_agrees_with_trying_every_access(held: ScopeSet, wanted: ScopeSet) -> None:
    """Digest PROC-09, C01 to C28."""
    expected = accesses(wanted) <= accesses(held) and other_accesses(wanted) <= other_accesses(held)
    assert held.covers(wanted) is expected


@given(KNOWN)
def test_a_set_covers_itself(scopes: ScopeSet) -> None:
    """Covers is a partial order: reflexive."""
    assert scopes.covers(scopes)


@given(KNOWN, KNOWN, KNOWN)
def test_what_is_covered_by_the_covered_is_covered(large: ScopeSet, middle: ScopeSet, small: ScopeSet) -> None:
    """Covers is a partial order: transitive. Sets that contain one another are built, so the premise holds often."""
    middle, small = large.narrow_to(middle), large.narrow_to(middle).narrow_to(small)
    assert large.covers(middle)
    assert middle.covers(small)
    assert large.covers(small)


@given(resource_texts() | OTHERS, resource_texts() | OTHERS)
def test_scopes_that_cover_each_other_have_one_normal_form(one: str, other: str) -> None:
    """Covers is a partial order: antisymmetric up to normal form."""
    first, second = parse_scope(one), parse_scope(other)
    both_ways = first.covers(second) and second.covers(first)
    assert both_ways is (first.normal_form == second.normal_form) is (first == second)


@given(KNOWN, KNOWN)
def test_narrowing_allows_exactly_what_both_allow(requested: ScopeSet, allowed: ScopeSet) -> None:
    """Digest PROC-07: sound (nothing beyond either) and complete (nothing both allow is lost)."""
    narrowed = requested.narrow_to(allowed)
    assert accesses(narrowed) == accesses(requested) & accesses(allowed)
    assert other_accesses(narrowed) == other_accesses(requested) & other_accesses(allowed)


@given(KNOWN, KNOWN)
def test_narrowing_is_sound_commutative_and_idempotent(one: ScopeSet, other: ScopeSet) -> None:
    """Digest PROC-07; the result of either order means the same, each in its own spelling."""
    narrowed, reverse = one.narrow_to(other), other.narrow_to(one)
    assert one.covers(narrowed)
    assert other.covers(narrowed)
    assert narrowed.covers(reverse)
    assert reverse.covers(narrowed)
    assert str(narrowed.narrow_to(other)) == str(narrowed)
    assert str(narrowed.narrow_to(one)) == str(narrowed)


@given(KNOWN, KNOWN)
def test_what_is_granted_and_stored_reads_back_the_same(requested: ScopeSet, allowed: ScopeSet) -> None:
    """Digest PROC-02."""
    granted = requested.narrow_to(allowed)
    assert ScopeSet.parse(str(granted)) == granted


@given(KNOWN, KNOWN)
def test_a_scope_within_the_limit_keeps_its_spelling(requested: ScopeSet, allowed: ScopeSet) -> None:
    """Digest PROC-02, N01, N06, N18."""
    within = [str(scope) for scope in requested if allowed.covers(scope)]
    assert set(within) <= {str(scope) for scope in requested.narrow_to(allowed)}


@given(KNOWN, KNOWN, KNOWN)
def test_nothing_is_granted_beyond_the_request_and_each_limit(
    requested: ScopeSet, registered: ScopeSet, rights: ScopeSet
) -> None:
    """Digest PROC-07, security case AZ-50; a verdict for each scope asked, in order; SCP-16, REQ-D12."""
    limits = [
        Limit(Reason.NOT_REGISTERED, registered, "not registered"),
        Limit(Reason.USER_RIGHTS, rights, "beyond the user's rights"),
        Limit(Reason.NO_LAUNCH, not_a_launch, "no launch"),
    ]
    judgement = judge(requested, limits)
    assert requested.covers(judgement.granted)
    assert registered.covers(judgement.granted)
    assert rights.covers(judgement.granted)
    assert judgement.granted.launches == ()
    assert [verdict.requested for verdict in judgement.verdicts] == [str(scope) for scope in requested]
    assert {text for verdict in judgement.verdicts for text in verdict.granted} == {str(s) for s in judgement.granted}
    assert all((verdict.reason is None) == (verdict.outcome == "granted") for verdict in judgement.verdicts)


def not_a_launch(scope: Scope) -> bool:
    return not str(scope).startswith("launch")
