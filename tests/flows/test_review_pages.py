"""An administrator looks at an app that registered itself, and decides."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import select

from authz.audit.model import AuditEventRow
from authz.outbound import Answer
from tests.actors import FORM, Browser, Forms
from tests.flows.test_administration import add_administrator, sign_in, signed_in
from tests.outside import FakeOutbound, Outside
from tests.world import ISSUER, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyotp import TOTP

    from tests.transport import Reply
    from tests.world import World

SITE = "https://growth.example"
APP = {
    "client_name": "Growth <Chart>",
    "token_endpoint_auth_method": "none",
    "redirect_uris": [f"{SITE}/cb"],
    "client_uri": SITE,
    "scope": "launch openid fhirUser user/Observation.rs user/Patient.r",
}
LIST = f"{ISSUER}/admin/registrations"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Outside there is nothing but the app's own page."""
    made = build(settings_in(tmp_path), FakeOutbound(Outside({SITE: Answer(200, {}, b"")})))
    with made.app.app_context():
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()


@pytest.fixture
def app(world: World) -> TOTP:
    return add_administrator(world)


@pytest.fixture
def ada(world: World, app: TOTP) -> Browser:
    return signed_in(world, app=app)


def register(world: World, **members: Any) -> str:
    """An app of somebody's, at the open door of the main FHIR server; its client id."""
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", {"registration": "open"})
    return register_at(world, ISSUER, **members)


def register_at(world: World, issuer: str, **members: Any) -> str:
    said = {name: value for name, value in {**APP, **members}.items() if value is not None}
    headers = {"Content-Type": "application/json"}
    url = f"{issuer}/fhir-servers/main/register"
    reply = world.transport.send("POST", url, headers, json.dumps(said).encode())
    assert reply.status == 201, reply.text
    client_id: str = reply.json()["client_id"]
    return client_id


def text(page: Reply) -> str:
    """What a person reads."""
    body = page.text.partition("<main>")[2].partition("</main>")[0]
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))).strip()


def form(page: Reply, action: str) -> dict[str, str]:
    """What the form with this button sends when nothing is touched."""
    (found,) = [part for part in page.text.split("<form")[1:] if f'value="{action}"' in part.partition("</form>")[0]]
    return dict(Forms(f"<form{found}").fields)


def act(browser: Browser, client_id: str, action: str, **changes: str | None) -> Reply:
    return act_on(browser.open(f"{LIST}/{client_id}"), browser, client_id, action, **changes)


def act_on(page: Reply, browser: Browser, client_id: str, action: str, **changes: str | None) -> Reply:
    sent = {**form(page, action), "action": action, **changes}
    body = urlencode({name: value for name, value in sent.items() if value is not None}).encode()
    return browser.follow(browser.request("POST", f"{LIST}/{client_id}", body, {"Content-Type": FORM}))


def problem(page: Reply) -> str:
    found = re.search(r'id="problem"><p>(.*?)</p>', page.text)
    return unescape(found.group(1)) if found else ""


def state(world: World, client_id: str) -> str:
    return world.services.registration.review.show(client_id).state.value


def decisions(world: World) -> list[tuple[str | None, str | None, Any]]:
    with world.services.db.read() as session:
        rows = session.scalars(select(AuditEventRow).where(AuditEventRow.event == "client.changed"))
        return [(row.reason, row.sub, row.detail.get("operator")) for row in rows if row.reason != "registered"]


def test_what_waits_for_a_decision_stands_first(world: World, ada: Browser) -> None:
    """Issue 4: waiting first, then the youngest; a filter for each state."""
    assert text(ada.open(LIST)).endswith("There are none.")
    first = register(world, client_name="First")
    world.clock.forward(seconds=1)
    register(world, client_name="Second")
    world.services.registration.review.request_production(first)
    page = text(ada.open(LIST))
    assert "all (2) waiting for you (1) test accounts only (1) waits for a decision (1)" in page
    assert page.index("First waits for a decision") < page.index("Second test accounts only")
    assert "First" not in text(ada.open(f"{LIST}?state=sandbox"))
    assert "Second" not in text(ada.open(f"{LIST}?state=waiting"))
    for odd in ("?state=nonsense", "?page=0", "?page=99999", "?page=%D9%A3"):
        assert ada.open(LIST + odd).status == 200


def test_everything_about_an_app_is_on_one_page_and_nothing_of_it_is_run(world: World, ada: Browser) -> None:
    """security.md RG-15: what a stranger wrote is text."""
    client_id = register(world)
    world.services.registration.checks.check(client_id)
    page = ada.open(f"{LIST}/{client_id}")
    read = text(page)
    assert "<Chart>" not in page.text
    for shown in (
        "Growth <Chart> test accounts only",
        "Kind of app for staff",
        f"Client id {client_id}",
        "by itself",
        "FHIR servers main",
        "warning policy_uri none is given: people can't read what becomes of their data",
        "ok redirect_uris all lead to the app's own site",
        "See measurements and results of every patient you may see user/Observation.rs",
        f"redirect_uris {SITE}/cb",
        "registered by vendor",
    ):
        assert shown in read
    assert "<script" not in page.text


def test_people_see_the_consent_page_before_they_approve(world: World, ada: Browser) -> None:
    client_id = register(world)
    page = ada.open(f"{LIST}/{client_id}/consent")
    assert (page.status, "Share health records with Growth" in page.text) == (200, True)
    assert f'href="/admin/registrations/{client_id}">Back</a>' in page.text


def test_an_app_is_approved(world: World, ada: Browser) -> None:
    """Issue 4: the same function as the command line; on the trail and in the history with the administrator's name."""
    client_id = register(world)
    page = act(ada, client_id, "approve", note="Welcome")
    assert (page.status, ada.url) == (200, f"{LIST}/{client_id}")
    assert "Growth <Chart> approved" in text(page)
    assert "approved by ada Welcome" in text(page)
    assert state(world, client_id) == "approved"
    user = world.services.users.by_name("ada")
    assert user is not None
    assert decisions(world) == [("approved", user.sub, "ada")]
    client = world.services.clients.find(client_id)
    assert client is not None
    assert (str(client.scope), client.user_types, client.fhir_servers) == (APP["scope"], frozenset(), ("main",))


def test_an_app_is_approved_for_less_than_it_asked(world: World, ada: Browser) -> None:
    """Approve with changes: scope, kinds of user, FHIR servers."""
    client_id = register(world)
    page = ada.open(f"{LIST}/{client_id}")
    fields = form(page, "approve")
    unticked = [
        name for name, value in fields.items() if value in {"user/Patient.r", "Patient", "RelatedPerson", "Person"}
    ]
    (other,) = re.findall(r'name="(fhir-server-\d)" value="other"', page.text)
    page = act_on(page, ada, client_id, "approve", **dict.fromkeys(unticked), **{other: "other"})
    assert problem(page) == ""
    client = world.services.clients.find(client_id)
    assert client is not None
    assert str(client.scope) == "launch openid fhirUser user/Observation.rs"
    assert client.user_types == {"Practitioner", "PractitionerRole"}
    assert client.fhir_servers == ("main", "other")
    assert "user/Patient.r launch openid fhirUser user/Observation.rs" in text(page)


@pytest.mark.parametrize("kind", ["scope", "user-type", "fhir-server"])
def test_nothing_ticked_is_not_everything(world: World, ada: Browser, kind: str) -> None:
    """An empty list of FHIR servers or kinds of user would mean all of them."""
    client_id = register(world)
    page = ada.open(f"{LIST}/{client_id}")
    none = {name: None for name in form(page, "approve") if name.startswith(kind)}
    page = act_on(page, ada, client_id, "approve", **none)
    assert page.status == 400
    assert problem(page) == "Leave at least one scope, one kind of user and one FHIR server. Nothing was decided."
    assert state(world, client_id) == "sandbox"


def test_more_than_was_asked_can_not_be_approved(world: World, ada: Browser) -> None:
    """security.md LC-10, RG-06."""
    client_id = register(world)
    page = act(ada, client_id, "approve", **{"scope-9": "system/*.cruds"})
    assert (page.status, problem(page)) == (400, "scope: an approval can narrow what was asked for, not widen it")
    assert state(world, client_id) == "sandbox"


@pytest.mark.parametrize(("action", "becomes"), [("decline", "declined"), ("hold", "held")])
def test_no_needs_a_reason_that_the_vendor_reads(world: World, ada: Browser, action: str, becomes: str) -> None:
    client_id = register(world)
    page = act(ada, client_id, action, note=" ")
    assert page.status == 400
    assert "say why" in problem(page)
    page = act(ada, client_id, action, note="Your privacy policy is missing")
    assert f"{becomes} by ada Your privacy policy is missing" in text(page)
    assert state(world, client_id) == becomes
    assert [(reason, operator) for reason, _, operator in decisions(world)] == [(becomes, "ada")]


def test_of_two_administrators_at_once_the_second_is_told(world: World, ada: Browser) -> None:
    """Issue 4: a decision is about what was looked at."""
    client_id = register(world)
    bob = signed_in(world, "bob")
    seen_by_bob = bob.open(f"{LIST}/{client_id}")
    act(ada, client_id, "decline", note="Not this one")
    page = act_on(seen_by_bob, bob, client_id, "approve")
    assert (page.status, problem(page)) == (
        409,
        f"{client_id}: declined by administrator:ada meanwhile; look at it again",
    )
    assert "declined by ada Not this one" in text(page)
    assert state(world, client_id) == "declined"
    assert act_on(page, bob, client_id, "approve").status == 200
    assert state(world, client_id) == "approved"


def test_an_app_that_its_vendor_changed_meanwhile_is_not_approved_unseen(world: World, ada: Browser) -> None:
    client_id = register(world)
    page = ada.open(f"{LIST}/{client_id}")
    world.services.registration.review.request_production(client_id, "please")
    assert act_on(page, ada, client_id, "approve").status == 409
    assert state(world, client_id) == "requested"


def test_a_reviewer_reads_what_was_decided_before_about_an_app_like_it(world: World, ada: Browser) -> None:
    """RG-15: who decided, when and why."""
    first = register(world)
    act(ada, first, "decline", note="It sells what it reads")
    page = ada.open(f"{LIST}/{register(world)}")
    on = world.clock().date().isoformat()
    assert f"Growth <Chart> {first} : declined by ada on {on} It sells what it reads" in text(page)
    assert state(world, first) == "declined"


def proposed(world: World) -> str:
    client_id = register(world)
    review = world.services.registration.proposals.review
    members = review.show(client_id).metadata | {"redirect_uris": [f"{SITE}/cb", f"{SITE}/new"]}
    world.services.registration.proposals.propose(client_id, members)
    return client_id


def test_a_proposed_change_is_shown_before_and_after_and_applied(world: World, ada: Browser) -> None:
    client_id = proposed(world)
    assert "change proposed" in text(ada.open(f"{LIST}?state=waiting"))
    page = ada.open(f"{LIST}/{client_id}")
    assert f"redirect_uris {SITE}/cb {SITE}/cb {SITE}/new" in text(page)
    page = act_on(page, ada, client_id, "apply")
    assert "The vendor proposes a change" not in text(page)
    client = world.services.clients.find(client_id)
    assert client is not None
    assert client.redirect_uris == (f"{SITE}/cb", f"{SITE}/new")


def test_a_proposed_change_is_refused_with_a_reason(world: World, ada: Browser) -> None:
    client_id = proposed(world)
    assert "say why" in problem(act(ada, client_id, "refuse"))
    page = act(ada, client_id, "refuse", note="Not that address")
    assert "change refused by ada Not that address" in text(page)
    assert act(ada, client_id, "approve").status == 200


def test_a_decision_needs_a_code_given_lately(world: World, ada: Browser, app: TOTP) -> None:
    """Re-authentication: whoever finds the screen open can read, and decides nothing."""
    client_id = register(world)
    for _ in range(2):
        world.clock.forward(minutes=10)
        page = ada.open(f"{LIST}/{client_id}")
    assert 'autocomplete="one-time-code"' in page.text
    for code in ("", "000000"):
        page = act(ada, client_id, "approve", code=code)
        assert (page.status, problem(page)) == (
            400,
            "The code is not right, or it was used before. Nothing was decided.",
        )
    assert act(ada, client_id, "approve", code=app.at(world.clock())).status == 200
    assert state(world, client_id) == "approved"
    page = act(ada, client_id, "hold", note="Wait")
    assert (page.status, problem(page), state(world, client_id)) == (200, "", "held")


def test_checks_are_asked_for_once_a_minute(world: World, ada: Browser) -> None:
    client_id = register(world)
    assert "Not checked yet." in text(ada.open(f"{LIST}/{client_id}"))
    assert act(ada, client_id, "check").status == 200
    assert world.services.registration.checks.check_due() == 1
    assert "Checked 20" in text(ada.open(f"{LIST}/{client_id}"))
    page = act(ada, client_id, "check")
    assert (page.status, page.header("retry-after")) == (429, "60")


@pytest.mark.parametrize("change", [{"form_token": "0" * 64}, {"form_token": None}, {"seen": "x"}, {"seen": "9" * 30}])
def test_a_form_that_is_not_ours_decides_nothing(world: World, ada: Browser, change: dict[str, str | None]) -> None:
    """security.md LC-11."""
    client_id = register(world)
    assert act(ada, client_id, "approve", **change).status in {400, 403}
    assert state(world, client_id) == "sandbox"


def test_whoever_is_not_an_administrator_sees_and_decides_nothing(world: World, ada: Browser) -> None:
    client_id = register(world)
    page = ada.open(f"{LIST}/{client_id}")
    sent = urlencode({**form(page, "approve"), "action": "approve"}).encode()
    for browser in (world.browser(), signed_in_as_user(world)):
        for path in (LIST, f"{LIST}/{client_id}", f"{LIST}/{client_id}/consent", f"{LIST}/nobody"):
            reply = browser.request("GET", path)
            assert (reply.status, reply.location, reply.body) == (303, f"{ISSUER}/admin/sign-in", b"")
        reply = browser.request("POST", f"{LIST}/{client_id}", sent, {"Content-Type": FORM})
        assert reply.status == 303
    assert state(world, client_id) == "sandbox"


def signed_in_as_user(world: World) -> Browser:
    browser = world.browser()
    sign_in(browser, "alice", "alice-password", "")
    return browser


def test_an_app_that_there_is_not_has_no_page(ada: Browser) -> None:
    assert ada.open(f"{LIST}/public").status == 404
    assert ada.open(f"{LIST}/nobody").status == 404
