"""An EHR launches without calling us: it signs, encrypts and opens the app; the app notices no difference (REQ-74)."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from authz.audit.model import AuditEventRow
from tests.actors import basic, new_verifier
from tests.launch.signing import SigningEhr, ec_key, public
from tests.world import FHIR, ISSUER, OTHER_FHIR

if TYPE_CHECKING:
    from tests.world import World

SCOPE = "launch openid fhirUser patient/*.rs online_access"
RECORD: dict[str, Any] = {
    "client_id": "public",
    "fhir_server": FHIR,
    "user": "Practitioner/dr",
    "patient": "A",
    "encounter": "E1",
    "need_patient_banner": False,
    "appContext": '{"card": "c-12"}',
    "session": "s-1",
}
UNUSABLE = "the launch is unknown, expired or already used, or it was made for another app, FHIR server or request"


@pytest.fixture
def signer(world: World) -> SigningEhr:
    """The EHR of the main FHIR server; our key it fetches as any outsider does."""
    key = ec_key()
    with world.services.db.write() as session:
        world.services.launch_keys.rotate(session)
        world.services.ehrs.set_keys(session, "ehr-main", public(key))
    (published,) = world.transport.send("GET", f"{ISSUER}/launch/jwks", {}, b"").json()["keys"]
    return SigningEhr("ehr-main", ISSUER, published, int(world.clock().timestamp()), key)


def trail(world: World, name: str) -> list[AuditEventRow]:
    with world.services.db.read() as session:
        return list(session.scalars(select(AuditEventRow).where(AuditEventRow.event == name)))


def test_the_app_gets_what_the_jwt_says(world: World, signer: SigningEhr) -> None:
    """REQ-74, REQ-83, CTX-01, TSK-02: as from POST /launch, in token response, refresh and introspection."""
    tokens = world.public.tokens(signer.launch(RECORD), SCOPE)
    context = {name: RECORD[name] for name in ("patient", "encounter", "need_patient_banner", "appContext")}
    again = world.public.refresh(tokens["refresh_token"]).json()
    told = world.fhir_server.introspect(again["access_token"])
    for answer in (tokens, again, told):
        assert {name: answer[name] for name in context} == context
    claims = world.services.keyring.verify(tokens["id_token"])
    assert (claims["fhirUser"], claims["amr"]) == (f"{FHIR}/Practitioner/dr", ["ehr"])


def test_its_making_and_its_use_are_on_the_trail(world: World, signer: SigningEhr) -> None:
    """REQ-37, security.md 4.1: once each, with the EHR that signed it."""
    world.public.code(signer.launch(RECORD), SCOPE)
    for name in ("launch.created", "launch.used"):
        (row,) = trail(world, name)
        assert (row.client_id, row.fhir_server, row.patient, row.detail) == (
            "public",
            "main",
            "A",
            {"ehr": "ehr-main", "written_by": "jwt"},
        )


def test_it_works_once_and_the_refusal_is_on_the_trail(world: World, signer: SigningEhr) -> None:
    """REQ-74, AZ-73: replayed it reads as any launch that does not work."""
    token = signer.launch(RECORD)
    world.public.code(token, SCOPE)
    again = world.public.launched(token, SCOPE).location_parameters
    assert again["error"] == "invalid_request"
    assert again["error_description"].startswith(UNUSABLE)
    (refused,) = trail(world, "launch.refused")
    assert (refused.outcome, refused.reason) == ("refused", "launch_used")
    assert token not in json.dumps([row.detail for row in trail(world, "authorize.refused")])


def test_a_forged_one_is_refused_with_its_reason_on_the_trail(world: World, signer: SigningEhr) -> None:
    """REQ-74: the app is told nothing of why."""
    forged = signer.encrypted(signer.signed(signer.claims(RECORD), ec_key()))
    answer = world.public.launched(forged, SCOPE).location_parameters
    assert answer["error_description"].startswith(UNUSABLE)
    (refused,) = trail(world, "launch.refused")
    assert (refused.reason, refused.detail) == ("launch_untrusted", {"problem": "the signature does not verify"})


@pytest.mark.parametrize(("app", "aud"), [("confidential", FHIR), ("public", OTHER_FHIR)])
def test_it_is_good_for_its_app_and_fhir_server_only(world: World, signer: SigningEhr, app: str, aud: str) -> None:
    """AZ-74, AZ-75: and stays good for them."""
    token = signer.launch(RECORD)
    other = world.confidential if app == "confidential" else world.public
    assert other.launched(token, SCOPE, aud=aud).location_parameters["error"] == "invalid_request"
    assert world.public.tokens(token, SCOPE)["patient"] == "A"


@pytest.mark.race
def test_of_parallel_requests_with_one_jwt_one_gets_a_code(world: World, signer: SigningEhr) -> None:
    """LA-10, decision 1: the unique row of iss and jti decides, whoever claims it; encrypted anew each time."""
    content = signer.signed(signer.claims(RECORD))
    racers = [replace(world.public, verifier=new_verifier(), state=new_verifier()) for _ in range(6)]

    def race(app: Any) -> dict[str, str]:
        with world.app.app_context():
            found: dict[str, str] = app.launched(signer.encrypted(content), SCOPE).location_parameters
            return found

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(race, racers))
    assert sum("code" in answer for answer in answers) == 1
    assert len(trail(world, "launch.used")) == 1


def test_the_same_page_again_is_no_second_use(world: World, signer: SigningEhr) -> None:
    """Decision 14, LA-11: a reload of the identical request shows the page again, no other request does."""
    token = signer.launch(RECORD)
    assert world.public.launched(token, SCOPE, prompt="consent").status == 200
    page = world.public.launched(token, SCOPE, prompt="consent")
    other = replace(world.public, verifier=new_verifier(), state=new_verifier())
    assert other.launched(token, SCOPE).location_parameters["error"] == "invalid_request"
    assert "code" in world.browser().submit(page, press="allow").location_parameters


def test_a_portal_can_sign_too_and_the_patient_is_asked(world: World, signer: SigningEhr) -> None:
    """CTX-13, AMB-30."""
    token = signer.launch(RECORD | {"user": "Patient/A"})
    page = world.public.launched(token, "launch patient/*.rs")
    assert (page.status, "Allow" in page.text) == (200, True)
    stranger = signer.launch(RECORD | {"user": "Patient/B"})
    assert world.public.launched(stranger, SCOPE).location_parameters["error"] == "invalid_request"


def test_what_it_opened_ends_with_the_ehrs_credential(world: World, signer: SigningEhr) -> None:
    """MGT-03: an EHR whose key was stolen is switched off, and everything from its launches is dead."""
    tokens = world.public.tokens(signer.launch(RECORD), SCOPE)

    def switch_off(session: Any) -> None:
        world.services.ehrs.set_enabled(session, "ehr-main", enabled=False)

    assert world.services.revocation.revoke_ehr("ehr-main", "ehr_disabled", within=switch_off) == 1
    assert world.fhir_server.introspect(tokens["access_token"]) == {"active": False}
    assert world.public.launched(signer.launch(RECORD), SCOPE).location_parameters["error"] == "invalid_request"


def test_the_key_to_encrypt_to_is_published_apart_from_signing_keys(world: World, signer: SigningEhr) -> None:
    """RFC 7517 §4.2: apps that verify id_tokens see signing keys only; nothing private is in either document."""
    document = world.transport.send("GET", f"{ISSUER}/launch/jwks", {}, b"")
    (key,) = document.json()["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("EC", "P-256", "enc", "ECDH-ES")
    assert document.headers["cache-control"][-1].startswith("public, max-age=")
    signing = world.transport.send("GET", f"{ISSUER}/jwks", {}, b"").json()["keys"]
    assert {one["use"] for one in signing} == {"sig"}
    assert key["kid"] not in {one["kid"] for one in signing}


def test_where_no_ehr_signs_nothing_is_published_and_nothing_believed(world: World) -> None:
    assert world.transport.send("GET", f"{ISSUER}/launch/jwks", {}, b"").json() == {"keys": []}
    signer = SigningEhr("ehr-main", ISSUER, public(ec_key("P-256", "k"))["keys"][0], int(world.clock().timestamp()))
    assert world.public.launched(signer.launch(RECORD), SCOPE).location_parameters["error"] == "invalid_request"


def test_one_as_long_as_a_url_may_be_gets_through_and_a_longer_one_does_not(world: World, signer: SigningEhr) -> None:
    """PROC-10, AZ-79: bounded, by POST as well."""
    token = signer.launch(RECORD | {"appContext": "a" * 3_000})
    assert 4_000 < len(token) < 8_192
    assert world.public.tokens(token, SCOPE)["appContext"] == "a" * 3_000
    huge = world.public.launched(signer.launch(RECORD | {"appContext": "a" * 9_000}), SCOPE)
    assert huge.status == 400


def test_nobody_looks_up_or_withdraws_one(world: World, signer: SigningEhr) -> None:
    """LA-09: what was never put down here is not listed; its use is known to the EHR that signed it."""
    world.public.code(signer.launch(RECORD), SCOPE)
    (row,) = trail(world, "launch.used")
    assert row.launch_id is not None
    assert world.ehr.look_up(row.launch_id).json()["state"] == "authorized"
    assert world.other_ehr.look_up(row.launch_id).status == 404
    assert world.transport.send("GET", f"{ISSUER}/launch", basic("ehr-main", "ehr-main-secret"), b"").status == 405
