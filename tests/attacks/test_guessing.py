"""Whatever opens something if it is guessed: so many bits that nobody can, or so few tries that nobody does.

Bits are counted where they are drawn: a value has those that the system's random source gave, whatever its length.
"""

from __future__ import annotations

import math
import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from authz.audit.support_code import LENGTH as SUPPORT_LENGTH
from authz.audit.support_code import new_support_code
from authz.authorize.coming_back import CODE_DIGITS
from authz.authorize.pending import Elsewhere
from authz.cli.context import MIN_SECRET
from authz.keyring.secrets import new_secret
from authz.limits import SUPPORT_CODES
from authz.login.method import SignIn
from authz.login.second_factor import DRIFT_STEPS, RECOVERY_CHARACTERS
from authz.login.second_factor import RECOVERY_CODES as CODES_OF_EACH
from authz.login.throttle import CODES, CODES_A_DAY, DEVICES_CODES_A_DAY, DEVICES_RECOVERY_CODES, RECOVERY_CODES
from authz.registration.initial_tokens import NewInitialToken
from tests.flows.test_administration import add_administrator, signed_in
from tests.messaging import messaging_world
from tests.vendor import Vendor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.world import World

ENOUGH = 128  # bits: what is tried without a limit, or has a limit that bars nobody
DAY = timedelta(days=1).total_seconds()
APP_CODES_A_DAY = CODES_A_DAY.tries + DEVICES_CODES_A_DAY.tries
RECOVERY_TRIES = RECOVERY_CODES.tries + DEVICES_RECOVERY_CODES.tries


@dataclass
class Dice:
    """The random source, and what it gave; single draws that follow each other are one text."""

    bits: dict[str, float] = field(default_factory=dict)
    text: str = ""
    drawn: float = 0.0

    def token_urlsafe(self, count: int) -> str:
        return self.noted(TOKEN_URLSAFE(count), 8 * count)

    def token_hex(self, count: int) -> str:
        return self.noted(TOKEN_HEX(count), 8 * count)

    def choice(self, of: Sequence[str]) -> str:
        made = CHOICE(of)
        self.text, self.drawn = self.text + made, self.drawn + math.log2(len(of))
        return made

    def noted(self, made: str, bits: float) -> str:
        self.bits[made] = bits
        return made

    def of(self, value: str) -> float:
        """The bits that the longest drawn text in a value has."""
        if value in self.text:
            return self.drawn / len(self.text) * len(value)
        found = [bits for made, bits in self.bits.items() if made in value]
        assert found, f"{value}: nothing of it was drawn"
        return max(found)


TOKEN_URLSAFE, TOKEN_HEX, CHOICE = secrets.token_urlsafe, secrets.token_hex, secrets.choice


@pytest.fixture
def dice(monkeypatch: pytest.MonkeyPatch) -> Dice:
    made = Dice()
    for name in ("token_urlsafe", "token_hex", "choice"):
        monkeypatch.setattr(secrets, name, getattr(made, name))
    return made


def test_what_a_launch_and_its_tokens_are_called_by_can_not_be_guessed(world: World, dice: Dice) -> None:
    """LA-15, WM-01, IN-11; RFC 6749 §10.10: codes, tokens, launches, handles for messages."""
    window = messaging_world(world)
    launched, got = window.opened()
    for value in (launched["launch"], got["access_token"], got["refresh_token"], got["smart_web_messaging_handle"]):
        assert dice.of(value) >= 2 * ENOUGH, value
    code = world.public.code(
        str(world.ehr.launch("public", "Practitioner/dr", patient="A")["launch"]), "launch patient/*.rs"
    )
    assert dice.of(code) >= 2 * ENOUGH


def test_what_a_browser_is_known_by_can_not_be_guessed(world: World, dice: Dice) -> None:
    """LC-26, HC-02: handles of interactions, cookies of sessions, of the browser and of a known device."""
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope="openid launch/patient"))
    handle = re.search(r'name="interaction" value="([^"]+)"', page.text)
    assert handle is not None
    browser.sign_in(page, "alice", "alice-password")
    assert set(browser.cookies) == {"authz_browser", "authz_session", "authz_device"}
    for value in (handle[1], browser.cookies["authz_browser"], browser.cookies["authz_session"]):
        assert dice.of(value) >= 2 * ENOUGH
    assert dice.of(browser.cookies["authz_device"]) >= ENOUGH  # beside a MAC of 256 bits


def test_what_is_kept_by_programs_and_makers_of_apps_can_not_be_guessed(world: World, dice: Dice) -> None:
    """CA-01: client secrets, registration access tokens, initial access tokens."""
    assert dice.of(new_secret()) >= 2 * ENOUGH - 1
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", {"registration": "open"})
        new = NewInitialToken("a vendor", world.clock() + timedelta(days=1))
        _, token = world.services.registration.initial_tokens.issue(session, new)
    assert dice.of(token) >= 2 * ENOUGH
    registered = Vendor(world.transport).register()
    assert dice.of(registered["registration_access_token"]) >= 2 * ENOUGH


def test_an_administrators_session_can_not_be_guessed(world: World, dice: Dice) -> None:
    browser = signed_in(world, app=add_administrator(world))
    assert dice.of(browser.cookies["authz_admin"]) >= 2 * ENOUGH


def test_the_secret_of_a_second_factor_can_not_be_guessed(world: World, dice: Dice) -> None:
    """RFC 4226 §4 R6: at least 128 bits."""
    assert dice.of(add_administrator(world).secret) >= ENOUGH


SHORT: dict[str, tuple[float, float, float]] = {
    # what it is: how many there are, how many are good at a time, how many tries a day there can be
    "a code of an authenticator app": (10**6, 2 * DRIFT_STEPS + 1, APP_CODES_A_DAY),
    "a code of the window beside a frame": (10**CODE_DIGITS, 1, 3),
    "a support code": (32**SUPPORT_LENGTH, 10_000, SUPPORT_CODES.tries * DAY / SUPPORT_CODES.seconds),
    "a recovery code": (32**RECOVERY_CHARACTERS, CODES_OF_EACH, RECOVERY_TRIES * DAY / RECOVERY_CODES.seconds),
}


@pytest.mark.parametrize("what", SHORT)
def test_what_is_short_is_tried_seldom(what: str) -> None:
    """RL-02, LC-02: one who tries all day has less than one chance in five hundred."""
    many, good, tries = SHORT[what]
    assert tries * good / many < 1 / 500, what


def test_the_numbers_above_are_what_the_server_does(dice: Dice) -> None:
    assert dice.of(new_support_code()) == 40
    assert Elsewhere(SignIn("sub", datetime.now(UTC), ("pwd",)), "x").tries_left == 3
    assert (CODES.tries, APP_CODES_A_DAY) == (5, 50)
    assert MIN_SECRET == 20
