"""Every door at which a JWT of somebody else comes in, and every way to make one that says more than it seems to.

Client assertion, software statement, a provider's id_token and logout token, an EHR's launch. What this server signs
itself (``id_token_hint``) has one key and one algorithm, and nobody else can make one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from joserfc.jwk import ECKey

from authz.clients import assertion, statement
from authz.keyring import foreign
from authz.keyring.foreign import Unproved
from authz.launch.launch import LaunchUnusable
from authz.login.federated import id_token, logout_token
from authz.login.federated.provider import Provider
from authz.login.federated.trip import Trip
from authz.login.federated.why import UpstreamFailed
from tests.attacks.live.jose import b64, compact, es384, segment
from tests.launch.signing import SigningEhr, public
from tests.world import FHIR, ISSUER

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.world import World

Json = dict[str, Any]
KEY, STRANGER = (ECKey.generate_key("P-384", {"kid": "k"}, private=True) for _ in range(2))
JWKS = public(KEY)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AT = int(NOW.timestamp())
JWKS_URI, IDP = "https://app.example/jwks", "https://idp.example"
PROVIDER = Provider("hospital", "Hospital", IDP, "authz")
TRIP = Trip("hospital", "interaction", "binding", NOW, nonce="nonce")
TIMES = {"iat": AT, "exp": AT + 120}
REFUSALS = (ValueError, UpstreamFailed, LaunchUnusable)  # of which each door has one


@dataclass(frozen=True)
class Door:
    header: Json
    claims: Json
    enter: Callable[[str], object]  # raises what refuses

    def token(self, header: object = None, claims: object = None, key: ECKey = KEY) -> str:
        return compact(self.header if header is None else header, self.claims if claims is None else claims, es384(key))


def as_client(token: str) -> None:
    read = assertion.read(token)
    assertion.claimed(read, JWKS_URI, {f"{ISSUER}/token"}, NOW)
    assertion.verify(read, JWKS)


def as_statement(token: str) -> None:
    read = statement.read(token)
    statement.check(read, ISSUER, NOW)
    if not statement.is_signed_by(read, JWKS):
        raise Unproved("no key of its issuer")


def as_id_token(token: str) -> None:
    header, claims = foreign.read(token)
    foreign.verify(token, header, JWKS)
    id_token.check(header, claims, PROVIDER, TRIP, NOW)


def as_logout_token(token: str) -> None:
    header, claims = foreign.read(token)
    foreign.verify(token, header, JWKS)
    logout_token.check(header, claims, PROVIDER, NOW)


HEADER = {"alg": "ES384", "kid": "k", "typ": "JWT"}
OF_PROVIDER = {"iss": IDP, "aud": "authz", "sub": "alice", **TIMES}
OUTSIDE = {
    "client assertion": Door(
        HEADER, {"iss": "app", "sub": "app", "aud": f"{ISSUER}/token", "jti": "1", **TIMES}, as_client
    ),
    "software statement": Door(
        HEADER, {"iss": "https://alliance.example", "client_name": "App", **TIMES}, as_statement
    ),
    "id_token": Door(HEADER, {**OF_PROVIDER, "nonce": "nonce"}, as_id_token),
    "logout token": Door(
        {**HEADER, "typ": "logout+jwt"},
        {**OF_PROVIDER, "jti": "1", "events": {logout_token.EVENT: {}}},
        as_logout_token,
    ),
}


@pytest.fixture(params=[*OUTSIDE, "launch"])
def door(request: pytest.FixtureRequest) -> Door:
    return OUTSIDE.get(request.param) or of_ehr(request.getfixturevalue("world"))


def of_ehr(world: World) -> Door:
    """The signed token within the encrypted one."""
    services = world.services
    with services.db.write() as session:
        services.launch_keys.rotate(session)
        services.ehrs.set_keys(session, "ehr-main", JWKS)
    (encrypt_to,) = services.launch_keys.public_jwks()["keys"]
    ehr = SigningEhr("ehr-main", ISSUER, encrypt_to, int(world.clock().timestamp()), KEY)
    claims = ehr.claims({"client_id": "public", "fhir_server": FHIR, "user": "doctor"})
    header = {**HEADER, "typ": "launch+jwt"}
    return Door(header, claims, lambda token: services.launches.signed.prove(ehr.encrypted(token)))


STRANGERS = STRANGER.as_dict(private=False)
EXTENSIONS: dict[str, Json] = {
    "crit": {"crit": ["exp"], "exp": AT + 120},
    "an empty crit": {"crit": []},
    "b64": {"b64": False},
    "b64, and crit says so": {"crit": ["b64"], "b64": False},
    "zip": {"zip": "DEF"},
    "the key itself": {"jwk": KEY.as_dict(private=False)},
    "where keys are": {"jku": "https://evil.example/jwks"},
    "where certificates are": {"x5u": "https://evil.example/x5u"},
    "no algorithm": {"alg": "none"},
    "another algorithm": {"alg": "ES256"},
    "a list of algorithms": {"alg": ["ES384"]},
    "a kid that is no text": {"kid": ["k"]},
    "another type": {"typ": "at+jwt"},
}


def test_a_good_one_comes_in(door: Door) -> None:
    """So that what is refused below is refused for what was changed."""
    door.enter(door.token())


@pytest.mark.parametrize("more", EXTENSIONS.values(), ids=EXTENSIONS.keys())
def test_nothing_in_the_header_changes_how_it_is_read(door: Door, more: Json) -> None:
    """RFC 7515 §4.1.11, RFC 7797, RFC 7516 §4.1.3, OpenID Connect Core §2: signed by the right key all the same."""
    with pytest.raises(REFUSALS):
        door.enter(door.token({**door.header, **more}))


@pytest.mark.parametrize(
    "more",
    [{}, {"jwk": STRANGERS}, {"jku": JWKS_URI}, {"x5u": JWKS_URI}, {"x5c": ["AAAA"]}, {"kid": "j", "jwk": STRANGERS}],
    ids=["nothing", "jwk", "jku", "x5u", "x5c", "another kid"],
)
def test_no_key_that_it_brings_along_proves_anything(door: Door, more: Json) -> None:
    """RFC 8725 §3.10: a stranger signs, and says by which key."""
    with pytest.raises(REFUSALS):
        door.enter(door.token({**door.header, **more}, key=STRANGER))


def twice(members: Json, name: str, first: object) -> bytes:
    """A JSON object in which the member comes twice; most readers believe the last."""
    return b"{" + json.dumps({name: first})[1:-1].encode() + b"," + json.dumps(members).encode()[1:]


@pytest.mark.parametrize("name", ["alg", "kid", "typ"])
def test_a_member_of_the_header_comes_once(door: Door, name: str) -> None:
    """RFC 7515 §4: of two readers each could take another."""
    with pytest.raises(REFUSALS):
        door.enter(door.token(header=twice(door.header, name, "other")))


@pytest.mark.parametrize("name", ["iss", "exp"])
def test_a_claim_comes_once(door: Door, name: str) -> None:
    """RFC 7519 §4: also where both say the same."""
    for first in ("other", door.claims[name]):
        with pytest.raises(REFUSALS):
            door.enter(door.token(claims=twice(door.claims, name, first)))


def test_what_is_signed_is_a_set_of_claims(door: Door) -> None:
    """RFC 7519 §7.2, RFC 8725 §3.9: no JWT in a JWT, no list, no text, nothing that JSON does not have."""
    inner = door.token()
    contents = (
        inner.encode(),
        json.dumps(inner).encode(),
        json.dumps([door.claims]).encode(),
        b"\xef\xbb\xbf" + json.dumps(door.claims).encode(),
        json.dumps(door.claims).encode() + b"{}",
        json.dumps({**door.claims, "x": float("nan")}).encode(),
        json.dumps(door.claims).encode("utf-16"),
        b"",
    )
    for content in contents:
        for header in (door.header, {**door.header, "cty": "JWT"}):
            with pytest.raises(REFUSALS):
                door.enter(door.token(header, content))


def test_it_has_one_spelling(door: Door) -> None:
    """RFC 7515 §7.1: three segments of base64url, and none of the JSON forms."""
    good = door.token()
    head, body, signature = good.split(".")
    flat = json.dumps({"protected": head, "payload": body, "signature": signature})
    spelled = (
        f"{head}.{body}.",
        f"{head}..{signature}",
        f".{body}.{signature}",
        f"{good}.",
        f"{good}.{signature}",
        f"{good}=",
        f" {good}",
        f"{good}\n",
        f"{head}.{body}.{b64(b'0' * 96)}",
        f"{segment({**door.header, 'alg': 'none'})}.{body}.",
        flat,
        b64(flat.encode()),
    )
    for token in spelled:
        with pytest.raises(REFUSALS):
            door.enter(token)
