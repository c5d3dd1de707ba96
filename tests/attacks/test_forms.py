"""Every form of ours, sent from another site: with the victim's cookies, and without what only our own page has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from sqlalchemy import select

from authz.storage.database import Base
from tests.actors import FORM, Browser, Forms
from tests.developers.maker import Maker
from tests.flows.test_administration import signed_in as as_administrator
from tests.my_apps.test_story import LINK, open_app
from tests.my_apps.test_story import signed_in as at_my_apps
from tests.world import ISSUER

if TYPE_CHECKING:
    from tests.transport import Reply
    from tests.world import World

FOR_PROGRAMS = frozenset(
    {
        "/token",
        "/introspect",
        "/revoke",
        "/userinfo",
        "/register",
        "/fhir-servers/<name>/register",
        "/launch",
        "/ehr-session/end",
        "/ehr-session/touch",
        "/web-messaging/introspect",
        "/web-messaging/revoke",
        "/back-channel-logout/<name>",
        "/forward-auth/<name>",
        "/forward-auth/<name>/<path:original>",
        "/self-test",
    }
)
BEGINS = frozenset({"/authorize", "/logout"})  # an app's request, which may come from anywhere and decides nothing
FORMS = {  # what a form brings that only the page before it has
    "/login": "interaction",
    "/consent": "interaction",
    "/select-patient": "interaction",
    "/select-encounter": "interaction",
    "/break-glass": "interaction",
    "/sign-in": "interaction",
    "/my-apps/<key>/stop": "form",
    "/my-apps/sessions": "form",
    "/developers/register": "csrf",
    "/developers/sign-in": "csrf",
    "/developers/sign-out": "csrf",
    "/developers/app/change": "csrf",
    "/developers/app/change/take-back": "csrf",
    "/developers/app/checks": "csrf",
    "/developers/app/delete": "csrf",
    "/developers/app/keys": "csrf",
    "/developers/app/launch": "csrf",
    "/developers/app/production": "csrf",
    "/developers/app/secret": "csrf",
    "/admin/sign-in": "form_token",
    "/admin/sign-out": "form_token",
    "/admin/registrations/<client_id>": "form_token",
}
MORE = {"action": "approve", "end": "all", "client_id": "x", "username": "mallory", "password": "mallory-password"}
TOKEN = re.compile(r'name="(interaction|form|csrf|form_token)" value="([^"]+)"')
UNTOUCHED = frozenset({"audit_event", "hot_epoch"})


def test_every_address_that_takes_a_form_is_tried_here(world: World) -> None:
    """security.md LC-11: a new form is in the table above, or its test is missing."""
    taking = {rule.rule for rule in world.app.url_map.iter_rules() if "POST" in (rule.methods or ())}
    assert taking == FOR_PROGRAMS | BEGINS | FORMS.keys()


class Everybody:
    """One browser in which somebody is everything at once: patient, maker of an app, administrator."""

    def __init__(self, world: World, patient: str, administrator: str) -> None:
        self.tokens: dict[str, set[str]] = {name: set() for name in FORMS.values()}
        if patient == "alice":
            open_app(world)
        own = at_my_apps(world, patient)
        listed = own.request("GET", f"{ISSUER}/my-apps")
        self.key = (LINK.findall(listed.text) or ["/my-apps/" + "0" * 32])[0].rpartition("/")[2]
        maker = Maker(world)
        maker.register("patient-web", client_name=f"Diary of {patient}")
        maker.sign_in(maker.client_id, maker.credentials["registration_access_token"])
        admin = as_administrator(world, administrator)
        cookies = own.cookies | maker.browser.cookies | admin.cookies
        self.browser = Browser(world.transport, cookies=cookies)
        self.client_id = maker.client_id
        self.open(
            "/my-apps/sessions",
            "/developers/app",
            "/developers/sign-in",
            "/developers/register",
            "/admin/registrations",
        )
        self.open(f"/admin/registrations/{self.client_id}")
        page = self.browser.open(world.public.authorize_url(scope="openid launch/patient patient/*.rs", prompt="login"))
        self.collect(page)

    def open(self, *paths: str) -> None:
        for path in paths:
            self.collect(self.browser.open(ISSUER + path))

    def collect(self, page: Reply) -> None:
        for name, value in TOKEN.findall(page.text):
            self.tokens[name].add(value)

    def address(self, rule: str) -> str:
        return ISSUER + rule.replace("<key>", self.key).replace("<client_id>", self.client_id)


def contents(world: World) -> dict[str, set[tuple[object, ...]]]:
    """Every row of every table, but for the trail."""
    with world.services.db.read() as session:
        tables = [table for table in Base.metadata.tables.values() if table.name not in UNTOUCHED]
        return {table.name: {tuple(map(repr, row)) for row in session.execute(select(table))} for table in tables}


@pytest.fixture
def victim(world: World) -> Everybody:
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", {"registration": "open"})
    return Everybody(world, "alice", "ada")


def test_no_form_is_taken_from_another_site(world: World, victim: Everybody) -> None:
    """LC-11, LC-09: nothing, made up, of another browser, of another page of ours; nothing is changed by it."""
    attacker = Everybody(world, "doctor", "mallory")
    assert all(victim.tokens.values())
    assert all(attacker.tokens.values())
    before = contents(world)
    for rule, name in FORMS.items():
        elsewhere = {value for other, values in victim.tokens.items() if other != name for value in values}
        for token in (None, "", "x" * 43, "x" * 64, *attacker.tokens[name], *elsewhere):
            sent = MORE | ({} if token is None else {name: token})
            headers = {"Content-Type": FORM, "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
            reply = victim.browser.request("POST", victim.address(rule), urlencode(sent).encode(), headers)
            assert reply.status in {400, 403}, (rule, token, reply)
            assert "out of date" in reply.text, (rule, token, reply.text)
            assert reply.header("location") is None
    after = contents(world)
    assert {name for name in before if before[name] != after[name]} == set()
    for path in ("/my-apps/sessions", "/developers/app", "/admin/registrations"):
        assert victim.browser.request("GET", ISSUER + path).status == 200, path


def test_the_same_form_from_our_own_page_is_taken(world: World, victim: Everybody) -> None:
    """The other half of LC-11: what was refused above was refused for its token."""
    page = victim.browser.open(f"{ISSUER}/developers/app")
    assert 'name="csrf"' in page.text
    assert victim.browser.submit(page, to="/developers/app/checks").status in {200, 429}
    page = victim.browser.open(f"{ISSUER}/my-apps/{victim.key}/stop")
    assert Forms(page.text, "/stop").action == f"/my-apps/{victim.key}/stop"
    assert victim.browser.submit(page, to="/stop").status == 200
    assert world.public.client_id not in victim.browser.open(f"{ISSUER}/my-apps").text
    page = victim.browser.open(f"{ISSUER}/admin/registrations")
    assert victim.browser.submit(page, to="/admin/sign-out").status == 200
    assert victim.browser.request("GET", f"{ISSUER}/admin/registrations").status == 303


def test_a_sign_out_from_another_site_is_only_asked_for(world: World, victim: Everybody) -> None:
    """LC-11: OpenID Connect RP-Initiated Logout lets any site ask; the person decides."""
    for sent in ({}, {"action": "sign_out"}, {"logout": "x" * 43, "action": "sign_out"}):
        victim.browser.request("POST", f"{ISSUER}/logout", urlencode(sent).encode(), {"Content-Type": FORM})
    assert victim.browser.request("GET", f"{ISSUER}/my-apps").status == 200
