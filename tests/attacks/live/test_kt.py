"""KT: tokens and the keys that sign (security.md 2.11)."""

from __future__ import annotations

import json
import os
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import ECKey, RSAKey
from sqlalchemy import inspect, text

from authz.keyring.rotation import Rotation
from tests.attacks.live.jose import b64, compact, es384, hs, rs256, segment, unsigned
from tests.attacks.live.target import ALONE, LAUNCHED
from tests.messaging import SCOPE, Window
from tests.world import FHIR

if TYPE_CHECKING:
    from tests.attacks.live.target import Target
    from tests.transport import Reply

OFFLINE = f"{LAUNCHED} offline_access"


def userinfo(target: Target, token: str, scheme: str = "Bearer") -> Reply:
    return target.send("GET", "/userinfo", {"Authorization": f"{scheme} {token}"})


def claims_of(token: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(urlsafe_b64decode(token.split(".")[1] + "==="))
    return read


def turned_away(target: Target, token: str) -> None:
    """No access token: at UserInfo, to a FHIR server that asks, to a proxy that asks."""
    target.refused(userinfo(target, token), 401, "invalid_token")
    target.inactive(target.rs.ask(token))
    asked = {"X-Original-Method": "GET", "X-Original-URI": "/r4/Patient/A", "Authorization": f"Bearer {token}"}
    assert target.send("GET", "/forward-auth/main", asked).status == 401


def test_made_up_tokens_are_refused(target: Target) -> None:
    """KT-01: an access token is a random handle; one altered, or dressed as a JWT of any kind, is unknown."""
    token = target.bought()["access_token"]
    assert userinfo(target, token).status == 200
    public = target.services.keyring.public_jwks()["keys"][0]
    now = target.clock.seconds()
    payload = {"iss": target.issuer, "aud": FHIR, "sub": "x", "scope": "user/*.cruds openid", "exp": now + 900}
    header = {"typ": "at+jwt", "kid": public["kid"]}
    stranger = RSAKey.generate_key(2048)
    pem = (
        (RSAKey if public["kty"] == "RSA" else ECKey)
        .import_key(public)
        .public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    turned_away(target, compact({**header, "alg": "none"}, payload, unsigned))
    turned_away(target, compact({**header, "alg": "HS256"}, payload, hs(pem, "sha256")))
    turned_away(target, compact({**header, "alg": "RS256"}, payload, rs256(stranger)))
    turned_away(target, compact({**header, "alg": "ES384"}, payload, es384(ECKey.generate_key("P-384"))))
    for almost in (token + "A", token[:-1], token.swapcase(), token[::-1], f"{token}.{token}"):
        turned_away(target, almost)


def test_no_other_kind_of_token_is_an_access_token(target: Target) -> None:
    """KT-02: id_token, refresh token, code, assertion, handle, launch, session, registration token."""
    tokens = target.bought(scope=OFFLINE)
    handle = Window(target.ehr, target.pub).handle(SCOPE)
    registered = target.vendor.register()
    launch = str(target.launch()["launch"])
    code = target.pub.code(str(target.launch()["launch"]), LAUNCHED)
    logout = target.services.keyring.sign({"iss": target.issuer, "aud": "public", "sub": "x", "events": {}})
    for other in (
        *(tokens["id_token"], tokens["refresh_token"], handle, launch, code, logout, target.key.assertion()),
        *(registered["registration_access_token"], target.alice.cookies.get("authz_session", "x" * 43)),
    ):
        turned_away(target, other)


def test_an_access_token_comes_in_one_header(target: Target) -> None:
    """KT-03, RFC 6750 §2: never in a URL or a body; the scheme in any case."""
    token = target.bought()["access_token"]
    for scheme in ("bearer", "BEARER", "bEaReR"):
        assert userinfo(target, token, scheme).status == 200
    in_url = target.send("GET", f"/userinfo?access_token={token}")
    target.refused(in_url, 400, "invalid_request")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert target.send("POST", "/userinfo", form, f"access_token={token}".encode()).status == 401
    for value in (
        f"Bearer\t{token}",
        f"Bearer {token},Bearer {token}",
        f"Token {token}",
        token,
        "Bearer",
        f"Bearer {token} x",
    ):
        assert target.send("GET", "/userinfo", {"Authorization": value}).status in {400, 401}
    twice = [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")]
    assert target.send("GET", "/userinfo", twice).status in {400, 401}


def test_userinfo_names_the_person_of_the_id_token(target: Target) -> None:
    """KT-05: and nothing beyond the scopes."""
    tokens = target.bought(scope="launch openid fhirUser profile")
    told = userinfo(target, tokens["access_token"]).json()
    assert told["sub"] == claims_of(tokens["id_token"])["sub"]
    assert told.keys() <= {"sub", "fhirUser", "name"}
    assert userinfo(target, target.bought(scope="launch openid")["access_token"]).json().keys() == {"sub"}
    without = target.bought(scope="launch patient/Observation.rs")["access_token"]
    target.refused(userinfo(target, without), 403, "insufficient_scope")


def test_each_member_of_an_id_token_is_right(target: Target) -> None:
    """KT-06, OIDC Core §2: one audience, the nonce as sent, at_hash, auth_time, a key that is published."""
    browser = target.browser()
    url = target.pub.authorize_url(scope=ALONE, nonce="n-0S6_WzA2Mj", max_age="600")
    tokens = target.pub.redeem(target.agreed(browser, "alice", url)).json()
    header = json.loads(urlsafe_b64decode(tokens["id_token"].split(".")[0] + "==="))
    claims = claims_of(tokens["id_token"])
    half = sha256(tokens["access_token"].encode()).digest()[:16]
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (target.issuer, "public", "n-0S6_WzA2Mj")
    assert claims["at_hash"] == urlsafe_b64encode(half).rstrip(b"=").decode()
    assert 0 <= target.clock.seconds() - claims["auth_time"] < 60
    assert claims["iat"] < claims["exp"] <= claims["iat"] + 3600
    assert claims["fhirUser"] == f"{FHIR}/Patient/A"
    document = target.send("GET", "/.well-known/openid-configuration").json()
    assert header["alg"] == "RS256"
    assert "RS256" in document["id_token_signing_alg_values_supported"]
    assert header["kid"] in {key["kid"] for key in target.send("GET", "/jwks").json()["keys"]}
    assert target.services.keyring.verify(tokens["id_token"])["sub"] == claims["sub"]


def test_no_secret_is_in_the_database_in_clear(target: Target) -> None:
    """KT-07: what the suite has seen of codes, tokens, secrets, launches, handles and passwords so far."""
    tokens = target.bought(scope=OFFLINE)
    registered = target.vendor.register(token_endpoint_auth_method="client_secret_basic")
    launch = str(target.launch()["launch"])
    handle = Window(target.ehr, target.pub).handle(SCOPE)
    secrets = target.secrets | {
        *(tokens["access_token"], tokens["refresh_token"], launch, handle, registered["client_secret"]),
        *(registered["registration_access_token"], "confidential-test-secret", "alice-password", "rs-main-secret"),
    }
    dumped = dump(target)
    assert tokens["id_token"] not in dumped
    words = set(re.findall(r"[A-Za-z0-9_~.-]{12,}", dumped))
    found = {secret for secret in secrets & words if "." not in secret and secret not in KNOWN}
    assert found == set()


KNOWN = {"confidential", "authorization_code"}  # names that a case has sent as a secret


def dump(target: Target) -> str:
    """Every value of every table, bytes as latin-1."""
    found: list[str] = []
    for name in inspect(target.rows).get_table_names():
        for row in target.rows.execute(text(f'SELECT * FROM "{name}"')):  # noqa: S608  a name of our own schema
            found += [value.decode("latin-1") if isinstance(value, bytes) else str(value) for value in row]
    return "\n".join(found)


def test_all_workers_sign_and_verify_with_the_same_keys(target: Target) -> None:
    """KT-10: the bytes of the key set, and a token of one asked about at the other."""
    told = [target.send("GET", "/jwks", worker=worker) for worker in target.wire.workers]
    assert told[0].body == told[1].body
    assert told[0].header("etag") == told[1].header("etag")
    hint = target.tokens_for_alice(ALONE)["id_token"]
    for worker in target.wire.workers:
        url = target.pub.authorize_url(scope=ALONE, id_token_hint=hint, prompt="none")
        cookies = "; ".join(f"{name}={value}" for name, value in target.alice.cookies.items())
        assert "code" in target.send("GET", url, {"Cookie": cookies}, worker=worker).location_parameters


def test_what_a_removed_key_signed_is_worth_nothing(target: Target) -> None:
    """KT-11: at every worker, a minute later; what it did not sign lives on."""
    tokens = target.tokens_for_alice(ALONE)
    kid = json.loads(urlsafe_b64decode(tokens["id_token"].split(".")[0] + "==="))["kid"]
    rotation = Rotation(target.services.keyring, 0)
    with target.services.db.write() as session:
        rotation.rotate(session, at_once=True)
        rotation.remove(session, kid, at_once=True)
    target.clock.forward(seconds=61)
    for worker in target.wire.workers:
        assert kid not in target.send("GET", "/jwks", worker=worker).text
        url = target.pub.authorize_url(scope=ALONE, id_token_hint=tokens["id_token"], prompt="none")
        target.redirected(target.send("GET", url, worker=worker), "invalid_request")
    assert target.is_active(tokens["access_token"])


@pytest.mark.parametrize("alg", ["HS256", "none", "HS512", "RS257", ""])
def test_a_symmetric_id_token_can_not_be_asked_for(target: Target, alg: str) -> None:
    """KT-13: refused, or signed by a published key all the same."""
    metadata = {
        "client_name": "Symmetric",
        "token_endpoint_auth_method": "client_secret_basic",
        "redirect_uris": ["https://vendor.example/cb"],
        "grant_types": ["authorization_code"],
        "scope": "openid",
        "id_token_signed_response_alg": alg,
    }
    reply = target.vendor.send(metadata)
    if reply.status == 201:
        assert reply.json().get("id_token_signed_response_alg", "RS256") in {"RS256", "ES384", "RS384"}
    else:
        target.refused(reply, 400, "invalid_client_metadata")
    document = target.send("GET", "/.well-known/openid-configuration").json()
    assert not {"HS256", "none"} & set(document["id_token_signing_alg_values_supported"])


def test_an_empty_signature_or_header_is_no_token(target: Target) -> None:
    """KT-01: strings that only look like tokens."""
    for made_up in (f"{segment({'alg': 'none'})}.{segment({})}.", "..", "a.b.c", b64(b"x" * 32), "0" * 43, "-" * 43):
        turned_away(target, made_up)


def test_what_is_in_the_environment_stays_there(target: Target) -> None:
    """KT-07: nothing of the settings is on any page or in a document that anybody may read."""
    for path in ("/healthz", "/readyz", "/", "/support", "/developers", "/.well-known/openid-configuration"):
        reply = target.send("GET", path)
        assert target.settings.database_url not in reply.text
        assert str(target.settings.keys_dir) not in reply.text
        assert os.environ.get("HOME", "/root") not in reply.text
