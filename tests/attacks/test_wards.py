"""Two people at one browser, two EHRs at one server: nobody goes on with what somebody else chose, said or may do."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import pytest

from tests.actors import FORM, SmartApp
from tests.attacks.test_pages import handle_of
from tests.flows.test_breaking_the_glass import GLASS, broken, give
from tests.my_apps.test_story import says, title
from tests.world import ISSUER, OTHER_FHIR

if TYPE_CHECKING:
    from tests.actors import Browser
    from tests.transport import Reply
    from tests.world import World

PICKER = "Whose records should Public App open?"


@pytest.fixture
def ward(world: World) -> World:
    """A doctor who sees the protected patient B, and a nurse who sees nobody; both may choose whom they see."""
    made = world.services
    with made.db.write() as session:
        nurse = made.users.add(session, "nurse", "Nurse")
        made.users.link(session, nurse.sub, "main", "Practitioner/nurse")
        made.passwords.set_password(session, nurse.sub, "nurse-password")
        made.fhir_servers.update(session, "main", {"staff_picker": True, "sensitive_patients": ["B"]})
    return world


def chosen_by_the_doctor(world: World, **changes: str) -> tuple[Browser, Reply]:
    """The doctor has chosen B, said why, and is asked to agree."""
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope="launch/patient patient/Observation.rs", **changes))
    page = browser.sign_in(page, "doctor", "doctor-password")
    page = browser.submit(page, {"action": "search", "name": "Berg"})
    page = give(browser, browser.submit(page, press="B"))
    assert title(page) == "Share health records with Public App?"
    return browser, page


def test_who_signs_in_by_the_form_of_a_later_page_begins_anew(ward: World) -> None:
    """LC-09, LC-27, REQ-87: neither the patient nor the reason of the person before is the next one's."""
    browser, page = chosen_by_the_doctor(ward)
    sent = {"interaction": handle_of(page), "username": "nurse", "password": "nurse-password"}
    reply = browser.request("POST", f"{ISSUER}/login", urlencode(sent).encode(), {"Content-Type": FORM})
    page = browser.follow(reply)
    assert title(page) == PICKER
    assert "Berg" not in page.text
    assert broken(ward) == []


def test_who_signs_in_when_a_sign_in_has_grown_too_old_begins_anew(ward: World) -> None:
    """LC-09, REQ-87, OIDC Core §3.1.2.1 ``max_age``: by nothing but the pages, and for what was searched too."""
    browser = ward.browser()
    page = browser.open(ward.public.authorize_url(scope="openid"))
    browser.sign_in(page, "doctor", "doctor-password")
    page = browser.open(ward.public.authorize_url(scope="launch/patient patient/Observation.rs", max_age="60"))
    page = browser.submit(page, {"action": "search", "name": "Berg"})
    assert title(browser.submit(page, press="B")) == GLASS
    ward.clock.forward(seconds=61)
    page = browser.open(browser.url)
    assert title(page) == "Sign in"
    page = browser.sign_in(page, "nurse", "nurse-password")
    assert title(page) == PICKER
    assert "Berg" not in page.text


def test_an_ehr_does_not_speak_for_the_people_of_another_hospital(world: World) -> None:
    """LA-02, REQ-69, decision 15: by their login name it would sign in at an app as any of them."""
    for user in ("alice", "doctor", "nobody"):
        record = {"client_id": "public", "fhir_server": OTHER_FHIR, "user": user}
        reply = world.other_ehr.post("/launch", record)
        assert (reply.status, reply.json()["error"]) == (400, "invalid_request")
        assert reply.json()["error_description"].startswith("user: no such person here"), "nor learn that they exist"
    with world.services.db.write() as session:
        doctor = world.services.users.by_name("doctor")
        assert doctor is not None
        world.services.users.link(session, doctor.sub, "other", "Practitioner/visiting")
    handle = str(world.other_ehr.launch("public", "doctor")["launch"])
    app = SmartApp(world.transport, "public", world.public.redirect_uri, OTHER_FHIR)
    granted = app.tokens(handle, "launch openid fhirUser user/*.rs")
    assert world.other_fhir_server.introspect(granted["access_token"])["sub"] == doctor.sub


@pytest.mark.parametrize("value", ["x|nothing at all. This is only a test", "lab results", "a\u3164b", "cafe\u0301"])
def test_an_app_writes_no_sentence_of_its_own_into_what_is_agreed_to(world: World, value: str) -> None:
    """LC-15, security.md 3.5: a value that has no words here is shown as a scope has it, which nobody reads as ours."""
    scope = f"launch/patient patient/Observation.rs?code={quote(value, safe='|')}"
    browser = world.browser()
    page = browser.sign_in(browser.open(world.public.authorize_url(scope=scope)), "alice", "alice-password")
    code = value.rpartition("|")[2]
    assert f"See measurements and results, only code {quote(code)} " in says(page)
    assert code not in says(page)


def test_whoever_else_is_signed_in_an_app_that_signs_its_user_out_is_out(world: World) -> None:
    """RP-Initiated Logout §2: the session in the browser is another's and goes on; the app's access does not."""
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope="openid"))
    browser.submit(browser.sign_in(page, "alice", "alice-password"), press="allow")
    handle = str(world.ehr.launch("public", "Practitioner/dr", patient="A", session="s-1")["launch"])
    doctors = world.public.tokens(handle, "launch openid patient/Observation.rs online_access")
    page = browser.open(f"{ISSUER}/logout?{urlencode({'id_token_hint': doctors['id_token']})}")
    assert "You are signed in as Alice" in says(page)
    assert world.fhir_server.introspect(doctors["access_token"]) == {"active": False}
    assert world.public.refresh(doctors["refresh_token"]).json()["error"] == "invalid_grant"
    assert browser.request("GET", f"{ISSUER}/my-apps").status == 200


def test_an_ehr_ends_no_session_of_this_server(world: World) -> None:
    """SMART REF-12: an app may tell an EHR the ``sid`` of a session at this server, which is none of the EHR's."""
    code = world.standalone(world.public, "openid launch/patient patient/Observation.rs", "alice")
    granted = world.public.redeem(code).json()
    sid = world.services.keyring.verify(granted["id_token"])["sid"]
    assert world.ehr.end_session(sid).status == 204
    assert world.fhir_server.introspect(granted["access_token"])["active"] is True
