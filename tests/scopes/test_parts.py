"""A set of scopes taken apart: each access once, and whatever is kept of it can be said."""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import assume, given
from hypothesis import strategies as st

from authz.scopes import ScopeSet, distinct, fits, parts, scope_set
from authz.scopes.scope_set import MAX_BYTES, MAX_SCOPES
from tests.scopes.test_properties import accesses, resource_texts

SETS = st.lists(resource_texts(), min_size=1, max_size=6).map(lambda texts: ScopeSet.parse(" ".join(texts)))
LETTERS = st.sampled_from(["rs", "cud", "cruds"]).map(frozenset)


def test_letters_of_the_same_data_are_joined_and_what_is_said_more_broadly_is_left_out() -> None:
    """SCP-11: in normal form, in the order asked."""
    asked = (
        "user/Goal.r patient/Observation.r patient/Observation.s?category=a patient/*.read patient/Observation.cruds"
    )
    assert [str(scope) for scope in distinct(ScopeSet.parse(f"openid {asked} user/Goal.s"))] == [
        "user/Goal.rs",
        "patient/Observation.cud",
        "patient/*.rs",
    ]


@given(SETS)
def test_the_parts_allow_what_the_set_allows(scopes: ScopeSet) -> None:
    """SCP-11, PROC-09: nothing is lost and nothing added, and no part lies within another."""
    found = distinct(scopes)
    assert accesses(ScopeSet(found)) == accesses(scopes)
    assert not any(one.covers(other) for one in found for other in found if one is not other)


@given(SETS, st.lists(resource_texts(), max_size=8), st.data())
def test_what_fits_can_be_said_whatever_is_kept_of_it(scopes: ScopeSet, texts: list[str], data: st.DataObject) -> None:
    """PROC-10: never an error after a person has chosen; tried with bounds small enough to be met."""
    pieces = distinct(ScopeSet.parse(" ".join(texts)))
    with patch.multiple(scope_set, MAX_SCOPES=12, MAX_BYTES=400), patch.multiple(parts, MAX_SCOPES=12, MAX_BYTES=400):
        assume(fits(scopes, pieces))
        kept = [piece.only(data.draw(LETTERS)) for piece in pieces if data.draw(st.booleans())]
        allowed = ScopeSet.of(*(piece for piece in kept if piece.interactions))
        assert scopes.covers(scopes.narrow_to(allowed))


def test_what_does_not_fit_is_told() -> None:
    """PROC-10: 100 scopes, each of them in three parts."""
    many = ScopeSet.parse(" ".join(f"patient/Goal.rs?a=v{number}" for number in range(100)))
    pieces = distinct(ScopeSet.parse("patient/Goal.rs?b=1 patient/Goal.rs?b=2 patient/Goal.rs?b=3"))
    assert (fits(many, pieces), fits(many, pieces[:1]), fits(many, ())) == (False, True, True)
    long = distinct(ScopeSet.parse(f"patient/Goal.rs?b={'x' * 3000} patient/Goal.rs?b={'y' * 4000}"))
    assert (fits(many, long), fits(ScopeSet.parse("patient/Goal.rs"), long)) == (False, True)


def many(count: int, of: str = "patient/Goal.rs?a=v{}") -> ScopeSet:
    return ScopeSet.parse(" ".join(of.format(number) for number in range(count)))


def as_long_as(size: int) -> ScopeSet:
    """One scope of this many characters."""
    start = "patient/Goal.rs?code="
    return ScopeSet.parse(start + "x" * (size - len(start)))


def test_as_many_scopes_as_a_set_may_have_fit() -> None:
    """PROC-10: each counts once if nothing of it is left, or one part of it."""
    assert fits(many(MAX_SCOPES), ())
    assert fits(many(MAX_SCOPES), distinct(ScopeSet.parse("patient/Goal.r")))
    assert fits(ScopeSet.parse("patient/*.rs"), distinct(many(MAX_SCOPES)))
    assert not fits(ScopeSet.parse("patient/*.rs openid"), distinct(many(MAX_SCOPES)))
    assert fits(ScopeSet.parse("openid"), distinct(many(MAX_SCOPES)))
    assert not fits(ScopeSet.parse("openid"), (*distinct(many(MAX_SCOPES)), *distinct(ScopeSet.parse("user/Goal.r"))))


def test_as_many_characters_as_a_set_may_have_fit() -> None:
    """PROC-10: with the space behind each, those of the scopes, of what is left of them, and of all that is allowed."""
    fitting, too_long = as_long_as(MAX_BYTES - 1), as_long_as(MAX_BYTES)
    assert (fits(fitting, ()), fits(too_long, ())) == (True, False)
    openid = ScopeSet.parse("openid")
    assert (fits(openid, distinct(fitting)), fits(openid, distinct(too_long))) == (True, False)
    two, start = ScopeSet.parse("patient/Goal.rs patient/Flag.rs"), "patient/*.rs?code="
    spare = MAX_BYTES // 2 - len("patient/Goal.rs?code=") - 1
    pieces = [distinct(ScopeSet.parse(start + "x" * length)) for length in (spare, spare + 1)]
    assert [fits(two, left) for left in pieces] == [True, False]
