"""One regression test for each trap of Authlib 1.9.9 that this server could fall into (oauth.md 1.2, by number)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import select

from authz.clients.model import ClientRow
from authz.settings import ConfigurationError, Settings
from authz.tokens.model import CodeRow
from tests.actors import FORM, basic
from tests.world import ISSUER, SECRET, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.transport import Reply
    from tests.world import World

SCOPE = "launch openid fhirUser patient/Observation.rs offline_access"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = build(settings_in(tmp_path_factory.mktemp("traps")))
    with made.app.app_context():
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()


def launch(world: World, client: str = "public") -> str:
    given: dict[str, Any] = {"patient": "A"}
    return str(world.ehr.launch(client, "Practitioner/dr", **given)["launch"])


def tokens(world: World) -> dict[str, Any]:
    return world.public.tokens(launch(world), SCOPE)


def refused(world: World, **changes: str | None) -> dict[str, str]:
    """The error redirect of an authorization request; it always names the issuer (trap 6)."""
    reply = world.browser().open(world.public.authorize_url(**{"scope": SCOPE, **changes}))
    assert reply.status == 303
    parameters = reply.location_parameters
    assert parameters["iss"] == ISSUER
    assert parameters["state"] == world.public.state
    return parameters


def post(world: World, path: str, form: dict[str, str], headers: dict[str, str] | None = None) -> Reply:
    sent = {"Content-Type": FORM, **(headers or {})}
    return world.transport.send("POST", ISSUER + path, sent, urlencode(form).encode())


@pytest.mark.parametrize("name", ["response_type", "redirect_uri"])
def test_4_a_quote_in_a_parameter_is_refused_and_no_server_error(world: World, name: str) -> None:
    """Trap 4: a description with a forbidden character raised ValueError; ST-12, REQ-107."""
    reply = world.browser().open(world.public.authorize_url(scope=SCOPE, **{name: '"'}))
    assert reply.status == (303 if name == "response_type" else 400)


def test_5_a_missing_response_type_is_an_invalid_request(world: World) -> None:
    """Trap 5, RFC 6749 §4.1.2.1."""
    assert refused(world, response_type=None)["error"] == "invalid_request"


def test_6_an_error_redirect_names_the_issuer(world: World) -> None:
    """Trap 6, RFC 9207 §2."""
    assert refused(world, scope="patient/Observation.rs", launch="unknown")["error"] == "invalid_request"


def test_7_a_token_lives_an_hour_at_most(world: World) -> None:
    """Trap 7: ten days by default; TOK-10; ST-02, REQ-95, REQ-107."""
    assert tokens(world)["expires_in"] == 3600


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": None},
        {"code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge": "a" * 42},
    ],
)
def test_8_pkce_is_demanded_at_the_authorization_endpoint(world: World, changes: dict[str, str | None]) -> None:
    """Trap 8: optional, and ``plain`` without a method; PKCE-04; ST-01, REQ-107."""
    assert refused(world, launch=launch(world), **changes)["error"] == "invalid_request"


def test_9_a_repeated_nonce_is_refused(world: World) -> None:
    """Trap 9: duplicates were looked for in five parameters only; ST-10, REQ-107."""
    url = world.public.authorize_url(scope=SCOPE, launch=launch(world), nonce="a")
    assert world.browser().open(f"{url}&nonce=b").location_parameters["error"] == "invalid_request"


def test_13_nothing_grantable_is_an_invalid_scope_and_scope_is_always_told(world: World) -> None:
    """Trap 13: a token without ``scope`` was issued; ST-03, ERR-05, REQ-99, REQ-107."""
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope="user/Unknown.rs"))
    answer = browser.sign_in(page, "doctor", "doctor-password").location_parameters
    assert answer["error"] == "invalid_scope"
    assert tokens(world)["scope"] == SCOPE


def test_14_scopes_are_compared_by_meaning(world: World) -> None:
    """Trap 14: a literal set test would refuse a narrower scope of a wildcard; ST-04, REQ-107."""
    granted = world.public.tokens(launch(world), "launch patient/Observation.rs?category=laboratory")
    assert granted["scope"] == "launch patient/Observation.rs?category=laboratory"


def test_15_and_16_a_used_code_stays_and_lives_sixty_seconds_from_its_issue(world: World) -> None:
    """Traps 15, 16: deleted after use, and born expired with a real ``auth_time``; AUTHZ-21, REQ-95, REQ-107."""
    code = world.public.code(launch(world), SCOPE)
    assert world.public.redeem(code).status == 200
    with world.services.db.read() as session:
        rows = session.scalars(select(CodeRow).where(CodeRow.used_at.is_not(None))).all()
    assert rows
    late = world.public.code(launch(world), SCOPE)
    world.clock.forward(seconds=61)
    assert world.public.redeem(late).json()["error"] == "invalid_grant"


def test_17_no_client_secret_is_kept(world: World) -> None:
    """Trap 17: stored in clear, and any method was good at other endpoints than /token; REQ-62."""
    with world.services.db.read() as session:
        row = session.get(ClientRow, "confidential")
        assert row is not None
        assert SECRET not in str(row.secrets)
    reply = post(world, "/revoke", {"token": "x", "client_id": "confidential"})
    assert (reply.status, reply.json()["error"]) == (401, "invalid_client")


def test_18_refreshing_rotates_and_keeps_the_whole_scope(world: World) -> None:
    """Trap 18: no new refresh token, no reuse detection, and a narrowed scope stayed narrow.

    ST-05, REF-11, BP-02, REQ-105, REQ-107.
    """
    first = tokens(world)
    narrow = world.public.refresh(first["refresh_token"], scope="patient/Observation.r").json()
    assert narrow["refresh_token"] != first["refresh_token"]
    assert world.public.refresh(narrow["refresh_token"]).json()["scope"] == SCOPE
    world.clock.forward(seconds=11)
    assert world.public.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert world.fhir_server.introspect(narrow["access_token"]) == {"active": False}


def test_19_auth_time_stays_that_of_the_sign_in(world: World) -> None:
    """Trap 19, OIDC Core §12.2; and the nonce is in the first id_token only; REF-14, AMB-09."""
    first = world.public.tokens(launch(world), SCOPE, nonce="n")
    before = world.services.keyring.verify(first["id_token"])
    world.clock.forward(seconds=30)
    after = world.services.keyring.verify(world.public.refresh(first["refresh_token"]).json()["id_token"])
    assert after["auth_time"] == before["auth_time"]
    assert (before.get("nonce"), after.get("nonce")) == ("n", None)


def test_20_a_nonce_may_come_again(world: World) -> None:
    """Trap 20: OIDC asks for no other processing of the nonce; FIELD authorize.nonce."""
    for _ in range(2):
        claims = world.services.keyring.verify(world.public.tokens(launch(world), SCOPE, nonce="same")["id_token"])
        assert claims["nonce"] == "same"


def test_21_and_32_the_id_token_has_our_claims_and_one_audience(world: World) -> None:
    """Traps 21, 32: user claims could overwrite ``iss``; ``aud`` was a list; Q-07, ST-14."""
    claims = world.services.keyring.verify(tokens(world)["id_token"])
    assert (claims["iss"], claims["aud"]) == (ISSUER, "public")
    assert not {"name", "email", "profile"} & set(claims)


def test_25_an_unknown_token_type_hint_is_ignored(world: World) -> None:
    """Trap 25, RFC 7009 §2.2, RFC 7662 §2.1; MGT-01, INT-01."""
    token = tokens(world)["access_token"]
    assert world.fhir_server.ask(token, token_type_hint="bogus").json()["active"] is True
    assert world.public.post("/revoke", {"token": token, "token_type_hint": "bogus"}).status == 200
    assert world.fhir_server.introspect(token) == {"active": False}


def test_27_a_missing_token_gets_the_challenge_without_an_error(world: World) -> None:
    """Trap 27, RFC 6750 §3.1; REQ-93."""
    reply = world.transport.send("GET", f"{ISSUER}/userinfo")
    assert (reply.status, reply.header("www-authenticate")) == (401, 'Bearer realm="authz"')


def test_33_prompt_none_without_a_session_needs_a_login(world: World) -> None:
    """Trap 33, OIDC Core §3.1.2.6."""
    assert refused(world, scope="openid patient/Observation.rs", prompt="none")["error"] == "login_required"


def test_34_a_response_mode_that_is_not_offered_is_refused(world: World) -> None:
    """Trap 34: form_post silently became query; REQ-107."""
    assert refused(world, launch=launch(world), response_mode="form_post")["error"] == "invalid_request"


def test_36_the_switch_that_turns_the_tls_check_off_stops_the_start() -> None:
    """Trap 36: AUTHLIB_INSECURE_TRANSPORT."""
    with pytest.raises(ConfigurationError, match="AUTHLIB_INSECURE_TRANSPORT"):
        Settings.load({"AUTHLIB_INSECURE_TRANSPORT": "1"})


def test_37_the_context_comes_with_every_refresh(world: World) -> None:
    """Trap 37, REF-08; Q-12, VER-09, AMB-24."""
    assert world.public.refresh(tokens(world)["refresh_token"]).json()["patient"] == "A"


def test_38_an_error_that_may_not_travel_is_a_page(world: World) -> None:
    """Trap 38: raw JSON was shown in the browser; ERR-01."""
    reply = world.browser().open(world.public.authorize_url(scope=SCOPE, client_id="nobody"))
    assert (reply.status, reply.header("content-type")) == (400, "text/html; charset=utf-8")
    assert "<h1>" in reply.text


def test_12_a_basic_header_that_is_no_text_is_refused(world: World) -> None:
    """Trap 12: UnicodeDecodeError; REQ-107."""
    reply = post(world, "/token", {"grant_type": "refresh_token"}, {"Authorization": "Basic //79"})
    assert (reply.status, reply.json()["error"]) == (401, "invalid_client")


def test_26_revocation_takes_every_method_that_a_client_may_have(world: World) -> None:
    """Trap 26: client_secret_basic only; the public app above used none."""
    reply = post(world, "/revoke", {"token": "x"}, basic("confidential", SECRET))
    assert (reply.status, reply.body) == (200, b"")
