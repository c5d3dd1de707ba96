"""Somebody is switched off while a request that grants is on its way (security.md I4, LC-26): nothing comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from authz.authorize.respond import Responder
from authz.consent.model import ConsentRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from tests.transport import Reply
    from tests.world import World

SCOPE = "launch/patient openid patient/Observation.rs offline_access"
LAUNCH_SCOPE = "launch patient/*.rs offline_access"


def sub_of(world: World) -> str:
    user = world.services.users.by_name("alice")
    assert user is not None
    return user.sub


def new_password(world: World, session: Session) -> None:
    world.services.passwords.set_password(session, sub_of(world), "quite another password")


def second_factor(world: World, session: Session) -> None:
    user = world.services.users.by_name("alice")
    assert user is not None
    world.services.second_factor.enrol(session, user)


def off_and_on(world: World, session: Session) -> None:
    for enabled in (False, True):
        world.services.users.set_enabled(session, sub_of(world), enabled=enabled)


def app_off(world: World, session: Session) -> None:
    for client_id in (world.confidential.client_id, world.public.client_id):
        world.services.clients.set_enabled(session, client_id, enabled=False)


def fhir_server_off(world: World, session: Session) -> None:
    world.services.fhir_servers.set_enabled(session, "main", enabled=False)


def practitioner_off(world: World, session: Session) -> None:
    user = world.services.users.by_fhir_user("main", "Practitioner/dr")
    assert user is not None
    world.services.users.set_enabled(session, user.sub, enabled=False)


def somebody_else(world: World, session: Session) -> None:
    for name, reference in (("Patient/A", "Patient/else"), ("Practitioner/dr", "Practitioner/else")):
        user = world.services.users.by_fhir_user("main", name)
        assert user is not None
        world.services.users.link(session, user.sub, "main", reference)


def app_elsewhere(world: World, session: Session) -> None:
    world.services.clients.update(session, "confidential", {}, {"fhir_servers": ("other",)})


def other_scopes(world: World, session: Session) -> None:
    world.services.clients.update(session, "confidential", {"scope": "openid launch/patient"}, {})


def base_url(world: World, session: Session) -> None:
    world.services.fhir_servers.update(session, "main", {"base_url": "https://elsewhere.example/r4"})


def a_test_account(world: World, session: Session) -> None:
    world.services.users.set_sandbox(session, sub_of(world), is_sandbox=True)


def new_address(world: World, session: Session) -> None:
    world.services.clients.update(session, "confidential", {"redirect_uris": ["https://conf.example/new"]}, {})


def in_the_midst(world: World, monkeypatch: pytest.MonkeyPatch, change: Callable[[World, Session], object]) -> None:
    """The change is made when the next request has found out everything, and has not begun to write."""
    grant = Responder.grant

    def after_the_change(self: Responder, *words: Any, **named: Any) -> str:
        monkeypatch.setattr(Responder, "grant", grant)
        world.clock.forward(seconds=1)
        with world.services.db.write() as session:
            change(world, session)
        return grant(self, *words, **named)

    monkeypatch.setattr(Responder, "grant", after_the_change)


def error(reply: Reply) -> dict[str, str]:
    assert reply.status == 303, reply.text
    return {name: reply.location_parameters.get(name, "") for name in ("code", "error")}


@pytest.mark.parametrize("change", [new_password, second_factor, off_and_on, app_off, fhir_server_off, somebody_else])
def test_what_ends_a_session_ends_a_request_that_is_on_its_way(
    world: World, monkeypatch: pytest.MonkeyPatch, change: Callable[[World, Session], object]
) -> None:
    """LC-26: a thief keeps one on its way at all times."""
    browser = world.browser()
    page = browser.sign_in(browser.open(world.confidential.authorize_url(scope=SCOPE)), "alice", "alice-password")
    assert "code" in browser.submit(page, press="allow").location_parameters
    in_the_midst(world, monkeypatch, change)
    reply = browser.open(world.confidential.authorize_url(scope=SCOPE, prompt="none"))
    assert error(reply) == {"code": "", "error": "access_denied"}


@pytest.mark.parametrize("change", [practitioner_off, app_off, fhir_server_off, somebody_else])
def test_a_launch_on_its_way_ends_with_whoever_it_is_about(
    world: World, monkeypatch: pytest.MonkeyPatch, change: Callable[[World, Session], object]
) -> None:
    launch = world.ehr.launch("public", "Practitioner/dr", patient="A")["launch"]
    in_the_midst(world, monkeypatch, change)
    reply = world.browser().open(world.public.authorize_url(scope=LAUNCH_SCOPE, launch=str(launch)))
    assert error(reply) == {"code": "", "error": "access_denied"}


def test_a_new_password_here_is_no_end_of_a_launch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The person signed in at the EHR."""
    launch = world.ehr.launch("public", "Patient/A", patient="A")["launch"]
    in_the_midst(world, monkeypatch, new_password)
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope=LAUNCH_SCOPE, launch=str(launch)))
    assert error(browser.submit(page, press="allow"))["code"]


@pytest.mark.parametrize("change", [app_elsewhere, other_scopes, base_url, a_test_account])
def test_nothing_is_granted_by_what_was_true_before_a_change(
    world: World, monkeypatch: pytest.MonkeyPatch, change: Callable[[World, Session], object]
) -> None:
    """I4: the change has revoked what was there; what it did not find must not come after it, nor be remembered."""
    browser = world.browser()
    page = browser.sign_in(browser.open(world.confidential.authorize_url(scope=SCOPE)), "alice", "alice-password")
    in_the_midst(world, monkeypatch, change)
    assert error(browser.submit(page, press="allow")) == {"code": "", "error": "access_denied"}
    with world.services.db.read() as session:
        assert session.scalar(select(func.count()).select_from(ConsentRow)) == 0


def test_no_code_goes_to_an_address_that_the_app_has_lost_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RG-23, RFC 6749 §4.1.2.1: nobody is sent there, not even with an error."""
    browser = world.browser()
    page = browser.sign_in(browser.open(world.confidential.authorize_url(scope=SCOPE)), "alice", "alice-password")
    in_the_midst(world, monkeypatch, new_address)
    reply = browser.submit(page, press="allow")
    assert (reply.status, reply.headers.get("Location")) == (400, None)
    assert "is not registered for it" in reply.text


def test_who_represents_a_patient_no_more_is_granted_nothing_for_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CTX-13, decision 20; whoever acts for several chose this one before."""

    def end(world: World, session: Session) -> None:
        user = world.services.users.by_name("parent")
        assert user is not None
        world.services.users.stop_representing(session, user.sub, "main", "child-1")

    browser = world.browser()
    page = browser.sign_in(browser.open(world.confidential.authorize_url(scope=SCOPE)), "parent", "parent-password")
    page = browser.submit(page, press="child-1")
    in_the_midst(world, monkeypatch, end)
    assert error(browser.submit(page, press="allow")) == {"code": "", "error": "access_denied"}
