"""The pages that people meet, in every state that they have: each walk opens one after another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from authz.clients.metadata import ClientMetadata
from authz.clients.registry import HospitalDecisions
from tests.flows.test_administration import add_administrator
from tests.flows.test_review_pages import register_at
from tests.my_apps.test_story import open_app
from tests.world import EVERYTHING, PUBLIC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Frame

    from tests.browser.visit import Visit

LONG = "Extraordinarily" * 8
MANY = "launch/patient openid fhirUser patient/*.rs offline_access"
FEW = "launch/patient openid patient/Immunization.rs"


def sign_in(visit: Visit) -> Iterator[tuple[str, Frame]]:
    yield "empty", visit.ask(FEW)
    visit.sign_in("alice", "wrong")
    yield "wrong", visit.says("The user name or the password is not right.")
    for _ in range(11):
        visit.sign_in("nobody", "wrong")
    yield "too often", visit.says("Too many attempts to sign in. Wait a few minutes, then try again.")
    made = visit.world.ehr.launch("public", "doctor", patient="A")
    visit.ask("launch openid", launch=made["launch"], prompt="login")
    visit.sign_in("alice")
    yield "somebody else", visit.is_at("This was opened for somebody else")


def code(visit: Visit) -> Iterator[tuple[str, Frame]]:
    carol = f"carol-{visit.words.tag}"  # one in each language
    add_administrator(visit.world, carol, role=None)
    visit.ask("openid")
    visit.sign_in(carol)
    yield "asked", visit.is_at("Enter a code")
    visit.page.fill("[name=code]", "000000")
    visit.press("Sign in")
    expect(visit.page.get_by_role("alert")).to_be_visible()
    yield "wrong", visit.is_at("Enter a code")


def consent(visit: Visit) -> Iterator[tuple[str, Frame]]:
    visit.ask(FEW)
    visit.sign_in("alice")
    yield "few", visit.is_at("Share health records with Public App?")
    yield "many", visit.ask(f"{MANY} patient/*.cruds")
    open_app(visit.world, scope=FEW)
    visit.ask(f"{FEW} patient/Condition.rs")
    yield "new since last time", visit.says("New since last time: you choose what Public App may do besides")
    add_app(visit, "long", LONG)
    yield "a long name", visit.ask(FEW, client_id="long")
    visit.as_nobody()
    made = visit.world.ehr.launch("public", "doctor", patient="A")
    visit.set_up(lambda session: visit.world.services.clients.update(session, "public", {"scope": EVERYTHING}, {}))
    visit.ask("launch openid patient/*.cruds user/Observation.cruds", launch=made["launch"], prompt="consent")
    yield "from the EHR", visit.is_at("Share health records with Public App?")


def reminded(visit: Visit) -> Iterator[tuple[str, Frame]]:
    tokens = open_app(visit.world, scope=MANY)
    for _ in range(2):
        visit.world.clock.forward(days=46)
        tokens = visit.world.public.refresh(tokens["refresh_token"]).json()
    visit.ask(FEW, prompt="consent")
    visit.sign_in("alice")
    yield "on the consent page", visit.says("Public App may use records while you are away, because you allowed it.")


def not_approved(visit: Visit) -> Iterator[tuple[str, Frame]]:
    scope = "launch/patient openid patient/*.rs"
    client_id = register_at(visit.world, visit.issuer, scope=scope, client_name="Newcomer")
    visit.ask("", client_id=client_id, redirect_uri="https://growth.example/cb")
    yield "refused before anybody signed in", visit.is_at("Newcomer was not opened")
    visit.ask(scope, client_id=client_id, redirect_uri="https://growth.example/cb")
    yield "to whoever signs in", visit.says("Newcomer leads to growth.example.")
    visit.sign_in("tim")
    yield "to a test account", visit.says("Not approved by Test Hospital.")


def broken_glass(visit: Visit) -> Iterator[tuple[str, Frame]]:
    fhir_servers = visit.world.services.fhir_servers
    visit.set_up(lambda session: fhir_servers.update(session, "main", {"sensitive_patients": ["B"]}))
    made = visit.world.ehr.launch("public", "Practitioner/dr", patient="B")
    visit.ask("launch patient/*.rs", launch=made["launch"], prompt="consent")
    yield "asked", visit.is_at("These records are protected")
    visit.page.get_by_role("radio").first.check()
    visit.page.fill("[name=text]", "no         time")
    visit.press("Open the records")
    yield "too short", visit.says("Choose a reason, and say in 10 to 500 characters why you need these records now.")
    visit.page.fill("[name=text]", "unconscious in the emergency room")
    visit.press("Open the records")
    yield "agreed", visit.is_at("Share health records with Public App?")


def choosing(visit: Visit) -> Iterator[tuple[str, Frame]]:
    visit.ask(FEW)
    visit.sign_in("parent")
    yield "two children", visit.is_at("Whose records should Public App open?")
    visit.as_nobody()
    visit.ask("launch/patient launch/encounter openid patient/Observation.rs")
    yield "nothing searched", visit.sign_in("doctor")
    visit.press("Search")
    yield "nothing typed", visit.says("Type a name, a birth date or a record number.")
    visit.page.fill("[name=name]", "nobody at all")
    visit.press("Search")
    yield "nobody found", visit.shows("main [role=status]")
    visit.page.fill("[name=name]", "long")
    visit.press("Search")
    yield "many with long names", visit.shows("#found")
    visit.page.fill("[name=name]", "berg")
    visit.press("Search")
    visit.page.get_by_role("button", name="Bo Berg").click()
    yield "visits", visit.is_at("Which visit should Public App open?")
    visit.ask("launch/patient launch/encounter openid patient/Observation.rs")
    visit.page.fill("[name=name]", "jonas")
    visit.press("Search")
    visit.page.get_by_role("button", name="Jonas Brandt").click()
    yield "no visits", visit.says("No visit is recorded.")


def add_app(visit: Visit, client_id: str, name: str) -> None:
    metadata = ClientMetadata.load({**PUBLIC, "client_name": name, "client_uri": "https://maker.example"})
    clients = visit.world.services.clients
    if clients.find(client_id) is not None:  # since the walk in another language
        return
    visit.set_up(lambda session: clients.add(session, metadata, HospitalDecisions(), client_id=client_id))


def own_apps(visit: Visit) -> Iterator[tuple[str, Frame]]:
    yield "where", visit.open("/my-apps")
    visit.open("/my-apps?fhir_server=main")
    visit.press("Cancel")
    yield "not signed in", visit.is_at("You are not signed in")
    visit.open("/my-apps?fhir_server=main")
    visit.sign_in("doctor")
    yield "none", visit.is_at("Your apps")
    yield "no further ones", visit.open("/my-apps?page=3")
    yield "one session", visit.open("/my-apps/sessions")
    visit.as_nobody()
    browser = visit.world.browser()
    open_app(visit.world, "parent", MANY, "child-1", browser)
    visit.open("/my-apps?fhir_server=main")
    visit.sign_in("parent")
    yield "one", visit.shows("a.person")
    open_app(visit.world, "parent", FEW, "child-2", browser)
    yield "several", visit.open("/my-apps")
    visit.page.locator("a.person", has_text="Ella Brandt").click()
    yield "one app", visit.is_at("Public App")
    visit.follow("/receipt/")
    yield "receipt", visit.is_at("Receipt")
    visit.follow("/my-apps/", "main .away")
    visit.press("Take it back")
    yield "take it back?", visit.is_at("Take back what Public App may do?")
    visit.press("Take it back")
    yield "taken back", visit.shows("main [role=status]")
    visit.follow("/receipt/")
    yield "receipt of what was taken back", visit.says("Taken back")
    yield "several sessions", visit.open("/my-apps/sessions")
    for number in range(11):
        add_app(visit, f"many-{number}", f"{LONG} {number}")
        app = replace(visit.world.public, client_id=f"many-{number}")
        open_app(replace(visit.world, public=app), "parent", MANY, "child-2", browser)
    yield "many with long names", visit.open("/my-apps")
    yield "the second page", visit.follow("page=2", "nav")


def leaving(visit: Visit) -> Iterator[tuple[str, Frame]]:
    visit.open("/my-apps?fhir_server=main")
    visit.sign_in("doctor")
    yield "asked", visit.open("/logout")
    yield "stayed", visit.press("Stay signed in")
    visit.open("/logout")
    visit.press("Sign out")
    yield "signed out", visit.is_at("You are signed out")


def refused(visit: Visit) -> Iterator[tuple[str, Frame]]:
    yield "unknown app", visit.ask("openid", client_id="unknown")
    support_code = visit.page.locator("main code").inner_text()
    yield "the case", visit.open(f"/support/{support_code}")
    browser = visit.world.browser()
    page = browser.open(visit.world.public.authorize_url(scope="patient/Observation.rs?_count=1 system/*.rs"))
    told = browser.sign_in(page, "alice", "alice-password").location_parameters
    visit.open(told["error_uri"].removeprefix(visit.issuer))
    yield "the case of a scope", visit.says("What became of each scope")
    yield "no such case", visit.open("/support/AAAAAAAA")
    yield "all reasons", visit.open("/support")
    yield "no such page", visit.open("/nowhere")
