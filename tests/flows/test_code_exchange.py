"""From the request to the token response, rule by rule: what else holds of the code flow (SMART sections 7, 8, 12)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.actors import FORM, new_verifier
from tests.world import APP, FHIR, ISSUER

if TYPE_CHECKING:
    from tests.actors import SmartApp
    from tests.world import World

SCOPE = "launch openid fhirUser patient/*.rs"
B64TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 §2.1


def launch(world: World, app: str = "public", user: str = "Practitioner/dr", **context: Any) -> str:
    return str(world.ehr.launch(app, user, **{"patient": "A", **context})["launch"])


def either(world: World, app: str) -> SmartApp:
    return {"public": world.public, "confidential": world.confidential}[app]


@pytest.mark.parametrize("app", ["public", "confidential"])
@pytest.mark.parametrize(
    ("verifier", "error"), [(None, "invalid_request"), ("another-verifier-" + 30 * "x", "invalid_grant")]
)
def test_every_app_proves_that_it_asked_for_the_code(shared: World, app: str, verifier: str | None, error: str) -> None:
    """PKCE-03, ST-01: a secret stands for no verifier; the code is not spent by the mistake."""
    client = either(shared, app)
    code = client.code(launch(shared, app), SCOPE)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": client.redirect_uri}
    refused = client.post("/token", form | ({"code_verifier": verifier} if verifier else {}))
    assert (refused.status, refused.json()["error"]) == (400, error)
    assert client.redeem(code).status == 200


@pytest.mark.parametrize("app", ["public", "confidential"])
def test_both_kinds_of_app_get_a_token(shared: World, app: str) -> None:
    """TOK-03, VER-07, REG-04, CAPABILITY client-public, CAPABILITY client-confidential-symmetric."""
    tokens = either(shared, app).tokens(launch(shared, app), SCOPE)
    assert shared.fhir_server.introspect(tokens["access_token"])["client_id"] == app


def test_a_code_bought_for_one_browser_is_nothing_in_another(shared: World) -> None:
    """REQ-127: who slips a code into the callback of another run of the app lacks its verifier."""
    stolen = shared.public.code(launch(shared), SCOPE)
    reply = shared.public.redeem(stolen, code_verifier=new_verifier())
    assert (reply.status, reply.json()["error"]) == (400, "invalid_grant")


def test_a_token_is_short_whatever_it_may_do(shared: World) -> None:
    """TOK-11, REQ-56, FIELD token.access_token: a reference that a header can carry, no list of scopes."""
    scope = " ".join([SCOPE, *(f"patient/Observation.rs?category=c-{number}" for number in range(100))])
    request = shared.public.authorization_request(scope=scope, launch=launch(shared))
    reply = shared.browser().request("POST", f"{ISSUER}/authorize", urlencode(request).encode(), {"Content-Type": FORM})
    tokens = shared.public.redeem(reply.location_parameters["code"]).json()
    assert tokens["scope"] == scope
    assert len(tokens["access_token"]) <= 64
    assert B64TOKEN.fullmatch(tokens["access_token"])


def test_the_answer_is_added_to_the_query_that_was_registered(shared: World) -> None:
    """AUTHZ-20, AUTHZ-24, REQ-91, REQ-125."""
    reply = shared.public.launched(launch(shared), SCOPE, redirect_uri=f"{APP}/cb2?x=1")
    parts = urlsplit(reply.location)
    code = reply.location_parameters["code"]
    expected = urlencode({"code": code, "state": shared.public.state, "iss": ISSUER})
    assert (reply.status, parts.scheme, parts.netloc, parts.path) == (303, "https", "app.example", "/cb2")
    assert (parts.query, parts.fragment) == (f"x=1&{expected}", "")


@pytest.mark.parametrize(
    ("scope", "has_id_token", "says_fhir_user"),
    [
        ("launch patient/*.rs", False, False),
        ("launch openid patient/*.rs", True, False),
        ("launch openid fhirUser patient/*.rs", True, True),
        ("launch fhirUser patient/*.rs", False, False),
    ],
)
def test_who_the_user_is_is_said_when_it_was_asked(
    shared: World, scope: str, *, has_id_token: bool, says_fhir_user: bool
) -> None:
    """SCP-30, OID-03, FIELD token.id_token, CAPABILITY sso-openid-connect, REQ-53, REQ-100."""
    tokens = shared.public.tokens(launch(shared), scope)
    assert ("id_token" in tokens) is has_id_token
    said = shared.services.keyring.verify(tokens["id_token"]) if has_id_token else {}
    assert said.get("fhirUser") == (f"{FHIR}/Practitioner/dr" if says_fhir_user else None)
    assert ("fhirUser" in tokens["scope"].split()) is says_fhir_user


def test_a_launch_without_a_patient_is_for_the_user_alone(shared: World) -> None:
    """REQ-129, CAPABILITY permission-user: there is no ``patient`` and no scope about one."""
    handle = str(shared.ehr.launch("public", "Practitioner/dr")["launch"])
    tokens = shared.public.tokens(handle, "launch user/Patient.rs")
    assert set(tokens) == {"access_token", "token_type", "expires_in", "scope"}
    assert tokens["scope"] == "launch user/Patient.rs"


@pytest.mark.parametrize("scope", ["patient/*.rs", "launch/patient patient/*.rs"])
def test_a_patient_scope_brings_the_patient_with_or_without_its_launch_scope(shared: World, scope: str) -> None:
    """CTX-10, CTX-12, SCP-31, AMB-24, AMB-28, VER-09, CAPABILITY permission-patient."""
    tokens = shared.public.redeem(shared.standalone(shared.public, scope, "alice")).json()
    assert (tokens["patient"], tokens["scope"]) == ("A", scope)


def test_a_hint_of_an_ehr_launch_is_echoed(shared: World) -> None:
    """Q-20, SCP-26: ``launch/patient`` beside ``launch`` comes back in ``scope`` as it was asked."""
    scope = "launch launch/patient patient/*.rs"
    assert shared.public.tokens(launch(shared), scope)["scope"] == scope


def test_offline_access_needs_no_prompt(shared: World) -> None:
    """SCP-33, SCP-35, CAPABILITY permission-offline, BP-06: the app is public and sends no ``prompt=consent``."""
    tokens = shared.public.tokens(launch(shared), f"{SCOPE} offline_access")
    assert tokens["scope"].endswith(" offline_access")
    assert tokens["refresh_token"]


def test_where_a_confidential_app_calls_from_is_no_reason_to_refuse(shared: World) -> None:
    """Q-22: CORS decides what a page may read, not who may ask."""
    app = shared.confidential
    form = {"grant_type": "authorization_code", "code": app.code(launch(shared, "confidential"), SCOPE)}
    form |= {"redirect_uri": app.redirect_uri, "code_verifier": app.verifier}
    reply = app.post("/token", form, {"Origin": "https://elsewhere.example"})
    assert (reply.status, reply.header("access-control-allow-origin")) == (200, None)


def test_nothing_but_smarts_own_parameters_is_needed(shared: World) -> None:
    """REQ-65, REQ-77: the nine parameters that SMART lists, and the five of the exchange."""
    request = shared.public.authorization_request(scope=SCOPE, launch=launch(shared))
    assert len(request) == 9
    code = shared.browser().open(shared.public.authorize_url(**request)).location_parameters["code"]
    assert shared.public.redeem(code).status == 200


@pytest.mark.parametrize("name", ["response_type", "state", "aud", "code_challenge", "code_challenge_method"])
def test_what_an_app_left_out_is_named(shared: World, name: str) -> None:
    """Q-10, ERR-02: an app that was written for another server reads what to add."""
    left_out: dict[str, str | None] = {name: None}
    told = shared.public.launched(launch(shared), SCOPE, **left_out).location_parameters
    assert (told["error"], name in told["error_description"]) == ("invalid_request", True)


def test_a_long_request_comes_through_every_page_whole(shared: World) -> None:
    """AUTHZ-02, AUTHZ-03, TOK-11: posted, then sign-in and consent; state and every scope are what they were."""
    scope = "launch/patient " + " ".join(f"patient/Observation.rs?category=c-{number:03}" for number in range(190))
    state = "s" * 4096
    browser = shared.browser()
    request = shared.public.authorization_request(scope=scope, state=state, prompt="consent")
    page = browser.request("POST", f"{ISSUER}/authorize", urlencode(request).encode(), {"Content-Type": FORM})
    done = browser.submit(browser.sign_in(browser.follow(page), "alice", "alice-password"), press="allow")
    assert done.location_parameters["state"] == state
    assert shared.public.redeem(done.location_parameters["code"]).json()["scope"] == scope
