"""Asked again, people read what is new, and find the rest as they decided it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.consent.earlier import Earlier, Note
from authz.scopes import ScopeSet, parse_scope
from tests.actors import Forms
from tests.my_apps.test_story import MINE, links, says

if TYPE_CHECKING:
    from tests.actors import Browser
    from tests.transport import Reply
    from tests.world import World

SCOPE = "launch/patient openid patient/Observation.rs patient/Condition.rs offline_access"
RESOURCES = [
    f"patient/{type_}.{letters}" for type_ in ("Observation", "Condition", "*") for letters in ("r", "rs", "cruds")
]


def ask(world: World, scope: str, browser: Browser | None = None) -> tuple[Browser, Reply]:
    browser = browser or world.browser()
    page = browser.open(world.public.authorize_url(scope=scope, prompt="consent"))
    return browser, page if "authz_session" in browser.cookies else browser.sign_in(page, "alice", "alice-password")


def ticked(page: Reply) -> list[str]:
    return [value for name, value in Forms(page.text).fields if name == "keep"]


@pytest.mark.parametrize(
    ("asked", "granted", "scope", "note"),
    [
        ("patient/*.rs", "patient/*.rs", "patient/Observation.rs", Note.ALLOWED),
        ("patient/*.rs", "patient/Condition.rs", "patient/Observation.rs", Note.LEFT_OUT),
        ("patient/*.rs", "patient/Condition.rs", "patient/*.rs", Note.NOTHING),
        ("patient/Condition.rs", "patient/Condition.rs", "patient/Observation.rs", Note.NEW),
        ("patient/Condition.rs", "patient/Condition.rs", "patient/Condition.cruds", Note.NEW),
        ("openid offline_access", "openid", "offline_access", Note.LEFT_OUT),
        ("openid", "openid", "offline_access", Note.NEW),
    ],
)
def test_a_line_is_compared_with_the_last_decision(asked: str, granted: str, scope: str, note: Note) -> None:
    """Issue 6 item 4: new, left out, allowed; of what was allowed in part nothing is said."""
    earlier = Earlier(ScopeSet.parse(asked), ScopeSet.parse(granted))
    assert earlier.note(parse_scope(scope)) is note


@given(st.sets(st.sampled_from(RESOURCES)), st.sets(st.sampled_from(RESOURCES)), st.sampled_from(RESOURCES))
def test_nothing_counts_as_allowed_that_was_not_granted(asked: set[str], granted: set[str], scope: str) -> None:
    """LC-10, LC-15: and nothing as new that was asked and granted."""
    earlier = Earlier(ScopeSet.parse(" ".join(asked | granted)), ScopeSet.parse(" ".join(granted)))
    note = earlier.note(parse_scope(scope))
    assert (note is Note.ALLOWED) == earlier.granted.covers(parse_scope(scope))
    assert note is not Note.NEW or scope not in asked | granted


def test_only_the_difference_stands_open_when_more_is_asked(world: World) -> None:
    """REQ-88, BP-04: what was allowed is folded, ticked, and can still be unticked."""
    browser, page = ask(world, SCOPE)
    assert "New since last time" not in says(page)
    browser.submit(page, press="allow")
    _, page = ask(world, f"{SCOPE} patient/Immunization.rs", browser)
    told = says(page)
    assert "New since last time: you choose what Public App may do besides" in told
    new, _, before = told.partition("You allowed this before")
    assert "See vaccinations new since last time" in new
    assert ("See problems and diagnoses" in new, "See problems and diagnoses" in before) == (False, True)
    assert '<details class="more"><summary>You allowed this before' in page.text
    done = browser.submit(page, press="allow", untick=["See problems and diagnoses"])
    answer: dict[str, Any] = world.public.redeem(done.location_parameters["code"]).json()
    assert answer["scope"] == "launch/patient openid patient/Observation.rs offline_access patient/Immunization.rs"


def test_a_new_whole_is_marked_once_and_not_at_each_of_its_parts(world: World) -> None:
    """REQ-88: a mark at every line says nothing; beside parts that were allowed before it does."""
    browser, page = ask(world, "launch/patient openid patient/Condition.rs")
    browser.submit(page, press="allow")
    _, page = ask(world, f"{SCOPE} patient/Immunization.rs", browser)
    new, _, _ = says(page).partition("You allowed this before")
    assert "See measurements and results new since last time" in new
    assert "Lab results Blood" in new
    assert new.count(" new since last time ") == 3


def test_what_was_left_out_is_not_ticked_for_anybody_again(world: World) -> None:
    """LC-15: who changed nothing gets what they chose last time."""
    browser, page = ask(world, SCOPE)
    first = browser.submit(page, press="allow", untick=["Lab results", "Keep this access", "Other measurements"])
    chosen: dict[str, Any] = world.public.redeem(first.location_parameters["code"]).json()
    _, page = ask(world, SCOPE, browser)
    assert says(page).count("you left this out last time") == 2
    assert "Lab results you left this out last time" in says(page)
    assert "offline_access" not in ticked(page)
    again = browser.submit(page, press="allow")
    assert world.public.redeem(again.location_parameters["code"]).json()["scope"] == chosen["scope"]


def test_with_nothing_new_everything_is_open_to_be_read(world: World) -> None:
    """LC-17: whoever pretends to be the app hides nothing behind a fold."""
    browser, page = ask(world, SCOPE)
    browser.submit(page, press="allow")
    _, page = ask(world, SCOPE, browser)
    assert '<details class="more" open><summary>You allowed this before' in page.text
    assert "New since last time" not in says(page)


def test_after_taking_it_back_everything_is_new(world: World) -> None:
    """MGT-02: nothing of it counts any more."""
    browser, page = ask(world, SCOPE)
    done = browser.submit(page, press="allow")
    world.public.redeem(done.location_parameters["code"])
    browser.submit(browser.open(f"{MINE[:-8]}{links(browser.open(MINE))[0]}/stop"))
    _, page = ask(world, SCOPE, browser)
    assert "You allowed this before" not in says(page)
    assert "You choose what Public App may do" in says(page)
