"""The main job: an app launched from an EHR gets a token with the right context, and a FHIR server honours it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.world import FHIR, ISSUER

if TYPE_CHECKING:
    from tests.world import World

SCOPE = "launch openid fhirUser patient/*.rs patient/Observation.c online_access"


def launch(world: World, **context: object) -> str:
    given = {"patient": "A", "encounter": "E1", "need_patient_banner": False, "session": "ehr-session-1", **context}
    return str(
        world.ehr.launch("public", "Practitioner/dr", launch_url="https://app.example/launch", **given)["launch"]
    )


def test_a_launched_app_gets_the_patient_without_anybody_signing_in(world: World) -> None:
    """SMART section 6.1, CTX-01, TOK-10: context at top level, a token of one hour, never more scope than asked.

    LAU-02, CTX-02, TOK-06, SCP-20, SCP-26, AMB-12, AMB-20, AMB-21, FIELD token.access_token, FIELD token.token_type,
    FIELD token.expires_in, FIELD token.scope, FIELD token.id_token, FIELD token.refresh_token, FIELD context.patient,
    FIELD context.encounter, FIELD context.need_patient_banner, CAPABILITY launch-ehr, CAPABILITY context-ehr-patient,
    CAPABILITY context-ehr-encounter, CAPABILITY context-banner, REQ-24, REQ-98, REQ-99, REQ-134, REQ-D5.
    """
    tokens = world.public.tokens(launch(world), SCOPE)
    assert tokens.pop("access_token")
    assert tokens.pop("refresh_token")
    assert tokens.pop("id_token")
    assert tokens == {
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": SCOPE,
        "patient": "A",
        "encounter": "E1",
        "need_patient_banner": False,
    }


def test_introspection_tells_the_fhir_server_what_the_token_may_do(world: World) -> None:
    """SMART INT-02..05: scope, client, expiry, the launch context, and who the user is.

    INT-01, INT-03, INT-04, INT-05, INT-10, INT-11, TOK-12, REQ-86, REQ-103, REQ-104.
    """
    tokens = world.public.tokens(launch(world), SCOPE)
    answer = world.fhir_server.introspect(tokens["access_token"])
    assert answer.pop("jti")
    assert answer.pop("sub")
    now = int(world.clock().timestamp())
    assert answer == {
        "active": True,
        "scope": SCOPE,
        "client_id": "public",
        "token_type": "Bearer",
        "iat": now,
        "exp": now + 3600,
        "iss": ISSUER,
        "aud": FHIR,
        "fhirUser": f"{FHIR}/Practitioner/dr",
        "patient": "A",
        "encounter": "E1",
        "need_patient_banner": False,
    }


def test_the_id_token_says_who_the_user_is(world: World) -> None:
    """SMART OID-03..08: RS256, one audience, absolute fhirUser, the nonce, how and when the user signed in.

    OID-04, OID-06, OID-08, AMB-31, Q-06, Q-07, FIELD authorize.nonce, REQ-83.
    """
    tokens = world.public.tokens(launch(world), SCOPE, nonce="n-1")
    claims = world.services.keyring.verify(tokens["id_token"])
    assert claims.pop("sub") == world.fhir_server.introspect(tokens["access_token"])["sub"]
    assert claims.pop("at_hash")
    assert claims.pop("sid")
    now = int(world.clock().timestamp())
    assert claims == {
        "iss": ISSUER,
        "aud": "public",
        "iat": now,
        "exp": now + 3600,
        "auth_time": now,
        "nonce": "n-1",
        "amr": ["ehr"],
        "fhirUser": f"{FHIR}/Practitioner/dr",
    }


def test_refresh_repeats_the_context_and_rotates(world: World) -> None:
    """SMART REF-07, REF-08, REF-11: same context, same scope, another refresh token.

    REF-14, AMB-09, Q-03, Q-12, REQ-51.
    """
    first = world.public.tokens(launch(world), SCOPE)
    second = world.public.refresh(first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert {**first, "access_token": "", "refresh_token": "", "id_token": ""} == {
        **second,
        "access_token": "",
        "refresh_token": "",
        "id_token": "",
    }


def test_a_revoked_refresh_token_takes_its_access_token_along(world: World) -> None:
    """RFC 7009 §2.1, SMART MGT-03; MGT-01."""
    tokens = world.public.tokens(launch(world), SCOPE)
    assert world.fhir_server.introspect(tokens["access_token"])["active"] is True
    reply = world.public.revoke(tokens["refresh_token"])
    assert (reply.status, reply.body) == (200, b"")
    assert world.fhir_server.introspect(tokens["access_token"]) == {"active": False}
    assert world.public.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_token_is_nothing_to_another_fhir_server(world: World) -> None:
    """security.md IN-02: audience restriction; REQ-69, REQ-103."""
    tokens = world.public.tokens(launch(world), SCOPE)
    assert world.other_fhir_server.introspect(tokens["access_token"]) == {"active": False}


def test_a_replayed_code_revokes_what_it_bought(world: World) -> None:
    """RFC 6749 §4.1.2, decision 8; AUTHZ-22, ERR-09, REQ-97."""
    code = world.public.code(launch(world), SCOPE)
    token = world.public.redeem(code).json()["access_token"]
    assert world.public.redeem(code).json()["error"] == "invalid_grant"
    assert world.fhir_server.introspect(token) == {"active": False}


def test_a_launch_works_once(world: World) -> None:
    """security.md AZ-73: a used launch and an unknown one read the same; LAU-04, REQ-83."""
    handle = launch(world)
    world.public.code(handle, SCOPE)
    used = world.public.launched(handle, SCOPE).location_parameters
    unknown = world.public.launched("unknown", SCOPE).location_parameters
    assert used["error"] == unknown["error"] == "invalid_request"
    assert used["error_description"].split(" (")[0] == unknown["error_description"].split(" (")[0]


def test_the_session_of_the_ehr_ends_online_access(world: World) -> None:
    """SMART REF-12, decision 3; VER-15, REQ-80, REQ-D7."""
    tokens = world.public.tokens(launch(world), SCOPE)
    assert world.ehr.end_session("ehr-session-1").status == 204
    assert world.public.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert world.fhir_server.introspect(tokens["access_token"]) == {"active": False}


def test_a_person_standing_alone_signs_in_and_agrees(world: World) -> None:
    """SMART section 6.2: no launch parameter; a patient's own record is the context.

    LAU-10, CAPABILITY launch-standalone, CAPABILITY context-standalone-patient, SCP-21, REQ-117, REQ-123, REQ-133.
    """
    world.public.verifier = world.public.verifier
    code = world.standalone(world.public, "launch/patient openid fhirUser patient/Observation.rs", "alice")
    tokens = world.public.redeem(code).json()
    assert tokens["patient"] == "A"
    assert tokens["scope"] == "launch/patient openid fhirUser patient/Observation.rs"
