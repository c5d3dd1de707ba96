"""The hospital's own rules fail or are late while somebody works: nothing is granted by it, and nothing is lost."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from authz.audit.model import AuditEventRow
from authz.tokens.model import GrantRow
from tests.flows.test_breaking_the_glass import GLASS, broken, give, launched
from tests.my_apps.test_story import says, title
from tests.transport import SUPPORT_PAGE
from tests.world import build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.world import World

SCOPE = "launch openid patient/Observation.rs offline_access"
UNKNOWN = "It could not be found out whether these records are protected, so you are asked."


class Rules:
    """Of a hospital whose systems of rules are sometimes away."""

    away: frozenset[str] = frozenset()

    def is_sensitive(self, _question: object) -> bool:
        return self.unless_away("sensitivity")

    def allows(self, _question: object) -> bool:
        return not self.unless_away("user_rights")

    def unless_away(self, which: str) -> bool:
        if which in self.away:
            raise ConnectionError(f"{which}: no route to host")
        return False


RULES = Rules()


def rules() -> Rules:
    """What the settings name."""
    return RULES


@contextmanager
def away(which: str) -> Iterator[None]:
    RULES.away = frozenset({which})
    yield
    RULES.away = frozenset()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    ours = f"{__name__}:rules"
    world = build(settings_in(tmp_path, sensitivity=ours, user_rights=ours))
    RULES.away = frozenset()
    with world.app.app_context():
        yield world
        world.services.db.engine.dispose()
    world.services.backend.close()


def events(world: World, support_code: str) -> list[tuple[str, str | None, dict[str, str]]]:
    with world.services.db.read() as session:
        rows = session.scalars(select(AuditEventRow).where(AuditEventRow.support_code == support_code))
        return [(row.event, row.reason, row.detail) for row in rows]


def test_staff_are_told_that_it_is_not_known_whether_records_are_protected(world: World) -> None:
    """Decision 0054, REQ-87: they may wait, or say why they can't; the code on the page finds it on the trail."""
    with away("sensitivity"):
        browser, page = launched(world, "A")
        assert (page.status, title(page)) == (200, GLASS)
        assert UNKNOWN in says(page)
        code = says(page).partition("Code for the support desk: ")[2].split()[0]
        told = {"cause": "the hospital's rules did not say whether these records are protected"}
        assert events(world, code) == [("authorize.page_shown", "break_glass", told)]
        answer = world.public.redeem(give(browser, page).location_parameters["code"]).json()
    assert (answer["purpose_of_use"], answer["expires_in"], "refresh_token" in answer) == ("ETREAT", 900, False)
    assert len(broken(world)) == 1


def test_who_waits_until_the_rules_answer_gives_no_reason(world: World) -> None:
    """Decision 0054: the same page, answered when it is known again that nothing is protected."""
    with away("sensitivity"):
        browser, page = launched(world, "A")
    answer = world.public.redeem(give(browser, page).location_parameters["code"]).json()
    assert ("purpose_of_use" in answer, "refresh_token" in answer, broken(world)) == (False, True, [])


def test_what_is_known_to_be_protected_is_said_without_doubt(world: World) -> None:
    """Decision 0054: the settings' own list needs no hook."""
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", {"sensitive_patients": ["B"]})
    with away("sensitivity"):
        _, page = launched(world, "B")
    assert title(page) == GLASS
    assert UNKNOWN not in says(page)


def test_an_app_that_lets_nobody_be_asked_gets_nothing(world: World) -> None:
    """OIDC Core §3.1.2.6: ``interaction_required``."""
    with away("sensitivity"):
        _, page = launched(world, "A", prompt="none")
    assert page.location_parameters["error"] == "interaction_required"


def test_while_nobody_knows_what_a_user_may_do_nothing_is_granted(world: World) -> None:
    """Decision 20, RFC 6749 §4.1.2.1: refused as temporary, with a support code; afterwards the same launch works."""
    handle = str(world.ehr.launch("public", "Practitioner/dr", patient="A")["launch"])
    url = world.public.authorize_url(launch=handle, scope=SCOPE, prompt="consent")
    with away("user_rights"):
        told = world.browser().open(url).location_parameters
    assert told.pop("error_description").startswith("a part of the server does not answer, try again (support code ")
    assert SUPPORT_PAGE.search(told.pop("error_uri"))
    assert told == {"error": "temporarily_unavailable", "state": world.public.state, "iss": world.issuer}
    with world.services.db.read() as session:
        assert session.scalars(select(GrantRow)).all() == []
    browser = world.browser()
    assert "code" in browser.submit(browser.open(url), press="allow").location_parameters


@pytest.mark.parametrize("which", ["sensitivity", "user_rights"])
def test_a_refresh_waits_and_the_app_keeps_what_it_has(world: World, which: str) -> None:
    """Decision 0054: 503 with Retry-After, not ``invalid_grant``, after which an app throws its token away."""
    browser, page = launched(world, "A", SCOPE, prompt="consent")
    tokens = world.public.redeem(browser.submit(page, press="allow").location_parameters["code"]).json()
    with away(which):
        reply = world.public.refresh(tokens["refresh_token"])
    assert (reply.status, reply.json()["error"], reply.header("retry-after")) == (503, "temporarily_unavailable", "2")
    again = world.public.refresh(tokens["refresh_token"])
    assert (again.status, again.json()["scope"]) == (200, SCOPE)
