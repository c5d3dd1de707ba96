"""The pages for the makers of apps, from the first visit to the deletion of an app."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc.jwk import ECKey
from sqlalchemy import select

from authz.audit.model import AuditEventRow
from authz.developers.kinds import KINDS
from authz.developers.words import CAPABILITIES, capability
from authz.discovery.offer import CAPABILITIES as OFFERED
from authz.registration.case import asked_for
from authz.registration.decision import Reviewer
from authz.registration.initial_tokens import NewInitialToken
from authz.registration.report import Report
from tests.actors import FORM, Forms, basic
from tests.developers.maker import APP, NOTES, Maker, open_registration, words
from tests.world import build, settings_in

if TYPE_CHECKING:
    from tests.transport import Reply
    from tests.world import World

PATHS = (
    *("", "/scopes", "/register", "/sign-in", "/app", "/app/change", "/app/keys", "/app/launch", "/app/attempts"),
    *("/app/delete", "/consent-preview"),
)
WRONG = "There is no app with this client_id and this token."


@pytest.fixture
def maker(world: World) -> Maker:
    open_registration(world)
    return Maker(world)


def key(kid: str) -> dict[str, Any]:
    """A new public key."""
    return ECKey.generate_key("P-384", {"kid": kid, "use": "sig"}, private=True).as_dict(private=False)


def shown_json(page: Reply) -> dict[str, Any]:
    """The body that the page says it will send."""
    found = re.search(r"<pre[^>]*>(\{.*?)</pre>", page.text, re.DOTALL)
    assert found is not None, page.text
    body: dict[str, Any] = json.loads(unescape(found[1]))
    return body


def registered(world: World, credentials: dict[str, str]) -> dict[str, Any]:
    url = f"{world.issuer}/register/{credentials['client_id']}"
    reply = world.transport.send("GET", url, {"Authorization": f"Bearer {credentials['registration_access_token']}"})
    assert reply.status == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def test_where_nobody_may_register_there_are_no_such_pages(world: World) -> None:
    """Decision 13: closed by default, and nothing is advertised."""
    assert {Maker(world).open(path).status for path in PATHS if not path.startswith(("/app", "/consent"))} == {404}


def test_the_overview_says_in_words_what_discovery_says(maker: Maker) -> None:
    """MGT-04, CAP-03: endpoints, capabilities and scopes as the document has them; the hospital's own note."""
    document = maker.world.services.discovery.smart_configuration(maker.world.services.fhir_servers.get("main"))  # type: ignore[arg-type]  # it is there
    page = words(maker.open())
    said = [capability(name) for name in document["capabilities"]]
    urls = [value for name, value in document.items() if name.endswith("_endpoint")]
    for text in (*said, *urls, *document["scopes_supported"], NOTES, "Open to everybody", "https://fhir.example/r4"):
        assert text in page, text
    assert "https://other.example/r4" not in page


def test_every_capability_that_can_be_offered_has_words() -> None:
    """SMART section 2.3, CAP-01."""
    assert set(OFFERED) <= set(CAPABILITIES)


def test_every_kind_of_app_can_be_chosen_and_shows_its_form(maker: Maker) -> None:
    page = maker.open("/register")
    for kind in KINDS.values():
        assert kind.title in words(page)
        form = maker.open(f"/register?kind={kind.id}&fhir_server=main")
        assert (form.status, kind.title in words(form)) == (200, True)
    assert "What kind of app is it?" in words(maker.open("/register?kind=other&fhir_server=main"))
    assert "What kind of app is it?" in words(maker.open("/register?kind=backend&fhir_server=other"))


def test_what_is_shown_before_sending_is_what_is_sent(maker: Maker) -> None:
    """RFC 7591 §3.1: the page, and the JSON it shows sent by hand, register the same."""
    page = maker.fill_in("patient-web", stays="always", data="results")
    shown = shown_json(page)
    assert shown == {
        "client_name": "Heart Diary",
        "application_type": "web",
        "redirect_uris": [f"{APP}/cb"],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "client_secret_basic",
        "scope": "launch/patient openid fhirUser offline_access patient/Observation.rs patient/DiagnosticReport.rs"
        " patient/ImagingStudy.rs",
        "fhir_user_types": ["Patient", "RelatedPerson"],
    }
    url = f"{maker.world.issuer}/fhir-servers/main/register"
    assert url in words(page)
    by_hand = maker.world.transport.send(
        "POST", url, {"Content-Type": "application/json"}, json.dumps(shown).encode()
    ).json()
    maker.register("patient-web", stays="always", data="results")
    by_page = registered(maker.world, maker.credentials)
    mine = {"client_id", "client_secret", "registration_access_token", "registration_client_uri"}
    assert {name: value for name, value in by_page.items() if name not in mine} == {
        name: value for name, value in by_hand.items() if name not in mine
    }


def test_what_can_not_be_registered_is_said_beside_its_field_and_nothing_is_lost(maker: Maker) -> None:
    """RFC 7591 §3.2.2, WCAG 2.2 §3.3.1: the protocol's words, and the answers are still there."""
    page = maker.fill_in("clinician-ehr", redirect_uri="http://app.example/cb", client_name="My <b>App</b>")
    assert page.status == 400
    assert "http://app.example/cb: http is for loopback only; use https" in words(page)
    assert "the EHR needs an address to open" in words(page)
    assert 'value="My &lt;b&gt;App&lt;/b&gt;"' in page.text
    assert page.text.count('aria-invalid="true"') == 3  # two fields for redirect URIs, one for the launch URL
    assert len(maker.world.services.clients.all()) == 2


def test_the_secret_and_the_token_are_shown_once(maker: Maker) -> None:
    """RFC 7591 §3.2.1: told when they are made; RG-09: no secret for an app that can keep none."""
    page = maker.register("patient-web")
    assert set(maker.credentials) == {"client_id", "client_secret", "registration_access_token"}
    assert "Keep these now." in words(page)
    later = maker.open("/app")
    assert maker.client_id in later.text
    for name in ("client_secret", "registration_access_token"):
        assert maker.credentials[name] not in later.text
    other = Maker(maker.world)
    other.register("patient-phone", redirect_uri="com.example.app:/cb")
    assert set(other.credentials) == {"client_id", "registration_access_token"}


def test_where_one_needs_an_invitation_the_form_asks_for_it(world: World) -> None:
    """RG-01: the initial access token in a field, its refusal beside it, and never shown again."""
    open_registration(world, "invited")
    maker = Maker(world)
    review = maker.fill_in("patient-web", initial_access_token="guessed-token")
    assert "$INITIAL_ACCESS_TOKEN" in words(review)
    page = maker.browser.submit(review, press="send")
    assert page.status == 400
    assert "the initial access token is unknown, expired, used up, revoked or for another FHIR server" in words(page)


def test_an_invitation_registers_one_app(world: World) -> None:
    """RFC 7591 §3: by the form as by the endpoint, and it is used up."""
    open_registration(world, "invited")
    with world.services.db.write() as session:
        new = NewInitialToken("Partner", world.clock() + timedelta(days=1))
        _, token = world.services.registration.initial_tokens.issue(session, new)
    maker = Maker(world)
    assert words(maker.register("patient-web", initial_access_token=token)).startswith("Heart Diary is registered")
    assert Maker(world).register("patient-web", initial_access_token=token).status == 400


def test_a_form_that_is_sent_twice_registers_one_app(maker: Maker) -> None:
    """A second click, or the answer loaded again."""
    review = maker.fill_in("patient-web")
    assert words(maker.browser.submit(review, press="send")).startswith("Heart Diary is registered")
    assert maker.browser.submit(review, press="send").status == 400
    assert len(maker.world.services.clients.all()) == 3


def test_nothing_that_is_shown_once_is_kept_readable(maker: Maker) -> None:
    """Decision 6: the session of these pages has no token in it, nor has the database; digests only."""
    maker.register("clinician-ehr", launch_uri=f"{APP}/launch")
    maker.press("/app/launch", "/launch")
    settings = maker.world.services.settings
    files = [settings.short_lived_path, Path(settings.database_url.removeprefix("sqlite:///"))]
    stored = b"".join(file.read_bytes() for one in files for file in one.parent.glob(f"{one.name}*"))
    assert maker.client_id.encode() in stored
    for name in ("client_secret", "registration_access_token"):
        assert maker.credentials[name].encode() not in stored
    assert maker.browser.cookies["authz_developer"].encode() not in stored


def test_makers_sign_in_with_the_registration_access_token_in_a_form(maker: Maker) -> None:
    """RG-22: unknown and wrong are one answer; HC-02: the cookie is Strict, HttpOnly, of this host."""
    maker.register("patient-web")
    token = maker.credentials["registration_access_token"]
    other = Maker(maker.world)
    asked = other.open("/app")
    assert words(asked).startswith("Go to your app")
    for client_id, wrong in ((maker.client_id, "x" * 43), ("nobody", token), ("public", token), ("public", "")):
        page = other.sign_in(client_id, wrong)
        assert (page.status, WRONG in words(page)) == (401, True)
        assert wrong == "" or wrong not in page.text
    page = other.sign_in(maker.client_id, token)
    assert words(page).startswith("Heart Diary An app for patients In the sandbox")
    assert token not in other.browser.url
    cookie = other.browser.cookies["authz_developer"]
    assert maker.client_id not in cookie
    signed = other.browser.request("GET", f"{maker.world.issuer}/developers/sign-in")
    assert "HttpOnly; Path=/; SameSite=Strict" in (signed.header("set-cookie") or "")


def test_signing_out_and_losing_the_registration_end_the_session(maker: Maker) -> None:
    """ASVS 7.4.1: at once, whatever the browser still has."""
    maker.register("patient-web")
    held = dict(maker.browser.cookies)
    maker.press("/app", "/sign-out")
    assert "authz_developer" not in maker.browser.cookies
    maker.browser.cookies = held
    assert words(maker.open("/app")).startswith("Go to your app")
    maker.sign_in(maker.client_id, maker.credentials["registration_access_token"])
    assert words(maker.open("/app")).startswith("Heart Diary")
    maker.world.transport.send(
        "DELETE",
        f"{maker.world.issuer}/register/{maker.client_id}",
        {"Authorization": f"Bearer {maker.credentials['registration_access_token']}"},
    )
    assert words(maker.open("/app")).startswith("Go to your app")


def test_a_lost_token_is_replaced_by_the_hospital(maker: Maker) -> None:
    """RFC 7592 §3: the old one ends, and whoever is signed in with it."""
    maker.register("patient-web")
    old = maker.credentials["registration_access_token"]
    renewed = maker.world.services.registration.registrations.renew_token(maker.client_id, Reviewer("Eve Admin"))
    assert words(maker.open("/app")).startswith("Go to your app")
    assert maker.sign_in(maker.client_id, old).status == 401
    page = words(maker.sign_in(maker.client_id, renewed))
    assert "A new registration access token was made by the hospital" in page


def test_who_signed_in_for_an_app_is_on_the_trail(maker: Maker) -> None:
    """security.md 4.1: by its token; a failure names no app, for nobody proved to be its maker."""
    maker.register("patient-web")
    maker.sign_in(maker.client_id, "x" * 43)
    maker.sign_in(maker.client_id, maker.credentials["registration_access_token"])
    with maker.world.services.db.read() as session:
        rows = session.scalars(select(AuditEventRow).where(AuditEventRow.event.startswith("login")))
        found = [(row.event, row.outcome, row.reason, row.client_id) for row in rows]
    means, mine = "registration_access_token", maker.client_id
    assert sorted(found) == [
        ("login", "success", means, mine),
        ("login", "success", means, mine),
        ("login.failed", "refused", means, None),
    ]


def test_tokens_can_not_be_guessed(maker: Maker) -> None:
    """RL-02, LC-02: the tries of one address are counted, whatever comes of them."""
    maker.register("patient-web")
    pages = [Maker(maker.world).sign_in(maker.client_id, "x" * 43).status for _ in range(61)]
    assert (pages[0], pages[-1]) == (401, 429)


def test_no_form_is_taken_from_another_site(maker: Maker) -> None:
    """LC-11, CWE-352: without the mark of a page of ours, or with that of another browser, nothing happens."""
    maker.register("patient-web")
    stranger = Maker(maker.world)
    stranger.register("patient-phone", redirect_uri="com.example.app:/cb")
    foreign = re.search(r'name="csrf" value="([0-9a-f]{64})"', stranger.open("/app").text)
    assert foreign is not None
    rules = [rule for rule in maker.world.app.url_map.iter_rules() if rule.rule.startswith("/developers")]
    paths = [rule.rule for rule in rules if "POST" in (rule.methods or set())]
    assert len(paths) >= 8
    before = registered(maker.world, maker.credentials)
    for path in paths:
        for fields in ({}, {"csrf": ""}, {"csrf": foreign[1]}):
            sent = urlencode({**fields, "client_id": maker.client_id}).encode()
            reply = maker.browser.request("POST", maker.world.issuer + path, sent, {"Content-Type": FORM})
            assert reply.status == 403, path
    assert registered(maker.world, maker.credentials) == before


def test_a_new_secret_works_beside_the_old_one_for_the_time_that_was_chosen(maker: Maker) -> None:
    """ASVS 13.3.4: rotated without an interruption; at most seven days, and it is in the history."""
    maker.register("patient-web")
    page = maker.press("/app/keys", "/secret", {"overlap": "86400"})
    secret = re.search(r"<dt>client_secret</dt><dd><code>([^<]+)", page.text)
    assert secret is not None
    assert "The old one works for one day more." in words(page)

    def works(value: str) -> bool:
        headers = {**basic(maker.client_id, value), "Content-Type": FORM}
        sent = urlencode({"grant_type": "authorization_code", "code": "x", "redirect_uri": f"{APP}/cb"})
        reply = maker.world.transport.send("POST", f"{maker.world.issuer}/token", headers, sent.encode())
        return reply.status != 401

    old = maker.credentials["client_secret"]
    assert (works(old), works(secret[1])) == (True, True)
    maker.world.clock.forward(hours=25)
    assert (works(old), works(secret[1])) == (False, True)
    maker.sign_in(maker.client_id, maker.credentials["registration_access_token"])
    assert "A new secret was made by you" in words(maker.open("/app"))
    assert maker.press("/app/keys", "/secret", {"overlap": "864000"}).status == 400


def test_production_is_asked_for_and_what_the_hospital_says_is_shown(maker: Maker) -> None:
    """REQ-112: state and lane in words, both sides of the history, no name of anybody at the hospital."""
    maker.register("clinician-ehr", launch_uri=f"{APP}/launch")
    assert "An app for clinicians In the sandbox" in words(maker.open("/app"))
    page = maker.press("/app", "/production", {"note": "For the ward."})
    assert "An app for clinicians Waiting for a decision" in words(page)
    assert "Production was asked for by you For the ward." in words(page)
    assert "Ask for production" not in words(page)
    review, by = maker.world.services.registration.review, Reviewer("Eve Admin")
    review.decline(maker.client_id, by, "Say what it writes.")
    page = maker.open("/app")
    assert "Declined It works for test accounts" in words(page)
    assert "The hospital says: Say what it writes." in words(page)
    assert "Declined by the hospital Say what it writes." in words(page)
    assert "Eve" not in page.text
    maker.press("/app", "/production", {"note": "Nothing, it only reads."})
    review.approve(maker.client_id, by)
    assert "In production It works for everybody it is for." in words(maker.open("/app"))


def test_a_patient_app_says_when_it_is_approved_by_itself(maker: Maker) -> None:
    """requirements.md row 116: the time that is left, in words."""
    maker.register("patient-web")
    when = f"{maker.world.clock() + timedelta(hours=48):%H:%M} UTC (in 48 hours), unless the hospital decides before."
    assert when in words(maker.open("/app"))
    with maker.world.services.db.write() as session:
        report = Report.of(maker.world.clock(), ())
        asked = asked_for(session, maker.client_id)
        maker.world.services.registration.checks.keep(session, maker.client_id, report, asked)
    maker.world.clock.forward(hours=49)
    maker.sign_in(maker.client_id, maker.credentials["registration_access_token"])
    assert "An app for patients In production" in words(maker.open("/app"))


def test_a_service_is_told_that_it_gets_no_token_yet(maker: Maker) -> None:
    """BKS-01: a key is no approval."""
    maker.register("backend", jwks=json.dumps({"keys": [key("a")]}))
    assert "A service without people Waiting for a decision It gets no token before" in words(maker.open("/app"))


def test_the_automatic_checks_are_shown_and_run_again_on_demand(maker: Maker) -> None:
    """Item 4: the same report as the reviewer's; once a minute."""
    maker.register("patient-web")
    assert "They run now" in words(maker.open("/app"))
    checks = maker.world.services.registration.checks
    assert checks.check_due() == 1
    found = maker.world.services.registration.review.show(maker.client_id).report
    assert found is not None
    page = words(maker.open("/app"))
    for one in found.findings:
        assert f"{one.level.value} {one.subject} {one.words}" in page
    assert maker.press("/app", "/checks").status == 429
    maker.world.clock.forward(minutes=2)
    assert maker.press("/app", "/checks").status == 200
    assert checks.check_due() == 1


def test_an_app_in_the_sandbox_is_changed_at_once(maker: Maker) -> None:
    """RFC 7592 §2.2: before and after first; the rest of the registration stays as it was."""
    maker.register("patient-web", contact="a@app.example")
    before = registered(maker.world, maker.credentials)
    page = maker.press("/app/change", "/change", {"client_name": "Heart Book", "policy_uri": f"{APP}/p"}, "review")
    assert "client_name before Heart Diary after Heart Book policy_uri before nothing" in words(page)
    assert registered(maker.world, maker.credentials) == before
    maker.browser.submit(page, press="send", to="/change")
    assert registered(maker.world, maker.credentials) == {
        **before,
        "client_name": "Heart Book",
        "policy_uri": f"{APP}/p",
    }
    page = maker.press("/app/change", "/change", {"redirect_uris": "javascript:alert(1)"}, "review")
    assert (page.status, "javascript:alert(1): " in words(page)) == (400, True)


def test_an_approved_app_stays_as_it_is_until_its_change_is_agreed_to(maker: Maker) -> None:
    """RG-23: the gentle way; it can be taken back."""
    maker.register("patient-web")
    review, by = maker.world.services.registration.review, Reviewer("Eve Admin")
    review.approve(maker.client_id, by)
    page = maker.press("/app/change", "/change", {"client_name": "Heart Book"}, "review")
    assert "Your app works as it is now until the hospital has decided" in words(page)
    page = maker.browser.submit(page, press="send", to="/change")
    assert "A change that waits" in words(page)
    assert "client_name before Heart Diary after Heart Book" in words(page)
    assert registered(maker.world, maker.credentials)["client_name"] == "Heart Diary"
    page = maker.browser.submit(page, to="/take-back")
    assert "A change that waits" not in words(page)
    page = maker.press("/app/change", "/change", {"client_name": "Heart Book"}, "review")
    page = maker.browser.submit(page, {"note": "A better name."}, press="send", to="/change")
    assert "A change was asked for by you A better name." in words(page)
    maker.world.services.registration.proposals.apply(maker.client_id, by, review.show(maker.client_id).seen)
    assert registered(maker.world, maker.credentials)["client_name"] == "Heart Book"
    assert "The change was agreed to, and made by the hospital" in words(maker.open("/app"))


def test_a_key_is_added_beside_the_old_one_or_the_set_is_published(maker: Maker) -> None:
    """REG-05, REG-06: two side by side; a key that can't be is said beside its field."""
    maker.register("backend", jwks=json.dumps({"keys": [key("a")]}))
    page = maker.press("/app/keys", "/keys", {"key": "{"}, "add")
    assert (page.status, "is not JSON" in words(page)) == (400, True)
    deep = json.dumps(key("c") | {"x": "deep"}).replace('"deep"', "[" * 900 + "]" * 900)
    for odd in (deep, json.dumps(key("c") | {"kid": "\ud800"}), json.dumps(key("c") | {"x": float("nan")})):
        page = maker.press("/app/keys", "/keys", {"key": odd}, "add")
        assert (page.status, "is not JSON that can be registered" in words(page)) == (400, True)
    page = maker.press("/app/keys", "/keys", {"key": json.dumps(key("a"))}, "add")
    assert (page.status, "two keys have the same kid and kty" in words(page)) == (400, True)
    maker.press("/app/keys", "/keys", {"key": json.dumps(key("b"))}, "add")
    kids = [one["kid"] for one in registered(maker.world, maker.credentials)["jwks"]["keys"]]
    assert kids == ["a", "b"]
    page = maker.open("/app/keys")
    sent = {"jwks_uri": "https://app.example/jwks", "csrf": dict(Forms(page.text).fields)["csrf"], "action": "publish"}
    maker.browser.request(
        "POST", f"{maker.world.issuer}/developers/app/keys", urlencode(sent).encode(), {"Content-Type": FORM}
    )
    now = registered(maker.world, maker.credentials)
    assert (now["jwks_uri"], "jwks" in now) == ("https://app.example/jwks", False)


def test_secrets_side_by_side_have_an_end_and_one_that_leaked_goes_at_once(maker: Maker) -> None:
    """security.md RG-19: nothing grows without bound."""
    maker.register("patient-web")
    pages = [maker.press("/app/keys", "/secret", {"overlap": "604800"}).status for _ in range(10)]
    assert pages == [200] * 9 + [400]
    assert maker.press("/app/keys", "/secret", {"overlap": "0"}).status == 200
    assert maker.press("/app/keys", "/secret", {"overlap": "604800"}).status == 200


def test_the_pages_are_where_the_issuer_is(tmp_path: Path) -> None:
    """Below the issuer's path; over https the cookies are bound to this host (HC-02)."""
    world = build(settings_in(tmp_path, issuer="https://as.example/auth"))
    with world.app.app_context():
        open_registration(world)
        maker = Maker(world)
        maker.register("patient-web")
        page = maker.open("/app")
        assert words(page).startswith("Heart Diary")
        assert 'action="/auth/developers/sign-out"' in page.text
        assert maker.browser.request("GET", "https://as.example/developers").status == 404
        again = maker.browser.request("GET", f"{world.issuer}/developers/sign-in")
        cookie = again.header("set-cookie") or ""
        assert cookie.startswith("__Host-authz_developer_form=")
        assert cookie.endswith("; Secure; HttpOnly; Path=/; SameSite=Strict")
        world.services.db.engine.dispose()
    world.services.backend.close()


def test_an_app_is_deleted_only_by_typing_its_client_id(maker: Maker) -> None:
    """RFC 7592 §2.3, RG-25."""
    maker.register("patient-web")
    page = maker.press("/app/delete", "/delete", {"client_id": "other"})
    assert (page.status, "This is not the client_id of the app." in words(page)) == (400, True)
    page = maker.press("/app/delete", "/delete", {"client_id": maker.client_id})
    assert words(page).startswith("Heart Diary is deleted")
    assert maker.world.services.clients.find(maker.client_id) is None
    assert words(maker.open("/app")).startswith("Go to your app")


def test_the_preview_is_the_real_consent_page_and_can_not_be_sent(maker: Maker) -> None:
    """REQ-88: the same words as people read; an invented person; no address to send anything to."""
    maker.register("patient-web", data="results")
    page = maker.open("/consent-preview")
    assert words(page).startswith("A preview. The person is invented, and the buttons do nothing.")
    real = maker.browser.open(maker.app().authorize_url(scope="openid fhirUser launch/patient patient/Observation.rs"))
    asked = words(maker.browser.sign_in(real, "alice", "alice-password"))
    shown = "You choose what Heart Diary may do See measurements and results Lab results, vital signs, answers and more"
    assert shown in words(page)
    assert shown in asked
    assert "action=" not in page.text.partition("<form")[2].partition(">")[0]
    assert page.text.count("disabled>") == 2


def test_a_launch_is_made_as_the_ehr_would_and_each_step_is_told(maker: Maker) -> None:
    """LAU-01, REQ-112: test launch from the page to the token; a trimmed scope is explained by the inspector."""
    maker.register("clinician-ehr", launch_uri=f"{APP}/launch", data="results")
    page = maker.press("/app/launch", "/launch")
    link = re.search(r'href="(https://app\.example/launch\?[^"]+)"', page.text)
    assert link is not None, page.text
    sent = parse_qs(urlsplit(unescape(link[1])).query)
    assert sent["iss"] == ["https://fhir.example/r4"]
    app = maker.app()
    reply = app.launched(sent["launch"][0], "launch openid fhirUser patient/Observation.rs patient/Condition.rs")
    reply = maker.browser.submit(reply, press="allow") if reply.status == 200 else reply
    tokens = app.redeem(reply.location_parameters["code"]).json()
    assert tokens["patient"] in {"p1", "A"}
    assert app.redeem(reply.location_parameters["code"]).status == 400
    told = words(maker.open("/app/attempts"))
    for text in (
        "Opened from the EHR · Doctor · patient",
        "the launch was made",
        "the launch was used",
        "the app got its code",
        "the code was redeemed, a token issued",
        "patient/Condition.rs dropped the app is not registered for it",
        "The app's registration does not include it.",
        "a token request was refused invalid_grant",
        "Redeem a code once, within a minute",
    ):
        assert text in told, text
    assert sent["launch"][0] not in told
    assert tokens["access_token"] not in told


def test_a_launch_of_the_makers_is_told_apart_from_those_of_an_ehr(maker: Maker) -> None:
    """decision 5: the trail says who made it."""
    maker.register("clinician-ehr", launch_uri=f"{APP}/launch")
    maker.press("/app/launch", "/launch")
    with maker.world.services.db.read() as session:
        (made,) = session.scalars(select(AuditEventRow).where(AuditEventRow.event == "launch.created"))
        assert made.detail == {"ehr": "makers of the app", "written_by": "trial"}


def test_an_app_without_a_launch_url_is_told_how_it_begins(maker: Maker) -> None:
    """LAU-06: a standalone launch; the hospital's note, and a request of which the rest is new each time."""
    maker.register("patient-web")
    page = maker.open("/app/launch")
    assert NOTES in words(page)
    request = re.search(r"<pre>([^<]+)</pre>", page.text)
    assert request is not None
    url = unescape(request[1]).replace("…", "x" * 43)
    begun = maker.browser.open(url)
    asked = words(maker.browser.sign_in(begun, "alice", "alice-password"))
    assert asked.startswith("Share health records with Heart Diary? Not approved by Test Hospital.")
    assert maker.browser.cookies.keys() >= {"authz_developer", "authz_session"}
    told = words(maker.open("/app/attempts"))
    for text in ("Opened by itself · Alice", "a page was shown sign_in", "a page was shown consent"):
        assert text in told


def test_a_refusal_of_somebody_real_is_explained_and_names_nobody(maker: Maker) -> None:
    """REQ-112: the inspector's words, with the support code that the app was sent."""
    maker.register("patient-web")
    browser = maker.world.browser()
    begun = browser.open(maker.app().authorize_url(scope="launch/patient openid patient/Patient.rs"))
    told = browser.sign_in(begun, "parent", "parent-password").location_parameters
    page = maker.open("/app/attempts")
    assert "Opened by itself " in words(page)
    assert "the request was refused access_denied the app is not approved yet: only test accounts can use" in words(
        page
    )
    assert "Sign in with a test account that the hospital has published." in words(page)
    code = told["error_uri"].rpartition("/")[2]
    assert code in page.text
    assert "Parent" not in page.text
    assert "child-1" not in page.text
    support = maker.browser.open(told["error_uri"])
    assert "Sign in with a test account that the hospital has published." in words(support)


def test_makers_do_not_learn_which_launches_there_are(maker: Maker) -> None:
    """AZ-73: a launch of another app reads as one that never was."""
    maker.register("clinician-ehr", launch_uri=f"{APP}/launch")
    of_another = maker.world.ehr.launch("public", "doctor", patient="A")["launch"]
    for handle in (of_another, "never-was"):
        assert "the launch is unknown, expired or already used" in maker.app().launched(handle, "launch openid").text
    _, *told = maker.open("/app/attempts").text.split("<section>")
    of_another, never_was = (re.sub(r"\d\d:\d\d:\d\d|/support/\w+|>\w{8}</a>", "", one) for one in told)
    assert "the launch is unknown, expired or already used" in never_was
    assert never_was.partition("</section>")[0] == of_another.partition("</section>")[0]


def test_who_has_no_app_yet_sees_the_consent_page_of_an_invented_one(maker: Maker) -> None:
    """Item 5: what people read, published for makers."""
    page = maker.open("/consent-preview")
    assert "Share health records with Example App?" in words(page)
    assert "Records of Sam Example (you)" in words(page)
    assert "Keep this access when you are not using the app" in words(page)


def test_nobody_real_is_launched_with_nor_shown(maker: Maker) -> None:
    """CTX-13: only test accounts with invented patients; what real people do with the app is not told at all."""
    maker.register("clinician-ehr", launch_uri=f"{APP}/launch")
    for trial in ("parent child-1", "doctor real-patient", "alice A", ""):
        page = maker.press("/app/launch", "/launch", {"trial": trial})
        assert (page.status, "choose a test account and an invented patient" in words(page)) == (400, True)
    with maker.world.services.db.write() as session:
        maker.world.services.clients.update(session, maker.client_id, {}, {"approved": True})
    world = maker.world
    with world.services.db.write() as session:
        user = world.services.users.add(session, "nurse", "Nora Real")
        world.services.users.link(session, user.sub, "main", "Practitioner/real")
    launch = world.ehr.launch(maker.client_id, "nurse", patient="real-patient")["launch"]
    reply = maker.app().launched(launch, "launch openid fhirUser patient/Patient.rs")
    assert reply.status == 200
    told = maker.open("/app/attempts").text
    assert "Nora" not in told
    assert "real-patient" not in told
    assert "Nothing yet." in told
