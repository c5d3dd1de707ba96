"""What marks of known devices are worth to whoever gathers, keeps or steals some (security.md LC-02, RL-02, RL-06)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authz.login.throttle import ACCOUNT, CODES, DEVICE, DEVICES
from authz.storage.sqlite import SQLiteBackend
from tests.flows.test_administration import add_administrator
from tests.flows.test_administration import sign_in as sign_in_to_decide

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.actors import Browser
    from tests.transport import Reply
    from tests.world import World

MARK = "authz_device"
IN = {200, 303}  # on to what is asked next, or back to the app


@pytest.fixture
def world(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Its tries are counted by its own clock, so that a window ends when the test says."""
    counters = SQLiteBackend(tmp_path / "tries.sqlite3", now=lambda: world.clock().timestamp())
    monkeypatch.setattr(world.services.limiter, "backend", counters)
    yield world
    counters.close()


def sign_in(world: World, browser: Browser, password: str = "alice-password") -> Reply:
    page = browser.open(world.public.authorize_url(scope="openid launch/patient", prompt="login"))
    return browser.sign_in(page, "alice", password)


def known(world: World) -> Browser:
    browser = world.browser()
    assert sign_in(world, browser).status in IN
    assert MARK in browser.cookies
    return browser


def gathered(world: World) -> list[str]:
    """The marks of one who signed in as often as an account may with browsers that keep no cookie."""
    marks = [known(world).cookies[MARK] for _ in range(ACCOUNT.tries)]
    world.clock.forward(seconds=ACCOUNT.seconds + 1)
    return marks


def with_mark(world: World, mark: str) -> Browser:
    browser = world.browser()
    browser.cookies[MARK] = mark
    return browser


def use_up(world: World) -> None:
    """A stranger does, who knows the name only."""
    world.clock.forward(seconds=ACCOUNT.seconds + 1)
    stranger = world.browser()
    statuses = [sign_in(world, stranger, "wrong").status for _ in range(ACCOUNT.tries + 1)]
    assert statuses == [401] * ACCOUNT.tries + [429]


def change(world: World, what: str) -> str:
    """What ends the sign-ins of before, and the password from then on."""
    alice, services = world.services.users.by_name("alice"), world.services
    assert alice is not None
    world.clock.forward(seconds=1)
    with services.db.write() as session:
        match what:
            case "another password":
                services.passwords.set_password(session, alice.sub, "another")
                return "another"
            case "second factor":
                services.second_factor.enrol(session, alice)
            case "no second factor":
                services.second_factor.remove(session, alice.sub)
            case _:
                services.users.set_enabled(session, alice.sub, enabled=False)
                services.users.set_enabled(session, alice.sub, enabled=True)
    return "alice-password"


def test_a_browser_that_is_known_keeps_its_mark(world: World) -> None:
    """LC-02: of one mark never come two."""
    browser = known(world)
    mark = browser.cookies.pop(MARK)
    for _ in range(3):
        again = with_mark(world, mark)
        assert sign_in(world, again).status in IN
        assert again.cookies[MARK] == mark


def test_an_administrators_browser_keeps_its_mark(world: World) -> None:
    """LC-02: and one mark is good at both doors."""
    app, browser = add_administrator(world), world.browser()
    sign_in_to_decide(browser, "ada", "ada-password", app.at(world.clock()))
    mark = browser.cookies[MARK]
    world.clock.forward(seconds=30)
    assert sign_in_to_decide(browser, "ada", "ada-password", app.at(world.clock())).status == 200
    assert browser.cookies[MARK] == mark


@pytest.mark.parametrize("what", ["another password", "second factor", "no second factor", "switched off and on"])
def test_what_ends_sign_ins_makes_the_marks_of_before_worthless(world: World, what: str) -> None:
    """LC-02: whoever had a part in the account before has no tries of their own at what is new."""
    browser = known(world)
    password = change(world, what)
    use_up(world)
    assert sign_in(world, browser, password).status == 429


def test_a_mark_ends_after_half_a_year_however_often_it_was_used(world: World) -> None:
    """LC-02; the first sign-in after that is counted like any other, and gives another."""
    browser = known(world)
    mark = browser.cookies[MARK]
    for _ in range(2):
        world.clock.forward(days=89)
        assert sign_in(world, browser).status in IN
    assert browser.cookies[MARK] == mark
    world.clock.forward(days=2)
    use_up(world)
    assert sign_in(world, browser).status == 429
    world.clock.forward(seconds=ACCOUNT.seconds + 1)
    assert sign_in(world, browser).status in IN
    assert browser.cookies[MARK] != mark


def test_many_marks_are_not_many_times_the_guesses(world: World) -> None:
    """LC-02, RL-07: ten of them are worth what three are."""
    statuses = [
        sign_in(world, with_mark(world, mark), "wrong").status for mark in gathered(world) for _ in range(DEVICE.tries)
    ]
    assert statuses.count(401) == DEVICES.tries + ACCOUNT.tries == 40
    assert statuses.count(429) == 60


def test_marks_of_before_a_second_factor_open_no_way_around_it(world: World) -> None:
    """RL-02: who knows the password tries as many codes with ten of them as with none."""
    marks = gathered(world)
    change(world, "second factor")
    outcomes = []
    for mark in marks:
        browser = with_mark(world, mark)
        page = browser.submit(sign_in(world, browser), {"code": "000000"}, press="code")
        outcomes.append(page.status)
    assert outcomes == [401] * CODES.tries + [429] * (ACCOUNT.tries - CODES.tries)
