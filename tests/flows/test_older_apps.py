"""Apps written for SMART 1.0: refused by default with words that help, forgiven where the hospital says so."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from authz.audit.search import Query, search
from authz.clients.legacy import Legacy, switch_off, switch_on
from authz.tokens.model import GrantRow
from tests.actors import challenge
from tests.world import FHIR

if TYPE_CHECKING:
    from tests.actors import SmartApp
    from tests.transport import Reply
    from tests.world import World

NO_PKCE: dict[str, str | None] = {"code_challenge": None, "code_challenge_method": None}
SCOPE = "launch openid fhirUser patient/*.read"
DR = f"{FHIR}/Practitioner/dr"


def allow(world: World, client_id: str, switch: Legacy) -> None:
    with world.services.db.write() as session:
        switch_on(world.services.clients.row(session, client_id), switch, world.clock(), "admin", "old app")


def forbid(world: World, client_id: str, switch: Legacy) -> None:
    with world.services.db.write() as session:
        switch_off(world.services.clients.row(session, client_id), switch)


def launched(world: World, app: SmartApp, scope: str = SCOPE, **changes: str | None) -> Reply:
    handle = str(world.ehr.launch(app.client_id, "Practitioner/dr", patient="A")["launch"])
    return app.launched(handle, scope, **changes)


def redeem_without_verifier(app: SmartApp, code: str) -> Reply:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": app.redirect_uri}
    return app.post("/token", form)


def claims(tokens: dict[str, Any]) -> dict[str, Any]:
    payload = tokens["id_token"].split(".")[1]
    found: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


def used(world: World, client_id: str) -> list[str | None]:
    with world.services.db.read() as session:
        return [one["reason"] for one in search(session, Query(event="legacy.used", client_id=client_id))]


def test_by_default_nobody_goes_without_pkce(world: World) -> None:
    """VER-04, PKCE-04, REQ-D3: neither a public app nor a confidential one."""
    for app in (world.public, world.confidential):
        refusal = launched(world, app, SCOPE, **NO_PKCE).location_parameters
        assert refusal["error"] == "invalid_request"
        assert refusal["error_description"].startswith("code_challenge is missing; PKCE with S256 is required")


def test_an_older_confidential_app_is_allowed_to(world: World) -> None:
    """VER-04, Q-10: its secret proves who redeems the code; each time is on the audit trail."""
    allow(world, "confidential", Legacy.MISSING_PKCE)
    code = launched(world, world.confidential, SCOPE, **NO_PKCE).location_parameters["code"]
    tokens = redeem_without_verifier(world.confidential, code).json()
    assert tokens["patient"] == "A"
    assert used(world, "confidential") == ["allow-missing-pkce"]
    assert redeem_without_verifier(world.confidential, code).json()["error"] == "invalid_grant"


def test_it_stays_protected_where_it_does_send_pkce(world: World) -> None:
    """PKCE-03, PKCE-05, RFC 9700 §4.8.2: a challenge demands its verifier, a verifier its challenge."""
    allow(world, "confidential", Legacy.MISSING_PKCE)
    app = world.confidential
    code = launched(world, app).location_parameters["code"]
    refusal = redeem_without_verifier(app, code).json()
    assert (refusal["error"], refusal["error_description"]) == ("invalid_request", "code_verifier is missing")
    assert app.redeem(code).status == 200
    assert used(world, "confidential") == []
    bare = launched(world, app, SCOPE, **NO_PKCE).location_parameters["code"]
    assert app.redeem(bare).json()["error"] == "invalid_grant"
    for half in ({"code_challenge": None}, {"code_challenge_method": None}, {"code_challenge_method": "plain"}):
        assert launched(world, app, SCOPE, **half).location_parameters["error"] == "invalid_request"


def test_a_code_without_challenge_is_of_no_use_to_anybody_else(world: World) -> None:
    """AUTHZ-22: the client's own authentication is all that is left, so it is never done without."""
    allow(world, "confidential", Legacy.MISSING_PKCE)
    code = launched(world, world.confidential, SCOPE, **NO_PKCE).location_parameters["code"]
    assert redeem_without_verifier(world.public, code).json()["error"] == "invalid_grant"
    stolen = {"grant_type": "authorization_code", "code": code, "redirect_uri": world.confidential.redirect_uri}
    assert world.public.post("/token", {**stolen, "client_id": "confidential"}).status == 401
    assert redeem_without_verifier(world.confidential, code).status == 200


def test_without_state_only_who_sends_pkce(world: World) -> None:
    """AUTHZ-14, AMB-06, FIELD authorize.state: by default none goes without; one that may gets an answer without it."""
    refusal = launched(world, world.public, state=None).location_parameters
    assert refusal["error"] == "invalid_request"
    assert "state" not in refusal
    allow(world, "public", Legacy.MISSING_STATE)
    answer = launched(world, world.public, state=None).location_parameters
    assert set(answer) == {"code", "iss"}
    assert world.public.redeem(answer["code"]).status == 200
    assert used(world, "public") == ["allow-missing-state"]
    refusal = launched(world, world.public, SCOPE, state=None, **NO_PKCE).location_parameters
    assert refusal["error"] == "invalid_request"


@pytest.mark.parametrize("switch", list(Legacy))
def test_no_switch_lets_an_app_leave_out_aud(world: World, switch: Legacy) -> None:
    """AUTHZ-12: without it a counterfeit FHIR server could have a token made for itself; there is no switch."""
    allow(world, "confidential", switch)
    assert launched(world, world.confidential, aud=None).location_parameters["error"] == "invalid_request"


def test_profile_is_not_fhir_user_by_default_and_the_verdict_says_so(world: World) -> None:
    """SCP-32, VER-06, REQ-81, REQ-D4: OpenID Connect gave the name another meaning."""
    reply = launched(world, world.public, "launch openid profile patient/*.read")
    tokens = world.public.redeem(reply.location_parameters["code"]).json()
    assert tokens["scope"] == "launch openid profile patient/*.read"
    assert not {"fhirUser", "profile"} & set(claims(tokens))
    assert verdict(world, "profile") == {
        "requested": "profile",
        "outcome": "granted",
        "granted": ["profile"],
        "reason": None,
        "detail": "did you mean fhirUser? That was its name in SMART 1.0; profile gives a person's name",
    }


def test_an_app_of_smart_1_reads_its_user_in_profile(world: World) -> None:
    """SCP-32, VER-06, REQ-81, REQ-D4: the same claim by both names, after a refresh as well."""
    allow(world, "public", Legacy.PROFILE)
    reply = launched(world, world.public, "launch openid profile patient/*.read online_access")
    tokens = world.public.redeem(reply.location_parameters["code"]).json()
    assert tokens["scope"] == "launch openid profile fhirUser patient/*.read online_access"
    assert (claims(tokens)["fhirUser"], claims(tokens)["profile"]) == (DR, DR)
    again = world.public.refresh(tokens["refresh_token"], scope="openid profile").json()
    assert (claims(again)["fhirUser"], claims(again)["profile"]) == (DR, DR)
    assert used(world, "public") == ["profile-as-fhirUser"]


def test_an_app_that_asks_by_todays_names_gets_todays_claims(world: World) -> None:
    allow(world, "public", Legacy.PROFILE)
    reply = launched(world, world.public)
    found = claims(world.public.redeem(reply.location_parameters["code"]).json())
    assert found["fhirUser"] == DR
    assert "profile" not in found
    assert used(world, "public") == []


def test_fhiruser_is_not_fhir_user_by_default_and_the_verdict_says_so(world: World) -> None:
    """REQ-54, REQ-D11: scopes are case-sensitive."""
    reply = launched(world, world.public, "launch openid fhiruser patient/*.read")
    tokens = world.public.redeem(reply.location_parameters["code"]).json()
    assert tokens["scope"] == "launch openid patient/*.read"
    assert "fhirUser" not in claims(tokens)
    assert verdict(world, "fhiruser")["detail"] == "did you mean fhirUser? Scopes are case-sensitive"


def test_an_app_that_spells_it_fhiruser_is_understood(world: World) -> None:
    """REQ-54, REQ-D11: the answer has the right spelling; nothing advertises the other."""
    allow(world, "public", Legacy.LOWER_CASE)
    reply = launched(world, world.public, "launch openid fhiruser patient/*.read online_access")
    tokens = world.public.redeem(reply.location_parameters["code"]).json()
    assert tokens["scope"] == "launch openid fhirUser patient/*.read online_access"
    assert claims(tokens)["fhirUser"] == DR
    assert world.public.refresh(tokens["refresh_token"], scope="openid fhiruser").json()["scope"] == "openid fhirUser"
    assert used(world, "public") == ["fhiruser-as-fhirUser"]


def test_what_is_forgiven_no_longer_is_refused_again(world: World) -> None:
    allow(world, "confidential", Legacy.MISSING_PKCE)
    forbid(world, "confidential", Legacy.MISSING_PKCE)
    assert launched(world, world.confidential, SCOPE, **NO_PKCE).location_parameters["error"] == "invalid_request"


def test_a_launch_can_not_be_taken_over_by_a_request_without_pkce(world: World) -> None:
    """Decision 14: who claimed the launch first, with a challenge, keeps it."""
    allow(world, "confidential", Legacy.MISSING_PKCE)
    app = world.confidential
    handle = str(world.ehr.launch("confidential", "Practitioner/dr", patient="A")["launch"])
    assert "code" in app.launched(handle, SCOPE, code_challenge=challenge("v" * 43)).location_parameters
    assert app.launched(handle, SCOPE, **NO_PKCE).location_parameters["error"] == "invalid_request"


def verdict(world: World, requested: str) -> dict[str, Any]:
    with world.services.db.read() as session:
        (grant,) = session.scalars(select(GrantRow))
        (found,) = [one for one in grant.verdicts if one["requested"] == requested]
        return dict(found)
