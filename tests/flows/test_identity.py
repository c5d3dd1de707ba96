"""Who the user is, as the app hears it (SMART section 13, OpenID Connect)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authz.clients.metadata import ClientMetadata
from tests.actors import SmartApp
from tests.world import APP, FHIR, ISSUER, PUBLIC, VETTED

if TYPE_CHECKING:
    from tests.transport import Reply
    from tests.world import World

SCOPE = "launch openid fhirUser"


def tokens(world: World, user: str, scope: str = SCOPE) -> dict[str, Any]:
    """Of an EHR launch without a patient; whoever is asked agrees."""
    handle = str(world.ehr.launch("public", user)["launch"])
    browser = world.browser()
    reply = browser.open(world.public.authorize_url(scope=scope, launch=handle))
    if reply.status == 200:
        reply = browser.submit(reply, press="allow")
    answer: dict[str, Any] = world.public.redeem(reply.location_parameters["code"]).json()
    return answer


def userinfo(world: World, token: str) -> Reply:
    return world.transport.send("GET", f"{ISSUER}/userinfo", {"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize(
    "user", ["Patient/A", "Practitioner/dr", "PractitionerRole/role-1", "RelatedPerson/rel", "Person/p-1"]
)
def test_every_type_of_user_has_an_absolute_fhir_user(shared: World, user: str) -> None:
    """OID-06, OID-07, Q-06: one slash between base and reference; the same in id_token, UserInfo and introspection."""
    answer = tokens(shared, user)
    expected = f"{FHIR}/{user}"
    assert shared.services.keyring.verify(answer["id_token"])["fhirUser"] == expected
    assert userinfo(shared, answer["access_token"]).json()["fhirUser"] == expected
    assert shared.fhir_server.introspect(answer["access_token"])["fhirUser"] == expected


def test_the_same_person_has_the_same_sub_in_the_next_launch(shared: World) -> None:
    """OID-13, REQ-12, REQ-44: opaque, short, and nothing of it is the FHIR id; the client is the same too."""
    first, second, other = (tokens(shared, user) for user in ("Practitioner/dr", "Practitioner/dr", "Practitioner/x"))
    said = [shared.fhir_server.introspect(answer["access_token"]) for answer in (first, second, other)]
    assert said[0]["sub"] == said[1]["sub"] != said[2]["sub"]
    assert said[0]["client_id"] == said[1]["client_id"] == "public"
    assert len(said[0]["sub"]) <= 255
    assert said[0]["sub"].isascii()
    assert "dr" not in said[0]["sub"].split("-")


def test_openids_own_document_says_how_to_verify(shared: World) -> None:
    """OID-09, OID-10, OID-04, ST-14: every member that OpenID Connect Discovery demands, at the issuer."""
    reply = shared.transport.send("GET", f"{ISSUER}/.well-known/openid-configuration")
    document = reply.json()
    assert (reply.status, reply.header("content-type")) == (200, "application/json")
    assert document["issuer"] == ISSUER
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"):
        assert document[name].startswith(f"{ISSUER}/")
    assert document["response_types_supported"] == ["code"]
    assert document["subject_types_supported"] == ["public"]
    assert document["id_token_signing_alg_values_supported"] == ["RS256"]


def test_profile_brings_the_name_by_userinfo(shared: World) -> None:
    """REQ-81, REQ-D4, OID-05: ``profile`` is OpenID's; who the user is in FHIR is said with ``fhirUser`` alone."""
    handle = str(shared.ehr.launch("public", "doctor")["launch"])
    answer = shared.public.tokens(handle, "launch openid profile")
    said = userinfo(shared, answer["access_token"]).json()
    assert set(said) == {"sub", "name"}
    assert said["name"] == "Doctor"
    assert "fhirUser" not in shared.services.keyring.verify(answer["id_token"])


def test_without_openid_userinfo_says_nothing(shared: World) -> None:
    """SCP-30, REQ-93, REQ-D15: 403 names the scope, 401 without a token says no more than how to send one."""
    handle = str(shared.ehr.launch("public", "Practitioner/dr", patient="A")["launch"])
    token = shared.public.tokens(handle, "launch patient/*.rs")["access_token"]
    refused = userinfo(shared, token)
    assert (refused.status, refused.json()["error"]) == (403, "insufficient_scope")
    assert refused.header("www-authenticate") == (
        'Bearer realm="authz", error="insufficient_scope", '
        'error_description="this token does not say who the user is", scope="openid"'
    )
    assert userinfo(shared, "x").header("www-authenticate") == (
        'Bearer realm="authz", error="invalid_token", '
        'error_description="the access token is unknown, expired or revoked"'
    )


def test_identity_is_for_apps_that_are_registered_for_it(shared: World) -> None:
    """REQ-90, REQ-40: the scopes are dropped, the rest is granted."""
    metadata = ClientMetadata.load({**PUBLIC, "scope": "launch patient/*.rs"})
    with shared.services.db.write() as session:
        shared.services.clients.add(session, metadata, VETTED, client_id="nosy")
    app = SmartApp(shared.transport, "nosy", f"{APP}/cb", FHIR)
    handle = str(shared.ehr.launch("nosy", "Practitioner/dr", patient="A")["launch"])
    answer = app.tokens(handle, "launch openid fhirUser profile patient/*.rs")
    assert (answer["scope"], "id_token" in answer) == ("launch patient/*.rs", False)
