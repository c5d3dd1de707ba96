"""Taking a token back (SMART section 18, RFC 7009; the RV cases)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from tests.actors import FORM, basic
from tests.world import ISSUER

if TYPE_CHECKING:
    from tests.transport import Reply
    from tests.world import World

SCOPE = "launch patient/*.rs online_access"


def tokens(world: World, app: str = "public") -> dict[str, str]:
    handle = str(world.ehr.launch(app, "Practitioner/dr", patient="A")["launch"])
    client = world.public if app == "public" else world.confidential
    answer: dict[str, str] = client.tokens(handle, SCOPE)
    return answer


def revoke(world: World, form: dict[str, str], headers: dict[str, str] | None = None, method: str = "POST") -> Reply:
    sent = {"Content-Type": FORM, **(headers or {})}
    return world.transport.send(method, f"{ISSUER}/revoke", sent, urlencode(form).encode())


@pytest.mark.parametrize(
    ("form", "headers"),
    [
        pytest.param({"client_id": "confidential"}, {}, id="confidential, nothing"),
        pytest.param({}, basic("confidential", "wrong"), id="confidential, wrong"),
        pytest.param({"client_id": "nobody"}, {}, id="unknown"),
    ],
)
def test_who_revokes_says_who_they_are(shared: World, form: dict[str, str], headers: dict[str, str]) -> None:
    """MGT-01, RV-01: as at the token endpoint."""
    token = tokens(shared, "confidential")["access_token"]
    reply = revoke(shared, {"token": token, **form}, headers)
    assert (reply.status, reply.json()["error"]) == (401, "invalid_client")
    assert shared.fhir_server.introspect(token)["active"] is True


def test_what_there_is_not_is_revoked_as_well(shared: World) -> None:
    """MGT-01, RV-02, RV-03: unknown, revoked before and another app's read the same, and another app's lives on."""
    own, foreign = tokens(shared)["access_token"], tokens(shared, "confidential")["access_token"]
    for token in (own, own, "unknown", "x" * 5000, foreign):
        reply = revoke(shared, {"token": token, "client_id": "public"})
        assert (reply.status, reply.body, reply.header("cache-control")) == (200, b"", "no-store")
    assert shared.fhir_server.introspect(own) == {"active": False}
    assert shared.fhir_server.introspect(foreign)["active"] is True


def test_a_revoked_access_token_leaves_the_app_its_refresh_token(shared: World) -> None:
    """RV-06, RFC 7009 §2.1: only a refresh token takes everything along."""
    given = tokens(shared)
    assert shared.public.revoke(given["access_token"]).status == 200
    assert shared.fhir_server.introspect(given["access_token"]) == {"active": False}
    assert shared.public.refresh(given["refresh_token"]).status == 200


def test_a_revoked_refresh_token_ends_every_token_of_its_family(shared: World) -> None:
    """MGT-03, RV-05: also the access tokens that were bought with refresh tokens before it."""
    first = tokens(shared)
    second = shared.public.refresh(first["refresh_token"]).json()
    assert shared.public.revoke(second["refresh_token"]).status == 200
    for given in (first, second):
        assert shared.fhir_server.introspect(given["access_token"]) == {"active": False}
        assert shared.public.refresh(given["refresh_token"]).json()["error"] == "invalid_grant"


def test_revoking_is_a_post(shared: World) -> None:
    """MGT-01, RV-09: nothing to be put into a link."""
    assert revoke(shared, {}, method="GET").status == 405
    missing = revoke(shared, {"client_id": "public"})
    assert (missing.status, missing.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "bogus"])
def test_a_hint_is_only_a_hint(shared: World, hint: str) -> None:
    """RFC 7009 §2.1, oauth.md trap 25: wrong or unknown, the token is found."""
    for kind in ("access_token", "refresh_token"):
        issued = tokens(shared)
        assert shared.public.post("/revoke", {"token": issued[kind], "token_type_hint": hint}).status == 200
        assert shared.fhir_server.introspect(issued["access_token"]) == {"active": False}
