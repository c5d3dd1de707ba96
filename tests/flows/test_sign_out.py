"""Signing out: asked for by an app, or by the person on a page of ours (OpenID Connect RP-Initiated Logout)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import func, select

from authz.audit.model import AuditEventRow
from authz.users.model import BrowserSessionRow
from tests.actors import FORM, Browser
from tests.world import ISSUER

if TYPE_CHECKING:
    from tests.transport import Reply
    from tests.world import World

AFTER = "https://app.example/signed-out"
ALONE = "launch/patient patient/*.rs openid"


@dataclass
class Person:
    """Alice with her browser, who has opened the public app from outside."""

    world: World
    browser: Browser
    tokens: dict[str, Any]

    def logout(self, **parameters: str) -> Reply:
        return self.browser.open(f"{ISSUER}/logout?{urlencode(parameters)}")

    @property
    def is_signed_in(self) -> bool:
        """Whether an app that asks nobody gets a code."""
        url = self.world.public.authorize_url(scope="openid", prompt="none")
        answer = self.browser.open(url).location_parameters
        assert "code" in answer or answer["error"] in {"login_required", "consent_required"}, answer
        return answer.get("error") != "login_required"

    @property
    def app_has_access(self) -> bool:
        return self.world.fhir_server.introspect(self.tokens["access_token"]) != {"active": False}


def open_app(world: World, scope: str = f"{ALONE} online_access", user: str = "alice") -> Person:
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope=scope))
    page = browser.sign_in(page, user, f"{user}-password")
    if page.status == 200:  # else the person agreed before
        page = browser.submit(page, press="allow")
    tokens = world.public.redeem(page.location_parameters["code"]).json()
    return Person(world, browser, tokens)


@pytest.fixture
def alice(world: World) -> Person:
    with world.services.db.write() as session:
        world.services.clients.update(session, "public", {"post_logout_redirect_uris": [AFTER, f"{AFTER}?x=1"]}, {})
    return open_app(world)


def shows(reply: Reply, title: str) -> bool:
    return f"<h1>{title}</h1>" in reply.text


def test_an_app_signs_its_user_out_and_gets_them_back(alice: Person) -> None:
    """RP-Initiated Logout §2, §3; REF-12, SCP-33, decision 3: no question, as the hint is of this very session."""
    assert (alice.is_signed_in, alice.app_has_access) == (True, True)
    reply = alice.logout(id_token_hint=alice.tokens["id_token"], post_logout_redirect_uri=AFTER, state="a&b c")
    assert (reply.status, reply.location) == (303, f"{AFTER}?state=a%26b+c")
    assert (alice.is_signed_in, alice.app_has_access) == (False, False)
    refreshed = alice.world.public.refresh(alice.tokens["refresh_token"])
    assert (refreshed.status, refreshed.json()["error"]) == (400, "invalid_grant")
    assert "authz_session" not in alice.browser.cookies


@pytest.mark.parametrize(
    ("wanted", "state", "location"),
    [(AFTER, None, AFTER), (f"{AFTER}?x=1", "s", f"{AFTER}?x=1&state=s"), (f"{AFTER}?x=1", None, f"{AFTER}?x=1")],
)
def test_the_registered_address_is_kept_as_it_is(alice: Person, wanted: str, state: str | None, location: str) -> None:
    """RP-Initiated Logout §3: its own query stays, ``state`` only if sent."""
    more = {} if state is None else {"state": state}
    reply = alice.logout(id_token_hint=alice.tokens["id_token"], post_logout_redirect_uri=wanted, **more)
    assert (reply.status, reply.location) == (303, location)


def test_offline_access_outlives_the_sign_out(world: World) -> None:
    """oauth.md Part 26, SMART SCP-33: that is what it is for."""
    offline, online = open_app(world, f"{ALONE} offline_access"), open_app(world, f"{ALONE} online_access")
    for person in (offline, online):
        assert shows(person.logout(id_token_hint=person.tokens["id_token"]), "You are signed out")
    assert (offline.app_has_access, online.app_has_access) == (True, False)
    assert world.public.refresh(offline.tokens["refresh_token"]).status == 200


def test_an_app_of_an_ehr_launch_ends_its_own_access_and_nobody_elses(world: World, alice: Person) -> None:
    """RP-Initiated Logout §2 without a session here (decision 14): the EHR's session goes on, with its other apps."""
    apps = [world.public, world.confidential]
    ids = ("public", "confidential")
    launches = [world.ehr.launch(name, "Practitioner/dr", patient="A", session="shift")["launch"] for name in ids]
    first, second = (
        app.tokens(str(launch), "launch openid patient/*.rs online_access")
        for app, launch in zip(apps, launches, strict=True)
    )
    stranger = world.browser()
    query = urlencode({"id_token_hint": first["id_token"], "post_logout_redirect_uri": AFTER})
    reply = stranger.open(f"{ISSUER}/logout?{query}")
    assert (reply.status, reply.location) == (303, AFTER)
    assert world.fhir_server.introspect(first["access_token"]) == {"active": False}
    assert world.fhir_server.introspect(second["access_token"])["active"] is True
    assert world.confidential.refresh(second["refresh_token"]).status == 200
    assert (alice.is_signed_in, alice.app_has_access) == (True, True)


def test_an_expired_hint_is_good_enough(alice: Person) -> None:
    """RP-Initiated Logout §2: an app may keep the id_token longer than it lives."""
    alice.world.clock.forward(hours=2)
    reply = alice.logout(id_token_hint=alice.tokens["id_token"], post_logout_redirect_uri=AFTER)
    assert (reply.status, reply.location) == (303, AFTER)


def test_who_has_signed_out_already_is_sent_on(alice: Person) -> None:
    """oauth.md Part 26: not an error."""
    for _ in range(2):
        reply = alice.logout(id_token_hint=alice.tokens["id_token"], post_logout_redirect_uri=AFTER)
        assert (reply.status, reply.location) == (303, AFTER)
    assert shows(alice.logout(), "You are signed out")


def test_an_app_that_nobody_has_approved_sends_nobody_anywhere(alice: Person) -> None:
    """RFC 9700 §4.11.2, AZ-61: only whoever it signed in itself comes back to it; everybody else stays on our page."""
    with alice.world.services.db.write() as session:
        alice.world.services.clients.update(session, "public", {}, {"approved": False})
    hint = {"id_token_hint": alice.tokens["id_token"], "post_logout_redirect_uri": AFTER}
    stranger = Person(alice.world, alice.world.browser(), {})
    assert shows(stranger.logout(**hint), "You are signed out")
    assert alice.logout(**hint).location == AFTER
    assert shows(alice.logout(**hint), "You are signed out")


def test_without_a_hint_the_person_is_asked(alice: Person) -> None:
    """RP-Initiated Logout §2 (MUST ask), LO-01: and is nobody's to send away."""
    page = alice.logout(client_id="public", post_logout_redirect_uri=AFTER, state="s")
    assert (page.status, shows(page, "Sign out?")) == (200, True)
    assert "Alice" in page.text
    assert "Public App asks to sign you out" in page.text
    assert alice.is_signed_in
    done = alice.browser.submit(page, press="sign_out")
    assert (done.status, shows(done, "You are signed out")) == (200, True)
    assert (alice.is_signed_in, alice.app_has_access) == (False, False)


def test_whoever_wants_to_stay_stays(alice: Person) -> None:
    page = alice.browser.submit(alice.logout(), press="stay")
    assert shows(page, "You are still signed in")
    assert (alice.is_signed_in, alice.app_has_access) == (True, True)


@pytest.mark.parametrize("parameters", [{}, {"state": "x"}, {"ui_locales": "tlh", "logout_hint": "alice"}])
def test_nothing_is_sent_anywhere_without_a_hint(alice: Person, parameters: dict[str, str]) -> None:
    """LO-01."""
    page = alice.logout(**parameters)
    assert (page.status, shows(page, "Sign out?")) == (200, True)
    assert alice.is_signed_in


@pytest.mark.parametrize(
    "wanted",
    [
        f"{AFTER}?foo=bar",
        f"{AFTER}/",
        "https://evil.example/",
        "javascript:alert(1)",
        "https://app.example/cb",
        AFTER[:-1],
    ],
)
@pytest.mark.parametrize("with_hint", [True, False])
def test_an_address_that_is_not_registered_ends_on_our_page(alice: Person, wanted: str, *, with_hint: bool) -> None:
    """LO-02, RP-Initiated Logout §3: exactly as registered; nobody is signed out by a faulty request."""
    who = {"id_token_hint": alice.tokens["id_token"]} if with_hint else {"client_id": "public"}
    page = alice.logout(post_logout_redirect_uri=wanted, **who)
    assert (page.status, page.header("location")) == (400, None)
    assert "post_logout_redirect_uri is not registered" in page.text
    assert (alice.is_signed_in, alice.app_has_access) == (True, True)


def forged(alice: Person, kind: str) -> str:
    head, body, signature = str(alice.tokens["id_token"]).split(".")
    keyring = alice.world.services.keyring
    claims = keyring.verify(alice.tokens["id_token"])
    made = {
        "signature": f"{head}.{body}.{'A' * len(signature)}",
        "none": f"eyJhbGciOiJub25lIn0.{body}.",
        "issuer": keyring.sign({**claims, "iss": "https://other.example"}),
        "audience": keyring.sign({**claims, "aud": ["public"]}),
        "logout token": keyring.sign(claims, "logout+jwt"),
        "access token": str(alice.tokens["access_token"]),
    }
    return made.get(kind, kind)


@pytest.mark.parametrize(
    "kind", ["signature", "none", "issuer", "audience", "logout token", "access token", "x", "a.b.c"]
)
def test_a_hint_that_is_no_id_token_of_ours_does_nothing(alice: Person, kind: str) -> None:
    """LO-03, oauth.md trap 32: no redirect and no silent sign-out."""
    page = alice.logout(id_token_hint=forged(alice, kind), post_logout_redirect_uri=AFTER)
    assert (page.status, page.header("location")) == (400, None)
    assert alice.is_signed_in


def test_a_hint_about_somebody_else_asks_who_is_here(world: World, alice: Person) -> None:
    """LO-03, RP-Initiated Logout §2: signed, but of another session; the person decides, then goes back."""
    other = open_app(world, user="alice")
    page = alice.logout(id_token_hint=other.tokens["id_token"], post_logout_redirect_uri=AFTER)
    assert (page.status, shows(page, "Sign out?")) == (200, True)
    assert (alice.is_signed_in, other.is_signed_in) == (True, True)
    done = alice.browser.submit(page, press="sign_out")
    assert (done.status, done.location) == (303, AFTER)
    assert (alice.is_signed_in, other.is_signed_in) == (False, True)
    assert "form-action 'self' https://app.example;" in (page.header("content-security-policy") or "")


def test_client_and_hint_must_agree(alice: Person) -> None:
    """RP-Initiated Logout §2."""
    page = alice.logout(id_token_hint=alice.tokens["id_token"], client_id="confidential")
    assert (page.status, alice.is_signed_in) == (400, True)
    page = alice.logout(id_token_hint=alice.tokens["id_token"], client_id="public")
    assert (page.status, alice.is_signed_in) == (200, False)


def test_an_app_may_post_its_request(alice: Person) -> None:
    """RP-Initiated Logout §2: another site's form comes without our cookies, the visit after it with them."""
    form = {"id_token_hint": alice.tokens["id_token"], "post_logout_redirect_uri": AFTER, "state": "s"}
    posted = alice.world.transport.send("POST", f"{ISSUER}/logout", {"Content-Type": FORM}, urlencode(form).encode())
    assert posted.status == 303
    assert alice.tokens["id_token"] not in posted.location
    assert alice.app_has_access
    assert alice.browser.open(posted.location).location == f"{AFTER}?state=s"
    assert not alice.is_signed_in
    assert alice.browser.open(posted.location).status == 400


def test_the_answer_counts_once_and_in_the_session_that_was_asked(world: World, alice: Person) -> None:
    """security.md LC-26: the page's handle is its CSRF token."""
    page = alice.logout()
    handle = re.search(r'name="logout" value="([^"]+)"', page.text)
    assert handle
    other = open_app(world)
    body = urlencode({"logout": handle[1], "action": "sign_out"}).encode()
    stolen = other.browser.request("POST", f"{ISSUER}/logout", body, {"Content-Type": FORM})
    assert (stolen.status, other.is_signed_in, alice.is_signed_in) == (400, True, True)
    again = alice.browser.request("POST", f"{ISSUER}/logout", body, {"Content-Type": FORM})
    assert (again.status, alice.is_signed_in) == (400, True)


def test_every_page_of_a_signed_in_person_has_a_way_out(world: World, alice: Person) -> None:
    """Issue item 13: consent, whose records, an error; not the sign-in of a stranger, nor a page in the EHR's frame."""
    link = 'href="/logout"'
    browser = alice.browser
    assert link in browser.open(world.public.authorize_url(scope=ALONE, prompt="consent")).text
    assert link in browser.open(f"{ISSUER}/authorize?client_id=nobody").text
    parent = world.browser()
    page = parent.open(world.public.authorize_url(scope=ALONE))
    assert link not in page.text
    page = parent.sign_in(page, "parent", "parent-password")
    assert shows(page, "Whose records should Public App open?")
    assert link in page.text
    framed = str(world.ehr.launch("public", "Patient/A", patient="A")["launch"])
    page = browser.open(world.public.authorize_url(launch=framed, scope="launch patient/*.rs"))
    assert "Share health records" in page.text
    assert link not in page.text


def test_a_page_left_open_is_of_no_use_after_the_sign_out(alice: Person) -> None:
    """LC-09, TK-31: the consent page of before neither gives a code nor shows whose it was."""
    world, browser = alice.world, alice.browser
    page = browser.open(world.public.authorize_url(scope=ALONE, prompt="consent"))
    alice.logout(id_token_hint=alice.tokens["id_token"])
    reply = browser.submit(page, press="allow")
    assert (reply.status, reply.header("location")) == (403, None)


def test_a_code_of_before_the_sign_out_buys_nothing(world: World, alice: Person) -> None:
    """TK-21 "user logged out"."""
    page = alice.browser.open(world.public.authorize_url(scope=f"{ALONE} online_access"))
    code = page.location_parameters["code"]
    alice.logout(id_token_hint=alice.tokens["id_token"])
    reply = world.public.redeem(code)
    assert (reply.status, reply.json()["error"]) == (400, "invalid_grant")


def test_a_cookie_of_before_is_nobody_even_with_the_store_of_before(world: World, alice: Person) -> None:
    """LO-05, decision 3: that the session ended is a row."""
    cookie = alice.browser.cookies["authz_session"]
    record = world.services.signing_in.sessions.records.peek(cookie)
    assert record is not None
    alice.logout(id_token_hint=alice.tokens["id_token"])
    world.services.signing_in.sessions.records.replace(cookie, record, 3600)
    alice.browser.cookies["authz_session"] = cookie
    assert not alice.is_signed_in


def test_somebody_else_at_the_same_browser_ends_the_session_before(world: World, alice: Person) -> None:
    """REF-12, ASVS 7.4: whoever signs in next does not carry on what the one before has left."""
    page = alice.browser.open(world.public.authorize_url(scope=ALONE, prompt="login"))
    alice.browser.sign_in(page, "doctor", "doctor-password")
    assert not alice.app_has_access


def test_the_same_person_signing_in_again_loses_nothing(world: World, alice: Person) -> None:
    """OpenID Connect Core §3.1.2.1: ``prompt=login`` of one app is no sign-out for another."""
    page = alice.browser.open(world.public.authorize_url(scope=ALONE, prompt="login"))
    page = alice.browser.sign_in(page, "alice", "alice-password")
    assert alice.app_has_access
    assert world.public.refresh(alice.tokens["refresh_token"]).status == 200
    reply = alice.logout(id_token_hint=alice.tokens["id_token"])
    assert shows(reply, "You are signed out")


def test_the_sign_out_stands_on_the_trail(world: World, alice: Person) -> None:
    """security.md 4.1: logout, session killed; once, and about whom."""
    for _ in range(2):
        alice.logout(id_token_hint=alice.tokens["id_token"])
    with world.services.db.read() as session:
        events = session.execute(
            select(AuditEventRow.reason, AuditEventRow.sub, AuditEventRow.outcome).where(
                AuditEventRow.event == "logout"
            )
        ).all()
        ended = session.scalar(
            select(func.count()).select_from(BrowserSessionRow).where(BrowserSessionRow.ended_at.is_not(None))
        )
    claims = world.services.keyring.verify(alice.tokens["id_token"])
    assert [tuple(event) for event in events] == [("app", claims["sub"], "success")]
    assert ended == 1


def test_malformed_requests_get_a_page(alice: Person) -> None:
    """The gate as everywhere: twice the same parameter, control characters, an unknown handle."""
    for query in ("state=a&state=b", "state=%00", "request=unknown", "id_token_hint=" + "x" * 20_000):
        page = alice.browser.open(f"{ISSUER}/logout?{query}")
        assert (page.status, page.header("content-type")) == (400, "text/html; charset=utf-8")
    assert alice.is_signed_in
