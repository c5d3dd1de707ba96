"""Who may ask about a token, and what is said of one that is no use (SMART section 17, RFC 7662)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from tests.actors import FORM, basic
from tests.world import ISSUER

if TYPE_CHECKING:
    from tests.transport import Reply
    from tests.world import World

SCOPE = "launch openid fhirUser patient/*.rs online_access"
INACTIVE = {"active": False}


def tokens(world: World, **context: object) -> dict[str, str]:
    handle = str(world.ehr.launch("public", "Practitioner/dr", **{"patient": "A", **context})["launch"])
    answer: dict[str, str] = world.public.tokens(handle, SCOPE)
    return answer


def ask(world: World, headers: dict[str, str], token: str = "x") -> Reply:
    body = urlencode({"token": token}).encode()
    return world.transport.send("POST", f"{ISSUER}/introspect", {"Content-Type": FORM, **headers}, body)


def test_a_token_that_is_no_use_is_inactive_and_nothing_more(world: World) -> None:
    """INT-09, ERR-16: unknown, revoked, expired; 200, stored nowhere, and not a member besides."""
    revoked, expired = tokens(world), tokens(world)
    world.public.revoke(revoked["access_token"])
    world.clock.forward(seconds=3600)
    for token in ("unknown", revoked["access_token"], expired["access_token"], "x" * 5000):
        reply = world.fhir_server.ask(token)
        assert (reply.status, reply.json(), reply.header("cache-control")) == (200, INACTIVE, "no-store")


@pytest.mark.parametrize(
    ("headers", "challenge"),
    [
        pytest.param({}, 'Bearer realm="authz"', id="nobody"),
        pytest.param(basic("rs-main", "wrong"), 'Basic realm="authz"', id="wrong secret"),
        pytest.param(basic("nobody", "x"), 'Basic realm="authz"', id="unknown"),
        pytest.param(basic("confidential", "confidential-test-secret"), 'Basic realm="authz"', id="an app"),
        pytest.param({"Authorization": "Bearer x"}, "Bearer", id="unknown token"),
    ],
)
def test_who_may_not_ask_is_told_how_to_say_who_they_are(
    shared: World, headers: dict[str, str], challenge: str
) -> None:
    """INT-06, ERR-17, AMB-29, REQ-93: 401 with a challenge, whatever the token is worth."""
    for token in ("x", tokens(shared)["access_token"]):
        reply = ask(shared, headers, token)
        assert reply.status == 401
        assert (reply.header("www-authenticate") or "").startswith(challenge)
        assert "active" not in reply.json()


def test_an_apps_own_token_says_nothing_about_tokens(shared: World) -> None:
    """INT-07, INT-08, AMB-19, ST-13: not every bearer token may ask; the scope that it needs is named."""
    token = tokens(shared)["access_token"]
    reply = ask(shared, {"Authorization": f"Bearer {token}"}, token)
    assert (reply.status, reply.json()["error"]) == (403, "insufficient_scope")
    assert 'scope="__introspect"' in (reply.header("www-authenticate") or "")


def test_what_is_said_of_a_token_is_what_the_app_was_told(shared: World) -> None:
    """INT-02, INT-03, INT-04, VER-13, REQ-33: same scope, time and context; also for the token of a refresh."""
    first = tokens(shared, encounter="E1", tenant="t-1", intent="summary", need_patient_banner=True)
    for answer in (first, shared.public.refresh(first["refresh_token"]).json()):
        said = shared.fhir_server.introspect(answer["access_token"])
        context = {name for name in answer if not name.endswith("_token")} - {"expires_in", "token_type"}
        assert context == {"scope", "patient", "encounter", "tenant", "intent", "need_patient_banner"}
        assert {name: said[name] for name in context} == {name: answer[name] for name in context}
        assert said["exp"] - said["iat"] == answer["expires_in"]
        claims = shared.services.keyring.verify(answer["id_token"])
        assert (said["iss"], said["sub"], said["fhirUser"]) == (claims["iss"], claims["sub"], claims["fhirUser"])
        assert said["client_id"] == claims["aud"] == "public"
