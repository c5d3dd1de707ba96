"""A handle is good for no longer, and for no more, than what the user may share with the app."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from authz.users.user import Representation
from tests.actors import Ehr
from tests.flows.test_breaking_the_glass import give, protect
from tests.flows.test_handle_end import register
from tests.flows.test_silent_hooks import RULES, away
from tests.messaging import MESSAGES, Window, messaging_world
from tests.pickers.test_staff_picker import trail
from tests.world import APP, EVERYTHING, FHIR, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy.orm import Session

    from authz.services import Services
    from tests.world import World

    Change = Callable[[Session, Services], object]

INACTIVE = {"active": False}
HANDLE = "smart_web_messaging_handle"
MINUTE = 60
SCOPE = "launch patient/*.rs online_access messaging/ui messaging/fhir"


@pytest.fixture
def window(world: World) -> Window:
    return messaging_world(world)


def glass_broken(world: World, window: Window, scope: str, seconds: int = 0, **context: Any) -> dict[str, Any]:
    """The tokens of an app that a doctor opened for protected patient B; it redeems its code so much later."""
    protect(world, sensitive_patients=["B"])
    made = window.ehr.launch("public", "Practitioner/dr", patient="B", web_messaging_origin=window.origin, **context)
    browser = world.browser()
    page = browser.open(world.public.authorize_url(launch=made["launch"], scope=scope))
    code = give(browser, page).location_parameters["code"]
    world.clock.forward(seconds=seconds)
    tokens: dict[str, Any] = world.public.redeem(code).json()
    return tokens


@pytest.mark.parametrize("seconds", [0, 59])
@pytest.mark.parametrize("session", [{"session": "s-1"}, {}], ids=["session", "none"])
def test_a_broken_glass_gives_a_handle_for_as_long_as_its_token(
    world: World, window: Window, seconds: int, session: dict[str, str]
) -> None:
    """REQ-87, web-messaging 2.5: 15 minutes from the token on, for no message is worth more; and it says why."""
    tokens = glass_broken(world, window, f"launch patient/*.cruds offline_access {MESSAGES}", seconds, **session)
    told = window.check(tokens[HANDLE], origin=APP, message_type="fhir.http")
    token = world.fhir_server.introspect(tokens["access_token"])
    assert (told["purpose_of_use"], told["allowed"], told["fhir_scope"]) == ("ETREAT", True, "patient/*.cruds")
    assert (told["exp"], told["exp"] - told["iat"]) == (token["exp"], 900)
    world.clock.forward(seconds=899)
    assert window.is_active(tokens[HANDLE])
    world.clock.forward(seconds=1)
    assert window.check(tokens[HANDLE], origin=APP) == INACTIVE


def test_no_other_handle_speaks_of_a_reason(window: Window) -> None:
    """REQ-87: whoever was asked for none gave none."""
    assert "purpose_of_use" not in window.check(window.handle())


# --- what the user may no longer share


def opened(world: World, window: Window, user: str = "RelatedPerson/rel", patient: str = "child-1") -> dict[str, Any]:
    """The tokens of an app that somebody opened, and that its handle was asked about at once."""
    named = {"patient": patient, "web_messaging_origin": window.origin, "session": "s-1"}
    made = window.ehr.launch("public", user, **named)
    browser = world.browser()
    page = browser.open(world.public.authorize_url(launch=made["launch"], scope=SCOPE, prompt="consent"))
    tokens: dict[str, Any] = world.public.redeem(browser.submit(page, press="allow").location_parameters["code"]).json()
    assert window.is_active(tokens[HANDLE], origin=APP, message_type="fhir.http")
    return tokens


def changed(world: World, change: Change) -> None:
    with world.services.db.write() as session:
        change(session, world.services)


def represent(world: World, patient: str = "child-1", **until: float) -> None:
    """The parent acts for the child, for so long only."""
    parent = world.services.users.by_name("parent")
    assert parent is not None
    ends = world.clock() + timedelta(**until) if until else None
    act = Representation(patient, "parent", ends)
    changed(world, lambda session, services: services.users.represent(session, parent.sub, "main", act))


def of_server(**changes: Any) -> Change:
    return lambda session, services: services.fhir_servers.update(session, "main", changes)


def of_app(**members: Any) -> Change:
    return lambda session, services: services.clients.update(session, "public", members, {})


def becomes(reference: str) -> Change:
    def change(session: Session, services: Services) -> None:
        doctor = services.users.by_name("doctor")
        assert doctor is not None
        services.users.link(session, doctor.sub, "main", reference)

    return change


TAKEN: dict[str, tuple[tuple[str, str], Change, Change]] = {
    "the user is another person in the records": (
        ("Practitioner/dr", "A"),
        becomes("Practitioner/else"),
        becomes("Practitioner/dr"),
    ),
    "the patient is protected": (
        ("Practitioner/dr", "A"),
        of_server(sensitive_patients=["A"]),
        of_server(sensitive_patients=[]),
    ),
    "what may be shared is protected": (
        ("Practitioner/dr", "A"),
        of_server(sensitive_scopes=["patient/Observation.rs"]),
        of_server(sensitive_scopes=[]),
    ),
    "the app is for others": (
        ("RelatedPerson/rel", "child-1"),
        of_app(fhir_user_types=["Patient"]),
        of_app(fhir_user_types=[]),
    ),
}
CASES = pytest.mark.parametrize(("who", "take", "give_back"), TAKEN.values(), ids=TAKEN.keys())


@CASES
def test_what_the_user_may_is_asked_again_every_minute(
    world: World, window: Window, who: tuple[str, str], take: Change, give_back: Change
) -> None:
    """Decision 20, REQ-87: also of an app that never refreshes; what is allowed again is allowed again."""
    handle = opened(world, window, *who)[HANDLE]
    changed(world, take)
    world.clock.forward(seconds=MINUTE)
    for _ in range(2):
        assert window.check(handle, origin=APP, message_type="fhir.http") == INACTIVE
    changed(world, give_back)
    assert window.is_active(handle, origin=APP)


@CASES
def test_a_refresh_that_is_refused_as_a_whole_ends_the_handle_at_once_and_for_good(
    world: World, window: Window, who: tuple[str, str], take: Change, give_back: Change
) -> None:
    """Decision 20, WM-06: although a hot copy lies there; the refresh token is not spent by it."""
    tokens = opened(world, window, *who)
    changed(world, take)
    assert world.public.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert window.check(tokens[HANDLE], origin=APP, message_type="fhir.http") == INACTIVE
    assert [row.reason for row in trail(world, "handle.revoked")] == ["no_longer_allowed"]
    changed(world, give_back)
    later = world.public.refresh(tokens["refresh_token"]).json()
    assert (later["scope"], HANDLE in later) == ("launch patient/*.rs online_access", False)
    assert window.check(tokens[HANDLE]) == INACTIVE


def test_who_represents_a_patient_no_more_has_no_handle_either(world: World, window: Window) -> None:
    """CTX-13, decision 20: a dated end revokes nothing by itself."""
    first, second = opened(world, window), opened(world, window)
    represent(world, minutes=5)
    world.clock.forward(minutes=5, seconds=1)
    assert window.check(first[HANDLE], origin=APP, message_type="fhir.http") == INACTIVE
    refused = world.public.refresh(second["refresh_token"]).json()
    assert refused["error_description"].startswith("the user may no longer share the records of this patient")
    represent(world)
    assert window.is_active(first[HANDLE])
    assert window.check(second[HANDLE]) == INACTIVE


def test_the_answer_has_what_the_user_may_share_today(world: World, window: Window) -> None:
    """SCP-01, decision 16: the ceiling has come down since, and nothing was refreshed."""
    handle = opened(world, window, "Practitioner/dr", "A")[HANDLE]
    changed(world, of_server(scope_ceilings={"Practitioner": "patient/Observation.rs"}))
    world.clock.forward(seconds=MINUTE)
    told = window.check(handle, origin=APP, message_type="fhir.http")
    assert (told["fhir_scope"], told["allowed"]) == ("patient/Observation.rs", True)


def test_a_window_that_a_handle_is_bound_to_prolongs_no_answer(world: World, window: Window) -> None:
    """Decision 20, web-messaging 10.1: it is a minute from when the rights were looked at."""
    handle = opened(world, window, "Practitioner/dr", "A")[HANDLE]
    protect(world, sensitive_patients=["A"])
    world.clock.forward(seconds=MINUTE - 1)
    assert window.is_active(handle, origin=APP, window="w-1")
    world.clock.forward(seconds=1)
    assert window.check(handle, origin=APP, window="w-1") == INACTIVE


def test_a_refresh_that_asks_for_too_much_of_it_ends_nothing(world: World, window: Window) -> None:
    """RFC 6749 §6: what one token may not have says nothing of the rest."""
    tokens = opened(world, window, "Practitioner/dr", "A")
    register(world, EVERYTHING.replace("patient/*.cruds", "patient/Observation.rs") + f" {MESSAGES}")
    refused = world.public.refresh(tokens["refresh_token"], scope="patient/Condition.rs").json()
    assert refused["error"] == "invalid_grant"
    assert window.is_active(tokens[HANDLE], origin=APP)
    world.clock.forward(seconds=MINUTE)
    assert window.check(tokens[HANDLE])["fhir_scope"] == "patient/Observation.rs"


# --- the hospital's own rules


def says_no(which: str) -> bool:
    """Nobody may work with anybody; nothing is protected."""
    return which == "user_rights"


class TestRulesOfTheHospital:
    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[World]:
        ours = "tests.flows.test_silent_hooks:rules"
        world = build(settings_in(tmp_path, sensitivity=ours, user_rights=ours))
        with world.app.app_context():
            yield world
            world.services.db.engine.dispose()
        world.services.backend.close()

    def test_a_no_ends_the_handle(self, world: World, window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
        """Decision 20: within a minute, and at a refresh for good."""
        tokens = opened(world, window, "Practitioner/dr", "A")
        with monkeypatch.context() as patched:
            patched.setattr(RULES, "unless_away", says_no)
            world.clock.forward(seconds=MINUTE)
            assert window.check(tokens[HANDLE], origin=APP) == INACTIVE
        assert window.is_active(tokens[HANDLE])
        monkeypatch.setattr(RULES, "unless_away", says_no)
        assert world.public.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
        monkeypatch.undo()
        assert window.check(tokens[HANDLE]) == INACTIVE

    @pytest.mark.parametrize("which", ["sensitivity", "user_rights"])
    def test_no_answer_is_neither_a_yes_nor_the_end(self, world: World, window: Window, which: str) -> None:
        """Decision 0054: 503 with Retry-After to the EHR as to the app, and afterwards both go on."""
        tokens = opened(world, window, "Practitioner/dr", "A")
        world.clock.forward(seconds=MINUTE)
        with away(which):
            for _ in range(2):
                reply = window.ask(tokens[HANDLE], origin=APP, message_type="fhir.http")
                assert (reply.status, reply.json()["error"]) == (503, "temporarily_unavailable")
                assert reply.header("retry-after") == "2"
            assert world.public.refresh(tokens["refresh_token"]).status == 503
        assert window.check(tokens[HANDLE], origin=APP, message_type="fhir.http")["allowed"] is True
        assert world.public.refresh(tokens["refresh_token"]).json()[HANDLE] == tokens[HANDLE]

    def test_who_may_not_ask_about_a_handle_learns_nothing_by_that(self, world: World, window: Window) -> None:
        """WM-05: another EHR is told the same as ever."""
        with world.services.db.write() as session:
            world.services.ehrs.add(session, ["main"], "ehr-second", "ehr-second-secret")
        second = Window(Ehr(world.transport, "ehr-second", "ehr-second-secret", FHIR), world.public)
        handle = opened(world, window, "Practitioner/dr", "A")[HANDLE]
        world.clock.forward(seconds=MINUTE)
        with away("user_rights"):
            assert second.check(handle) == INACTIVE
