"""The token endpoint's refusals (SMART section 25, RFC 6749 §5.2, security.md TK and CA)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from tests.actors import FORM, basic, challenge, new_verifier
from tests.world import ISSUER, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.transport import Reply
    from tests.world import World

SCOPE = "launch openid fhirUser patient/Observation.rs offline_access"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One server for all refusals: a refusal changes nothing."""
    made = build(settings_in(tmp_path_factory.mktemp("token-errors")))
    with made.app.app_context():
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()


def code(world: World, client: str = "public") -> str:
    app = world.public if client == "public" else world.confidential
    given: dict[str, Any] = {"patient": "A"}
    return app.code(str(world.ehr.launch(client, "Practitioner/dr", **given)["launch"]), SCOPE)


def form(world: World, **changes: str | None) -> dict[str, str]:
    """A good redemption by the public app; ``name=None`` leaves a parameter out."""
    good = {
        "grant_type": "authorization_code",
        "client_id": "public",
        "redirect_uri": world.public.redirect_uri,
        "code_verifier": world.public.verifier,
        **changes,
    }
    return {name: value for name, value in good.items() if value is not None}


def post(world: World, fields: dict[str, str] | str, headers: dict[str, str] | None = None, query: str = "") -> Reply:
    body = fields if isinstance(fields, str) else urlencode(fields)
    return world.transport.send(
        "POST", f"{ISSUER}/token{query}", {"Content-Type": FORM, **(headers or {})}, body.encode()
    )


def refusal(reply: Reply) -> tuple[int, str]:
    """Status and error code; every refusal has a description and is stored nowhere (TOK-07, TK-38)."""
    body = reply.refusal()
    assert set(body) == {"error", "error_description"}
    assert body["error_description"]
    assert reply.header("cache-control") == "no-store"
    assert reply.header("pragma") == "no-cache"
    return reply.status, body["error"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"grant_type": None}, (400, "invalid_request"), id="no grant_type"),
        pytest.param({"grant_type": "password"}, (400, "unsupported_grant_type"), id="password"),
        pytest.param({"grant_type": "implicit"}, (400, "unsupported_grant_type"), id="implicit"),
        pytest.param({"grant_type": "Authorization_Code"}, (400, "unsupported_grant_type"), id="case"),
        pytest.param({"code": None}, (400, "invalid_request"), id="no code"),
        pytest.param({"code": "unknown"}, (400, "invalid_grant"), id="unknown code"),
        pytest.param({"redirect_uri": None}, (400, "invalid_request"), id="no redirect_uri"),
        pytest.param({"redirect_uri": "https://app.example/cb2?x=1"}, (400, "invalid_grant"), id="other redirect_uri"),
        pytest.param({"redirect_uri": "https://app.example/cb/"}, (400, "invalid_grant"), id="slash added"),
        pytest.param({"code_verifier": None}, (400, "invalid_request"), id="no verifier"),
        pytest.param({"code_verifier": new_verifier()}, (400, "invalid_grant"), id="wrong verifier"),
        pytest.param({"code_verifier": "a" * 42}, (400, "invalid_grant"), id="short verifier"),
        pytest.param({"code_verifier": "a" * 129}, (400, "invalid_grant"), id="long verifier"),
        pytest.param({"client_id": None}, (400, "invalid_request"), id="no client_id"),
        pytest.param({"client_id": "nobody"}, (401, "invalid_client"), id="unknown client"),
        pytest.param({"client_id": "confidential"}, (401, "invalid_client"), id="confidential without secret"),
    ],
)
def test_a_redemption_that_is_not_right_is_refused(
    world: World, changes: dict[str, str | None], expected: tuple[int, str]
) -> None:
    """SMART section 25, TK-05, TK-13..17, PKCE-05, TOK-04; TOK-02, TOK-03, ERR-08, ERR-09, ERR-10, ERR-11, REQ-96.

    AUTHZ-22.
    """
    assert refusal(post(world, form(world, **{"code": code(world), **changes}))) == expected


def test_the_verifier_is_not_the_challenge(world: World) -> None:
    """TK-15, PKCE-05: no downgrade to plain; PKCE-02."""
    sent = form(world, code=code(world), code_verifier=challenge(world.public.verifier))
    assert refusal(post(world, sent)) == (400, "invalid_grant")


def test_after_five_wrong_verifiers_the_code_is_dead(world: World) -> None:
    """TK-18."""
    sent = code(world)
    for _ in range(5):
        assert refusal(post(world, form(world, code=sent, code_verifier=new_verifier()))) == (400, "invalid_grant")
    assert refusal(post(world, form(world, code=sent))) == (400, "invalid_grant")


@pytest.mark.parametrize("name", ["grant_type", "code", "client_id", "code_verifier", "redirect_uri"])
def test_a_parameter_sent_twice_is_refused_and_nothing_is_consumed(world: World, name: str) -> None:
    """RFC 6749 §3.2, TK-06; Authlib trap 9; ST-10."""
    good = form(world, code=code(world))
    assert refusal(post(world, f"{urlencode(good)}&{urlencode({name: good[name]})}")) == (400, "invalid_request")
    assert post(world, good).status == 200


def test_parameters_in_the_query_are_refused(world: World) -> None:
    """TK-02, Authlib trap 11: the body is the only source; ST-15."""
    good = form(world, code=code(world))
    assert refusal(post(world, good, query="?grant_type=authorization_code")) == (400, "invalid_request")
    assert post(world, good).status == 200


def test_the_token_endpoint_is_post_and_form_only(world: World) -> None:
    """TK-01: 405 with Allow; a JSON body is refused; TOK-01, ERR-15."""
    reply = world.transport.send("GET", f"{ISSUER}/token?{urlencode(form(world, code='x'))}")
    assert reply.status == 405
    assert reply.header("allow") == "OPTIONS, POST"
    wrong = world.transport.send("POST", f"{ISSUER}/token", {"Content-Type": "application/json"}, b"{}")
    assert refusal(wrong) == (400, "invalid_request")


def test_wrong_secret_and_unknown_client_read_the_same(world: World) -> None:
    """CA-01, SYM-05: 401 with the Basic challenge; ERR-08, ST-08."""
    sent = {"grant_type": "authorization_code", "code": "x", "redirect_uri": "x", "code_verifier": "x"}
    wrong, unknown = (
        post(world, sent, basic("confidential", "not-the-secret")),
        post(world, sent, basic("nobody", "not-the-secret")),
    )
    assert refusal(wrong) == refusal(unknown) == (401, "invalid_client")
    assert wrong.refusal() == unknown.refusal()
    assert wrong.header("www-authenticate") == unknown.header("www-authenticate") == 'Basic realm="authz"'


def test_two_ways_of_client_authentication_at_once_are_refused(world: World) -> None:
    """RFC 6749 §2.3, CA-02; Authlib trap 10."""
    secret = world.confidential.secret or ""
    sent = {"grant_type": "authorization_code", "client_id": "confidential", "client_secret": secret}
    assert refusal(post(world, sent, basic("confidential", secret))) == (400, "invalid_request")


def test_basic_and_another_client_id_in_the_body_are_refused(world: World) -> None:
    """CA-03, TOK-04: identities are never mixed."""
    sent = {"grant_type": "authorization_code", "client_id": "public", "code": "x"}
    assert refusal(post(world, sent, basic("confidential", world.confidential.secret or ""))) == (401, "invalid_client")


def test_a_client_uses_the_method_it_is_registered_with(world: World) -> None:
    """TOK-05: registered for Basic, so the secret in the body is refused; REG-04."""
    sent = {
        "grant_type": "authorization_code",
        "client_id": "confidential",
        "client_secret": world.confidential.secret or "",
        "code": "x",
    }
    assert refusal(post(world, sent)) == (401, "invalid_client")


def test_a_code_of_another_client_is_refused_and_stays_good(world: World) -> None:
    """TK-22's sibling for codes; decision 8: an invalid replay spoils nothing; AUTHZ-22, ERR-09, REQ-127."""
    issued = code(world)
    reply = world.confidential.redeem(
        issued, redirect_uri=world.public.redirect_uri, code_verifier=world.public.verifier
    )
    assert refusal(reply) == (400, "invalid_grant")
    assert world.public.redeem(issued).status == 200


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic " + "/+8="])
def test_a_broken_authorization_header_is_an_error_of_the_client(world: World, header: str) -> None:
    """CA-07, Authlib trap 12: never a 500."""
    status, error = refusal(post(world, form(world, code="x"), {"Authorization": header}))
    assert (status, error) in {(400, "invalid_request"), (401, "invalid_client")}


def test_refresh_scope_beyond_the_grant_is_refused(world: World) -> None:
    """REF-04, TK-27: and the refresh token is still good; REF-02, ERR-13, C26."""
    tokens = post(world, form(world, code=code(world))).json()
    reply = world.public.refresh(tokens["refresh_token"], scope="patient/Observation.cruds")
    assert refusal(reply) == (400, "invalid_scope")
    assert world.public.refresh(tokens["refresh_token"]).status == 200


def test_a_public_app_refreshes_without_its_client_id(world: World) -> None:
    """REF-06, Q-02, AMB-08, ST-05."""
    tokens = post(world, form(world, code=code(world))).json()
    reply = post(world, {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]})
    assert reply.status == 200
    assert reply.json()["scope"] == SCOPE


def test_a_confidential_app_does_not_refresh_without_its_secret(world: World) -> None:
    """TK-23, REF-05, Q-04."""
    tokens = world.confidential.redeem(code(world, "confidential")).json()
    sent = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert refusal(post(world, sent)) == (401, "invalid_client")
    assert refusal(post(world, {**sent, "client_id": "confidential"})) == (401, "invalid_client")


def test_a_narrower_refresh_narrows_the_access_token_only(world: World) -> None:
    """REF-10: the next refresh has the whole scope again; REF-03, TK-41."""
    tokens = post(world, form(world, code=code(world))).json()
    narrow = world.public.refresh(tokens["refresh_token"], scope="patient/Observation.r").json()
    assert narrow["scope"] == "patient/Observation.r"
    assert world.fhir_server.introspect(narrow["access_token"])["scope"] == "patient/Observation.r"
    assert "id_token" not in narrow
    assert world.public.refresh(narrow["refresh_token"]).json()["scope"] == SCOPE
