"""Sign-in at the hospital's provider, when somebody opens an app by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from authz.keyring.signing import Keyring
from authz.users.upstream import UpstreamIdentity
from tests.actors import challenge
from tests.federated.conftest import ALONE
from tests.upstream import CALLBACK, CLIENT_ID, IDP

if TYPE_CHECKING:
    from tests.federated.conftest import Hospital

ALICE = {"sub": "idp-alice", "name": "Alice Anders", "fhirUser": "Patient/A"}


def test_a_person_signs_in_at_the_hospital_and_the_app_gets_her_record(hospital: Hospital) -> None:
    """OIDC Core §3.1.2, §3.1.3; REQ-66: no choice, no page of ours on the way; time, means and class pass through."""
    hospital.provider.person = ALICE
    hospital.provider.claims = {"acr": "http://idp.example/strong"}
    hospital.provider.auth_time = hospital.provider.now() - 1800
    browser = hospital.world.browser()
    away = hospital.away(browser, login_hint="alice@hospital.example", ui_locales="fr-CA en")
    assert away.status == 303
    request = dict(parse_qsl(urlsplit(away.location).query))
    state, nonce, code_challenge = request.pop("state"), request.pop("nonce"), request.pop("code_challenge")
    assert request == {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": CALLBACK,
        "scope": "openid profile",
        "code_challenge_method": "S256",
        "login_hint": "alice@hospital.example",
        "ui_locales": "fr-CA en",
    }
    assert len({state, nonce, code_challenge}) == 3
    page = browser.open(hospital.provider.visited(away.location))
    assert page.status == 200
    done = browser.submit(page, press="allow")
    tokens = hospital.world.public.redeem(done.location_parameters["code"]).json()
    assert tokens["patient"] == "A"
    claims = Keyring.verify(hospital.world.services.keyring, tokens["id_token"])
    told = {name: claims.get(name) for name in ("fhirUser", "acr", "amr", "auth_time")}
    assert told == {
        "fhirUser": "https://fhir.example/r4/Patient/A",
        "acr": "http://idp.example/strong",
        "amr": ["mfa", "hwk"],
        "auth_time": hospital.provider.now() - 1800,
    }
    assert challenge(hospital.provider.forms[0]["code_verifier"]) == code_challenge
    assert hospital.trail("login") == [("success", None, {"amr": ["mfa", "hwk"], "provider": "hospital"})]


def test_the_same_person_keeps_her_sub_and_her_session(hospital: Hospital) -> None:
    """Decision 19, OID-13: one sub by password, by the hospital's provider, and on the next day."""
    hospital.provider.person = ALICE
    known = hospital.world.services.users.by_name("alice")
    assert known is not None
    for _ in range(2):
        browser = hospital.world.browser()
        page = hospital.arrive(browser)
        page = browser.submit(page, press="allow") if page.status == 200 else page
        token = hospital.world.public.redeem(page.location_parameters["code"]).json()["access_token"]
        assert hospital.world.fhir_server.introspect(token)["sub"] == known.sub
        hospital.world.clock.forward(days=1)
    assert [identity.subject for identity in hospital.federation.identities.of(known.sub)] == ["idp-alice"]
    again = hospital.world.browser()
    assert hospital.away(again, prompt="none").location_parameters["error"] == "login_required"


def test_an_app_that_asks_again_gets_its_code_without_the_provider(hospital: Hospital) -> None:
    """OIDC Core §3.1.2.3: a session at this server is one, however it began, also long after the proof itself."""
    hospital.provider.person = ALICE
    hospital.provider.auth_time = hospital.provider.now() - 40_000  # longer than a session of ours lasts
    browser = hospital.world.browser()
    browser.submit(hospital.arrive(browser), press="allow")
    hospital.world.clock.forward(hours=7)
    asked = len(hospital.provider.asked)
    assert "code" in hospital.away(browser, prompt="none").location_parameters
    assert len(hospital.provider.asked) == asked


def test_several_ways_are_offered_and_none_is_preferred(hospital: Hospital) -> None:
    """Issue 6.1: a page where there is a choice; each way leads to its own provider."""
    hospital.add_provider("region", label="Region <b>ID</b>", issuer="https://region.example")
    hospital.rules(local_accounts=True)
    page = hospital.away(hospital.world.browser())
    assert page.status == 200
    assert "Sign in with Hospital ID" in page.text
    assert "Sign in with Region &lt;b&gt;ID&lt;/b&gt;" in page.text
    assert 'name="password"' in page.text
    assert f"{IDP}/authorize" not in page.text


def test_where_accounts_of_our_own_are_not_offered_a_password_opens_nothing(hospital: Hospital) -> None:
    """Decision 19, issue 6.1: not on the page, and not at the endpoint behind it."""
    hospital.add_provider("region", label="Region ID", issuer="https://region.example")
    browser = hospital.world.browser()
    page = hospital.away(browser)
    assert 'name="password"' not in page.text
    refused = browser.submit(page, {"username": "alice", "password": "alice-password"}, press="sign_in")
    assert (refused.status, "This way to sign in is not offered." in refused.text) == (403, True)


def test_a_provider_is_for_the_fhir_servers_it_was_added_for(hospital: Hospital) -> None:
    """Issue 6.1: the other FHIR server's people have their own ways."""
    hospital.add_provider("elsewhere", label="Elsewhere", fhir_servers=("other",))
    browser = hospital.world.browser()
    away = hospital.away(browser)
    assert away.location.startswith(f"{IDP}/authorize?")
    door = browser.url.partition("door=")[2]
    refused = browser.open(f"http://127.0.0.1:9000/sign-in/elsewhere?door={door}")
    assert (refused.status, "This way to sign in is not offered." in refused.text) == (403, True)


def test_a_session_counts_only_where_its_way_is_one(hospital: Hospital) -> None:
    """Issue 6.1: whoever signed in at the portal's provider has not signed in for the hospital's staff system."""
    hospital.add_provider("portal", label="Portal", client_id="authz-at-portal", fhir_servers=("other",))
    with hospital.world.services.db.write() as session:
        hospital.federation.providers.update(session, "hospital", {"fhir_servers": ["main"]})
        hospital.world.services.users.link(session, local_sub(hospital, "alice"), "other", "Patient/A-there")
        known = UpstreamIdentity(IDP, "idp-alice", "hospital", {}, hospital.world.clock())
        hospital.federation.identities.attach(session, local_sub(hospital, "alice"), known)
    hospital.rules("other", local_accounts=True)
    browser, other = hospital.world.browser(), "https://other.example/r4"
    page = browser.open(hospital.world.public.authorize_url(scope=ALONE, aud=other))
    page = browser.sign_in(page, "alice", "alice-password")
    assert "code" in browser.submit(page, press="allow").location_parameters
    assert hospital.away(browser, prompt="none").location_parameters["error"] == "login_required"
    assert hospital.away(browser).location.startswith(f"{IDP}/authorize?")
    hospital.provider.person = ALICE
    page = hospital.arrive(browser)
    assert "code" in browser.submit(page, press="allow").location_parameters
    again = browser.open(hospital.world.public.authorize_url(scope=ALONE, aud=other, prompt="none"))
    assert again.location_parameters["error"] == "login_required"


def test_a_class_that_is_newly_demanded_ends_what_was_enough_before(hospital: Hospital) -> None:
    """OIDC Core §5.5.1.1: a session that did not reach it goes no further."""
    hospital.provider.person = ALICE
    browser = hospital.world.browser()
    browser.submit(hospital.arrive(browser), press="allow")
    assert "code" in hospital.away(browser, prompt="none").location_parameters
    with hospital.world.services.db.write() as session:
        hospital.federation.providers.update(session, "hospital", {"acr_values": ["mfa"]})
    assert hospital.away(browser, prompt="none").location_parameters["error"] == "login_required"


def local_sub(hospital: Hospital, name: str) -> str:
    user = hospital.world.services.users.by_name(name)
    assert user is not None
    return user.sub
