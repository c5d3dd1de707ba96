"""An app that people use and that proves a key of its own, not a secret (SMART sections 8, 9 and 15)."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from authz.clients.assertion import ASSERTION_TYPE
from authz.clients.metadata import ClientMetadata
from tests.actors import FORM, SmartApp
from tests.world import CONFIDENTIAL, FHIR, ISSUER, VETTED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.transport import Reply
    from tests.world import World

KEY = ECKey.generate_key("P-384")
SCOPE = "launch openid fhirUser patient/*.rs offline_access"


class KeyApp(SmartApp):
    """Signs an assertion for every request of its back end."""

    def assertion(self, **changes: Any) -> str:
        now = self.now()
        claims = {"iss": self.client_id, "sub": self.client_id, "aud": f"{ISSUER}/token", "exp": now + 300}
        claims |= {"jti": secrets.token_hex(16), **changes}
        return jwt.encode({"alg": "ES384", "kid": "e", "typ": "JWT"}, claims, KEY, algorithms=["ES384"])

    def post(self, path: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Reply:
        proof = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self.assertion()}
        body = urlencode({**proof, **form}).encode()
        return self.transport.send("POST", ISSUER + path, {"Content-Type": FORM, **(headers or {})}, body)

    now: Any


@pytest.fixture(scope="module")
def app(shared: World) -> KeyApp:
    metadata = {
        **CONFIDENTIAL,
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [KEY.as_dict(private=False) | {"kid": "e"}]},
    }
    with shared.services.db.write() as session:
        shared.services.clients.add(session, ClientMetadata.load(metadata), VETTED, client_id="keyed")
    made = KeyApp(shared.transport, "keyed", "https://conf.example/cb", FHIR)
    made.now = lambda: int(shared.clock().timestamp())
    return made


def launch(world: World) -> str:
    return str(world.ehr.launch("keyed", "Practitioner/dr", patient="A")["launch"])


def test_it_is_launched_and_refreshes_with_its_key(shared: World, app: KeyApp) -> None:
    """REQ-32, VER-07, REG-04, REF-05, CAPABILITY client-confidential-asymmetric: PKCE besides (PKCE-03)."""
    tokens = app.tokens(launch(shared), SCOPE)
    assert (tokens["scope"], tokens["patient"]) == (SCOPE, "A")
    again = app.refresh(tokens["refresh_token"])
    assert (again.status, again.json()["scope"]) == (200, SCOPE)
    assert shared.fhir_server.introspect(again.json()["access_token"])["client_id"] == "keyed"


def test_a_stolen_refresh_token_is_nothing_without_the_key(shared: World, app: KeyApp) -> None:
    """BP-03, REF-05, Q-04, TOK-05: by its id alone, by a secret, by an assertion that was used."""
    token = app.tokens(launch(shared), SCOPE)["refresh_token"]
    used = app.assertion()
    stolen = {"grant_type": "refresh_token", "refresh_token": token}
    proof = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": used}
    assert app.post("/revoke", {"token": "x", **proof}).status == 200
    for more in ({}, {"client_id": "keyed"}, {"client_id": "keyed", "client_secret": "x"}, proof):
        body = urlencode({**stolen, **more}).encode()
        reply = shared.transport.send("POST", f"{ISSUER}/token", {"Content-Type": FORM}, body)
        assert (reply.status, reply.json()["error"]) == (401, "invalid_client")
    assert app.refresh(token).status == 200


def test_a_code_of_the_app_is_nothing_without_the_key(shared: World, app: KeyApp) -> None:
    """TOK-03, TOK-04, ERR-08: and it is still good for the app itself."""
    code = app.code(launch(shared), SCOPE)
    form = {
        "grant_type": "authorization_code",
        "client_id": "keyed",
        "code": code,
        "redirect_uri": app.redirect_uri,
        "code_verifier": app.verifier,
    }
    reply = shared.transport.send("POST", f"{ISSUER}/token", {"Content-Type": FORM}, urlencode(form).encode())
    assert (reply.status, reply.json()["error"]) == (401, "invalid_client")
    assert app.redeem(code).status == 200


def test_an_app_that_signs_with_one_algorithm_is_held_to_it(shared: World, app: KeyApp) -> None:
    """OpenID Connect Registration §2 ``token_endpoint_auth_signing_alg``: a good key of its own does not help."""
    for algorithm, status in (("RS384", 401), ("ES384", 200)):
        with shared.services.db.write() as session:
            registered = {"token_endpoint_auth_signing_alg": algorithm}
            shared.services.clients.update(session, "keyed", registered, {})
        assert app.revoke("nothing").status == status
