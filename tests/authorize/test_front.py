"""The authorization endpoint as apps and browsers meet it: who signs in when, who is asked, what is on the trail."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from authz.audit.model import AuditEventRow
from authz.audit.order import ORDER
from authz.tokens.model import GrantRow
from authz.tokens.store import OWN_CLIENT_ID
from tests.actors import Browser, SmartApp, challenge, new_verifier
from tests.world import APP, ISSUER, OTHER_FHIR

if TYPE_CHECKING:
    from tests.transport import Reply
    from tests.world import World

ALONE = "launch/patient openid fhirUser patient/Observation.rs"
LAUNCH = "launch openid fhirUser patient/*.rs"


def trail(world: World, *names: str) -> list[AuditEventRow]:
    with world.services.db.read() as session:
        rows = session.scalars(select(AuditEventRow).order_by(*ORDER)).all()
    return [row for row in rows if not names or row.event in names]


def grants(world: World) -> list[GrantRow]:
    """Those of apps: a page that names its patient has one of this server's own."""
    with world.services.db.read() as session:
        return list(session.scalars(select(GrantRow).where(GrantRow.client_id != OWN_CLIENT_ID)))


def make_launch(world: World, app: str = "public", **more: Any) -> str:
    return str(world.ehr.launch(app, "Practitioner/dr", **{"patient": "A", **more})["launch"])


def signed_in(world: World, name: str = "alice") -> Browser:
    """A browser in which somebody has signed in and agreed once."""
    browser = world.browser()
    page = browser.sign_in(browser.open(world.public.authorize_url(scope=ALONE)), name, f"{name}-password")
    assert "code" in browser.submit(page, press="allow").location_parameters
    return browser


def ask(world: World, browser: Browser, **changes: str | None) -> Reply:
    return browser.open(world.public.authorize_url(**{"scope": ALONE, **changes}))


def told(reply: Reply) -> str:
    """The error that the app is told."""
    parameters = reply.location_parameters
    assert parameters["iss"] == ISSUER
    return parameters["error"]


def claims(world: World, reply: Reply) -> dict[str, Any]:
    tokens = world.public.redeem(reply.location_parameters["code"]).json()
    return world.services.keyring.verify(tokens["id_token"])


# --- OpenID Connect: when to sign in, when to ask


def test_whoever_has_signed_in_and_agreed_is_not_asked_again(world: World) -> None:
    browser = signed_in(world)
    assert set(ask(world, browser).location_parameters) == {"code", "state", "iss"}
    assert set(ask(world, browser, prompt="none").location_parameters) == {"code", "state", "iss"}


def test_with_prompt_none_nobody_sees_a_page(world: World) -> None:
    """OIDC Core §3.1.2.6, security.md AZ-58, AZ-59; ERR-07."""
    assert told(ask(world, world.browser(), prompt="none")) == "login_required"
    browser = signed_in(world)
    wider = f"{ALONE} patient/Condition.rs"
    assert told(ask(world, browser, prompt="none", scope=wider)) == "consent_required"
    world.clock.forward(seconds=100)
    assert told(ask(world, browser, prompt="none", max_age="99")) == "login_required"
    assert "code" in ask(world, browser, prompt="none", max_age="100").location_parameters


def test_an_app_may_say_once_for_all_how_old_a_sign_in_may_be(world: World) -> None:
    """OpenID Connect Registration §2 ``default_max_age``, ``require_auth_time``; a request that says it says better."""
    with world.services.db.write() as session:
        preferences = {"default_max_age": 99, "require_auth_time": True}
        world.services.clients.update(session, "public", preferences, {})
    browser = signed_in(world)
    world.clock.forward(seconds=100)
    assert told(ask(world, browser, prompt="none")) == "login_required"
    reply = ask(world, browser, prompt="none", max_age="100")
    assert claims(world, reply)["auth_time"] == int(world.clock().timestamp()) - 100


def test_with_prompt_none_a_patient_can_not_be_chosen(world: World) -> None:
    """oauth.md 23.1; ERR-07."""
    browser = world.browser()
    browser.sign_in(ask(world, browser), "parent", "parent-password")
    assert told(ask(world, browser, prompt="none")) == "interaction_required"


@pytest.mark.parametrize(
    "changes", [{"prompt": "login"}, {"prompt": "select_account"}, {"max_age": "0"}, {"max_age": "5"}]
)
def test_a_new_sign_in_is_demanded_once_and_told(world: World, changes: dict[str, str]) -> None:
    """security.md AZ-62, AZ-63: the session is too old; ``auth_time`` moves forward, and the way back does not loop."""
    browser = signed_in(world)
    world.clock.forward(seconds=60)
    page = ask(world, browser, **changes)
    assert 'name="password"' in page.text
    reply = browser.sign_in(page, "alice", "alice-password")
    assert claims(world, reply)["auth_time"] == int(world.clock().timestamp())


def test_prompt_consent_asks_although_it_is_remembered(world: World) -> None:
    browser = signed_in(world)
    page = ask(world, browser, prompt="consent")
    assert (page.status, "Allow" in page.text) == (200, True)
    assert "code" in browser.submit(page, press="allow").location_parameters


def test_nobody_else_than_the_app_asked_for_gets_a_code(world: World) -> None:
    """oauth.md 23.1: ``id_token_hint`` and ``claims`` name a person."""
    alice = signed_in(world)
    hint = world.public.redeem(ask(world, alice).location_parameters["code"]).json()["id_token"]
    assert "code" in ask(world, alice, id_token_hint=hint).location_parameters
    parent = world.browser()
    page = parent.sign_in(ask(world, parent), "parent", "parent-password")
    assert page.status == 200
    assert told(ask(world, parent, id_token_hint=hint)) == "login_required"
    demand = '{"id_token":{"sub":{"value":"somebody"}}}'
    assert told(ask(world, alice, claims=demand)) == "login_required"


def test_a_way_to_sign_in_that_there_is_not_can_not_be_demanded(world: World) -> None:
    """RFC 9470 §5, OIDC Core §5.5.1.1; ``acr_values`` is a wish."""
    browser = signed_in(world)
    demand = '{"id_token":{"acr":{"essential":true,"values":["phr"]}}}'
    assert told(ask(world, browser, claims=demand)) == "unmet_authentication_requirements"
    assert "code" in ask(world, browser, acr_values="phr").location_parameters


# --- standalone: for whom


def test_staff_without_a_launch_get_what_needs_no_patient(world: World) -> None:
    """SMART CTX-13, decision 16: the picker for staff is not offered, and the app is told so."""
    browser = world.browser()
    reply = browser.sign_in(ask(world, browser), "doctor", "doctor-password")
    assert told(reply) == "access_denied"
    page = ask(world, browser, scope="openid fhirUser user/Patient.rs")
    tokens = world.public.redeem(browser.submit(page, press="allow").location_parameters["code"]).json()
    assert tokens["scope"] == "openid fhirUser user/Patient.rs"
    assert "patient" not in tokens


def test_who_represents_one_patient_need_not_choose(world: World) -> None:
    parent = world.services.users.by_name("parent")
    assert parent is not None
    with world.services.db.write() as session:
        world.services.users.stop_representing(session, parent.sub, "main", "child-1")
    code = world.standalone(world.public, ALONE, "parent")
    assert world.public.redeem(code).json()["patient"] == "child-2"


def test_a_request_of_which_nothing_can_be_granted_is_an_invalid_scope(world: World) -> None:
    """SMART 25, ERR-05."""
    browser = signed_in(world)
    assert told(ask(world, browser, scope="system/*.rs patient/Nonsense.rs")) == "invalid_scope"


def test_a_person_at_another_fhir_server_is_nobody_there(world: World) -> None:
    """An identity belongs to one FHIR server: no rights are carried over; REQ-69."""
    browser = signed_in(world)
    assert told(ask(world, browser, aud=OTHER_FHIR, scope="patient/Observation.rs")) == "invalid_scope"


# --- EHR launch


def test_only_the_first_request_may_use_a_launch_and_only_that_may_come_again(world: World) -> None:
    """Decision 14: client, code_challenge and state make it the same request."""
    handle = make_launch(world)
    first = world.public.launched(handle, LAUNCH, prompt="consent")
    assert first.status == 200
    other = SmartApp(world.transport, "public", f"{APP}/cb", world.public.aud)
    assert told(other.launched(handle, LAUNCH)) == "invalid_request"
    again = world.public.launched(handle, LAUNCH, prompt="consent")
    assert again.status == 200
    changed = world.public.launched(handle, LAUNCH, code_challenge=challenge(new_verifier()))
    assert told(changed) == "invalid_request"


def test_of_two_pages_of_one_launch_one_leads_to_a_code(world: World) -> None:
    """Decision 1: the launch is spent in the transaction that issues the code."""
    handle = make_launch(world)
    pages = [world.public.launched(handle, LAUNCH, prompt="consent") for _ in range(2)]
    browsers = [Browser(world.transport, url=f"{ISSUER}/authorize") for _ in pages]
    replies = [b.submit(p, press="allow").location_parameters for b, p in zip(browsers, pages, strict=True)]
    assert "code" in replies[0]
    assert replies[1]["error"] == "invalid_request"
    assert len(grants(world)) == 1


@pytest.mark.race
def test_of_parallel_requests_with_one_launch_one_gets_a_code(world: World) -> None:
    """Decision 1: also when they come at the same time."""
    handle = make_launch(world)
    with ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(lambda _: world.public.launched(handle, LAUNCH).location_parameters, range(6)))
    assert sum("code" in reply for reply in replies) == 1
    assert len(grants(world)) == 1


def test_a_launch_for_another_app_or_server_stays_good_for_its_own(world: World) -> None:
    """security.md AZ-74, AZ-75: same words as for an unknown launch, and an event on the trail."""
    handle = make_launch(world, "confidential")
    assert told(world.public.launched(handle, LAUNCH)) == "invalid_request"
    assert told(world.confidential.launched(handle, LAUNCH, aud=OTHER_FHIR)) == "invalid_request"
    assert "code" in world.confidential.launched(handle, LAUNCH).location_parameters
    reasons = [row.reason for row in trail(world, "launch.refused")]
    assert Counter(reasons) == Counter(["launch_of_other_client", "launch_of_other_fhir_server"])  # at one moment


def test_a_launch_without_its_scope_is_refused_and_the_scope_without_it_dropped(world: World) -> None:
    """Decision 11, SMART AUTHZ-13; AMB-05, SCP-20, REQ-50."""
    refused = world.public.launched(make_launch(world), "patient/*.rs").location_parameters
    assert refused["error"] == "invalid_request"
    assert refused["error_description"].startswith("the parameter launch needs the scope launch")
    code = world.standalone(world.public, f"launch {ALONE}", "alice")
    tokens = world.public.redeem(code).json()
    assert tokens["scope"] == ALONE


def test_the_patient_of_the_launch_wins(world: World) -> None:
    """security.md AZ-78, SMART CTX-11: ``launch/patient`` beside ``launch`` is a hint."""
    tokens = world.public.tokens(make_launch(world, patient="B"), f"{LAUNCH} launch/patient")
    assert tokens["patient"] == "B"


def test_a_patient_in_an_ehr_launch_is_asked_even_by_a_vetted_app(world: World) -> None:
    """AMB-30: a hospital decides for its staff, not for its patients."""
    handle = str(world.ehr.launch("public", "Patient/A", patient="A")["launch"])
    page = world.public.launched(handle, LAUNCH)
    assert (page.status, "Allow" in page.text) == (200, True)


def test_nobody_gets_into_somebody_elses_record_by_a_launch(world: World) -> None:
    """SMART CTX-13: a patient's launch for another patient's record; REQ-109."""
    record = {"client_id": "public", "fhir_server": world.ehr.fhir_server, "user": "Patient/A", "patient": "B"}
    refused = world.ehr.post("/launch", record)
    assert (refused.status, refused.json()["error"]) == (400, "invalid_request")
    handle = str(world.ehr.launch("public", "parent", patient="child-1")["launch"])
    parent = world.services.users.by_name("parent")
    assert parent is not None
    with world.services.db.write() as session:
        world.services.users.stop_representing(session, parent.sub, "main", "child-1")
    assert told(world.public.launched(handle, LAUNCH)) == "access_denied"
    assert grants(world) == []


# --- the audit trail


def test_the_trail_tells_the_whole_story_of_a_launch(world: World) -> None:
    """security.md 4.1: what happened, to whom, for which patient; that consent was skipped is noted; REQ-37."""
    handle = make_launch(world, encounter="E")
    world.public.code(handle, LAUNCH)
    rows = trail(world, "launch.created", "launch.used", "consent.skipped", "code.issued")
    assert {row.event for row in rows} == {"launch.created", "launch.used", "consent.skipped", "code.issued"}
    (grant,) = grants(world)
    for row in rows:
        assert (row.outcome, row.client_id, row.fhir_server) == ("success", "public", "main")
        assert (row.patient, row.encounter, row.launch_id, row.sub) == ("A", "E", grant.launch_id, grant.sub)
    issued = next(row for row in rows if row.event == "code.issued")
    assert (issued.grant_id, issued.scope) == (grant.id, LAUNCH)
    assert [verdict["outcome"] for verdict in grant.verdicts] == ["granted"] * 4


def test_a_support_code_finds_the_refusal(world: World) -> None:
    """House, section 6: on the page as in the redirect."""
    page = ask(world, world.browser(), client_id="nope")
    assert page.status == 400
    world.clock.forward(seconds=1)  # what happened at one moment has no order
    redirect = ask(world, world.browser(), response_type="token").location_parameters["error_description"]
    by_page, by_redirect = trail(world, "authorize.refused")
    assert (by_page.reason, by_redirect.reason) == ("page", "unsupported_response_type")
    assert by_page.support_code is not None
    assert f"<code>{by_page.support_code}</code>" in page.text
    assert redirect.endswith(f"(support code {by_redirect.support_code})")


def test_a_no_is_on_the_trail_with_who_said_it(world: World) -> None:
    """security.md LC-18: told to the app, nothing issued, and a later request asks again; ERR-06."""
    browser = world.browser()
    page = browser.sign_in(ask(world, browser), "alice", "alice-password")
    assert told(browser.submit(page, press="deny")) == "access_denied"
    alice = world.services.users.by_name("alice")
    assert alice is not None
    (denied,) = trail(world, "consent.denied")
    assert (denied.outcome, denied.sub, denied.client_id, denied.fhir_server) == (
        "refused",
        alice.sub,
        "public",
        "main",
    )
    assert grants(world) == []
    assert ask(world, browser).status == 200


def test_the_browser_cookie_lives_as_long_as_the_newest_page(world: World) -> None:
    """An interaction begun when the cookie is about to end can still be finished."""
    browser = world.browser()
    ask(world, browser)
    before = browser.cookies["authz_browser"]
    reply = browser.request("GET", world.public.authorize_url(scope=ALONE))
    (line,) = [line for line in reply.headers["set-cookie"] if line.startswith("authz_browser=")]
    assert f"authz_browser={before};" in line
    assert "Max-Age=900" in line
