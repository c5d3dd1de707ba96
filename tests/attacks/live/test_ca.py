"""CA: every way to prove who a client is, tried badly, at each endpoint that asks for it (security.md 2.3)."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwe, jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from authz.clients.assertion import ASSERTION_TYPE
from authz.clients.model import ClientRow
from authz.storage.recent import A_SECOND
from tests.actors import FORM, basic
from tests.attacks.live.cast import ASKER_SECRET, OFF_SECRET, KeyedApp
from tests.attacks.live.jose import b64, compact, es384, es384_der, hs, rs256, rs384, segment, unsigned
from tests.world import SECRET

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.attacks.live.target import Target
    from tests.transport import Reply

BODIES = {
    "/token": {"grant_type": "refresh_token", "refresh_token": "x"},
    "/introspect": {"token": "x"},
    "/revoke": {"token": "x"},
}
AT_EACH = pytest.mark.parametrize("path", BODIES)
STRANGER = ECKey.generate_key("P-384")
Form = dict[str, str]


def send(target: Target, path: str, form: Form | None = None, headers: Any = None) -> Reply:
    body = urlencode({**BODIES[path], **(form or {})}).encode()
    return target.send("POST", path, [("Content-Type", FORM), *(dict(headers or {}).items())], body)


def is_let_in(reply: Reply) -> bool:
    """Whether the request got past the authentication; the token in it is nobody's."""
    return reply.status == 200 or reply.json()["error"] in {"invalid_grant", "unauthorized_client"}


def turned_away(target: Target, reply: Reply) -> None:
    target.refused(reply, 401, "invalid_client")
    assert reply.json()["error_description"] == "client authentication failed"
    assert (reply.header("www-authenticate") or "").startswith("Basic ")


@AT_EACH
def test_the_registered_ways_are_let_in(target: Target, path: str) -> None:
    """CA-30, CA-07: so that the refusals are about what is wrong with them; ``basic`` in any case; both audiences."""
    assert is_let_in(send(target, path, {}, basic("asking", ASKER_SECRET)))
    assert is_let_in(send(target, path, {"client_id": "posting", "client_secret": ASKER_SECRET}))
    lower = basic("asking", ASKER_SECRET)["Authorization"].replace("Basic", "bAsIc")
    assert is_let_in(send(target, path, {}, {"Authorization": lower}))
    for alg in ("ES384", "RS384"):
        for aud in (f"{target.issuer}/token", target.issuer, [target.issuer]):
            assert is_let_in(send(target, path, target.key.proof(target.key.assertion(alg, aud=aud))))


def raw(value: bytes) -> Form:
    return {"Authorization": "Basic " + b64encode(value).decode()}


WRONG: dict[str, list[tuple[Form, Form]]] = {
    "CA-01 wrong, unknown, another's": [
        ({}, basic("asking", "wrong")),
        ({}, basic("asking", "")),
        ({}, basic("nobody", ASKER_SECRET)),
        ({}, basic("asking", SECRET)),
        ({}, basic("posting", ASKER_SECRET)),
        ({}, basic("off", OFF_SECRET)),
        ({}, basic("public", "")),
        ({}, basic("ehr-main", "ehr-main-secret")),
        ({"client_id": "asking", "client_secret": ASKER_SECRET}, {}),
        ({"client_id": "posting", "client_secret": "wrong"}, {}),
    ],
    "CA-03 two names": [
        ({"client_id": "public"}, basic("asking", ASKER_SECRET)),
        ({"client_id": "posting"}, basic("asking", ASKER_SECRET)),
        ({"client_id": "ASKING"}, basic("asking", ASKER_SECRET)),
    ],
    "CA-06 other letters": [
        ({}, raw("asking:é".encode())),
        ({}, raw("asking:é".encode("latin-1"))),
        ({"client_id": "posting", "client_secret": "é"}, {}),
        ({"client_id": "posting", "client_secret": "\U0001f600" * 100}, {}),
    ],
    "CA-07 no Basic": [
        ({}, raw(b"\xff\xfe:\xff")),
        ({}, raw(b"asking")),
        ({}, raw(b":" + ASKER_SECRET.encode())),
        ({}, raw(b"asking:\0")),
        ({}, {"Authorization": "Basic"}),
        ({}, {"Authorization": "Basic !!!"}),
        ({}, {"Authorization": "Basic\t" + b64encode(b"asking:x").decode()}),
        ({}, {"Authorization": "Digest x"}),
        ({}, {"Authorization": "Basic " + b64encode(b"asking:" + b"x" * 5_000).decode()}),
    ],
}


@AT_EACH
@pytest.mark.parametrize("tries", WRONG.values(), ids=WRONG)
def test_whatever_is_wrong_reads_the_same(target: Target, path: str, tries: list[tuple[Form, Form]]) -> None:
    """RFC 6749 §5.2: 401 ``invalid_client``, and nothing about which part."""
    for form, headers in tries:
        turned_away(target, send(target, path, form, headers))


@AT_EACH
def test_an_endless_header_is_refused_and_two_are_none(target: Target, path: str) -> None:
    """CA-07."""
    body = urlencode(BODIES[path]).encode()
    long = [("Content-Type", FORM), ("Authorization", "Basic " + "x" * 100_000)]
    assert target.send("POST", path, long, body).status == 431
    two = [("Content-Type", FORM), *basic("asking", ASKER_SECRET).items(), *basic("asking", ASKER_SECRET).items()]
    turned_away(target, target.send("POST", path, two, body))


@AT_EACH
def test_two_ways_at_once_are_one_too_many(target: Target, path: str) -> None:
    """CA-02, RFC 6749 §2.3: even if each is good."""
    good = basic("asking", ASKER_SECRET)
    for form in (
        {"client_id": "asking", "client_secret": ASKER_SECRET},
        {"client_secret": "wrong"},
        target.key.proof(),
        {"client_assertion": "a.b.c", "client_assertion_type": "x"},
    ):
        target.refused(send(target, path, form, good), 400, "invalid_request")
    both = {"client_id": "posting", "client_secret": ASKER_SECRET, **target.key.proof()}
    target.refused(send(target, path, both), 400, "invalid_request")
    bearer = {"Authorization": "Bearer x"}
    refused = send(target, path, {"client_id": "posting", "client_secret": ASKER_SECRET}, bearer)
    target.refused(refused, 400, "invalid_request")


@AT_EACH
@pytest.mark.parametrize("client_id", ["confidential", "posting", "key", "bulk"])
def test_a_name_alone_proves_nothing(target: Target, path: str, client_id: str) -> None:
    """CA-05."""
    target.refused(send(target, path, {"client_id": client_id}), 401, "invalid_client", "invalid_token")


def unsigned_as(alg: object) -> Callable[[KeyedApp, Form], str]:
    head = {"kid": "ES384", "typ": "JWT"} | ({} if alg is None else {"alg": alg})
    return lambda _app, claims: compact(head, claims, unsigned)


def with_secret(alg: str, hash_: str, of: Callable[[KeyedApp], bytes]) -> Callable[[KeyedApp, Form], str]:
    """HMAC with what is public of the client's keys."""
    head = {"alg": alg, "kid": "ES384", "typ": "JWT"}
    return lambda app, claims: compact(head, claims, hs(of(app), hash_))


def pem(app: KeyedApp) -> bytes:
    assert app.keys is not None
    return app.keys.rsa.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def der(app: KeyedApp) -> bytes:
    assert app.keys is not None
    return app.keys.ec.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def jwk(app: KeyedApp) -> bytes:
    assert app.keys is not None
    return json.dumps(app.keys.public()[1]).encode()


def modulus(app: KeyedApp) -> bytes:
    assert app.keys is not None
    return str(app.keys.public()[1]["n"]).encode()


def header(**changes: Any) -> Callable[[KeyedApp, Form], str]:
    """Signed by the right key under another header; ``None`` takes a member away."""

    def make(app: KeyedApp, claims: Form) -> str:
        assert app.keys is not None
        head = {"alg": "ES384", "kid": "ES384", "typ": "JWT", **changes}
        return compact({k: v for k, v in head.items() if v is not None}, claims, es384(app.keys.ec))

    return make


def signed(sign: Callable[[KeyedApp], Callable[[bytes], bytes]], alg: str = "ES384") -> Callable[[KeyedApp, Form], str]:
    return lambda app, claims: compact({"alg": alg, "kid": alg, "typ": "JWT"}, claims, sign(app))


def own(app: KeyedApp) -> ECKey:
    assert app.keys is not None
    return app.keys.ec


def own_rsa(app: KeyedApp) -> RSAKey:
    assert app.keys is not None
    return app.keys.rsa


def flipped(app: KeyedApp) -> Callable[[bytes], bytes]:
    return lambda content: (made := es384(own(app))(content))[:-1] + bytes([made[-1] ^ 1])


def by_stranger(more: dict[str, Any]) -> Callable[[KeyedApp, Form], str]:
    return lambda _app, claims: compact({"alg": "ES384", "typ": "JWT", **more}, claims, es384(STRANGER))


FORGED: dict[str, list[Callable[[KeyedApp, Form], str]]] = {
    "CA-10 not signed": [unsigned_as(alg) for alg in ("none", "None", "nOnE", "NONE", "", None, ["none"], 0)],
    "CA-11 signed with what is public": [
        with_secret(alg, hash_, of)
        for alg, hash_ in (("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512"))
        for of in (pem, der, jwk, modulus, lambda _: b"")
    ],
    "CA-13 a secret that was never registered": [with_secret("HS256", "sha256", lambda _: b"x" * 32)],
    "CA-14 other algorithms": [
        signed(lambda app: rs256(own_rsa(app)), "RS256"),
        *(
            header(alg=alg)
            for alg in ("RS256", "PS256", "ES256", "ES256K", "ES512", "EdDSA", "es384", "ES384 ", "RS384")
        ),
        signed(lambda _: Ed25519PrivateKey.generate().sign, "EdDSA"),
    ],
    "CA-15 another signature": [
        signed(lambda _: es384(STRANGER)),
        signed(flipped),
        signed(lambda _: unsigned),
        signed(lambda _: lambda _content: bytes(96)),
        signed(lambda app: es384_der(own(app))),
        signed(lambda app: rs384(own_rsa(app)), "ES384"),
        header(alg="RS384", kid="ES384"),
        header(alg="ES384", kid="RS384"),
    ],
    "CA-17 other kids": [
        header(kid=kid)
        for kid in (
            None,
            "",
            "unknown",
            5,
            {"a": 1},
            ["ES384"],
            "../../dev/null",
            "' OR 1=1--",
            "x" * 10_000,
            "ES384\0",
        )
    ],
    "CA-19 keys that come along": [
        by_stranger(more)
        for more in (
            {"jwk": STRANGER.as_dict(private=False)},
            {"kid": "ES384", "jwk": STRANGER.as_dict(private=False)},
            {"kid": "ES384", "x5c": ["AAAA"]},
            {"kid": "ES384", "jku": "https://evil.example/jwks"},
            {"kid": "ES384", "x5u": "https://evil.example/cert"},
        )
    ],
    "CA-21 extensions": [
        header(crit=["bork"], bork=1),
        header(crit=[]),
        header(crit=["b64"], b64=False),
        header(b64=False),
        header(zip="DEF"),
    ],
    "CA-22 other kinds of token": [header(typ=kind) for kind in ("at+jwt", "logout+jwt", "dpop+jwt", "", None, 5)],
}


@AT_EACH
@pytest.mark.parametrize("forgeries", FORGED.values(), ids=FORGED)
def test_no_forged_assertion_is_let_in(
    target: Target, path: str, forgeries: list[Callable[[KeyedApp, Any], str]]
) -> None:
    """RFC 8725: every one is refused in the same words, and nobody is called because of it."""
    target.publisher.visits.clear()
    for make in forgeries:
        forged = make(target.key, target.key.claims())
        reply = send(target, path, target.key.proof(forged))
        if len(forged) > 16_384:
            target.refused(reply, 400, "invalid_request")
        else:
            turned_away(target, reply)
    assert set(target.publisher.visits) <= {"/key"}


def each(name: str, *values: Any) -> list[dict[str, Any]]:
    return [{name: value} for value in values]


CLAIMED: dict[str, list[dict[str, Any]]] = {
    "CA-26 no subject": [
        {"sub": None},
        *({"sub": sub, "iss": sub} for sub in (5, ["key"], "key\0", "\ud800", "x" * 100, "", {"a": 1}, True, "KEY")),
    ],
    "CA-27 not the same client": [{"iss": "key2"}, {"sub": "key2"}, {"iss": None}, {"iss": "key2", "sub": "key2"}],
    "CA-29 other audiences": [
        {"aud": ["{token}", "https://evil.example/token"]},
        *each("aud", [], {}, None, "", "https://evil.example/token", "{token}/", "{issuer}/authorize"),
        {"aud": ["{token}", "{token}"]},
        {"aud": "{TOKEN}"},
    ],
    "CA-31 other times": [
        *each("exp", None, "x", True, -1, 0, 2**63, 1e400, float("nan"), [], "9999999999"),
        *each("in", 3600, -61, 390, -86400),  # half a minute beyond what is allowed: the machine may be slow
        {"nbf": 2**62},
        {"iat": "x"},
    ],
    "CA-33 no jti": each("jti", None, "", "x" * 10_000, 5, ["x"], {}, True),
}


@AT_EACH
@pytest.mark.parametrize("tries", CLAIMED.values(), ids=CLAIMED)
def test_an_assertion_says_who_to_whom_and_for_how_long(target: Target, path: str, tries: list[dict[str, Any]]) -> None:
    """RFC 7523 §3, SMART ASY-07..11: signed by the right key each time."""
    app = target.key
    places = {"{token}": f"{target.issuer}/token", "{issuer}": target.issuer, "{TOKEN}": f"{target.issuer}/TOKEN"}

    def filled(value: Any) -> Any:
        if isinstance(value, list):
            return [filled(one) for one in value]
        if isinstance(value, str):
            for name, url in places.items():
                value = value.replace(name, url)
        return value

    for changes in tries:
        made = {name: filled(value) for name, value in changes.items()}
        if "in" in made:
            made = {"exp": target.clock.seconds() + made["in"]}
        turned_away(target, send(target, path, {**app.proof(app.assertion(**made))}))


@AT_EACH
def test_the_client_id_beside_an_assertion_is_its_subject(target: Target, path: str) -> None:
    """CA-27."""
    for client_id in ("key2", "public", "KEY", "bulk"):
        turned_away(target, send(target, path, {**target.key.proof(), "client_id": client_id}))
    assert is_let_in(send(target, path, {**target.key.proof(), "client_id": "key"}))


@AT_EACH
def test_deep_json_is_refused(target: Target, path: str) -> None:
    """CA-25: by anybody, before any signature; and what is no JSON, or no JWT."""
    for payload in (
        b'{"sub":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b"[" * 10_000,
        b"\xff\xfe",
        b"{}{}",
        b"null",
        b'{"sub":1,"sub":2}',
    ):
        forged = compact({"alg": "ES384", "kid": "x", "typ": "JWT"}, payload, lambda _: b"x" * 96)
        reply = send(target, path, {"client_assertion_type": ASSERTION_TYPE, "client_assertion": forged})
        target.refused(reply, reply.status, "invalid_client", "invalid_request")
        assert reply.status in {400, 401}
    deep_head = f"{segment(b'[' * 5_000)}.{segment({})}.{b64(b'x')}"
    for text in (deep_head, "a.b.c", "..", "a.b", ".", "eyJ", "a.b.c.d.e", " "):
        reply = send(target, path, {"client_assertion_type": ASSERTION_TYPE, "client_assertion": text})
        target.refused(reply, 401, "invalid_client")


@AT_EACH
def test_an_encrypted_token_is_not_opened(target: Target, path: str) -> None:
    """CA-23: neither one that would unfold to a hundred megabytes nor one that costs two billion rounds."""
    bomb = {"alg": "dir", "enc": "A128CBC-HS256", "zip": "DEF"}
    packed = jwe.encrypt_compact(
        bomb, b"0" * 100_000, OctKey.generate_key(256), algorithms=[*("dir", "A128CBC-HS256"), "DEF"]
    )
    rounds = b64(json.dumps({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2**31 - 1, "p2s": "AAAA"}).encode())
    for text in (packed, f"{rounds}.AAAA.AAAA.AAAA.AAAA"):
        turned_away(target, send(target, path, target.key.proof(text)))


@AT_EACH
def test_a_token_of_this_server_is_no_assertion(target: Target, path: str) -> None:
    """CA-22: not even an id_token whose audience is the client."""
    id_token = target.tokens_for_alice(app=target.key)["id_token"]
    turned_away(target, send(target, path, target.key.proof(id_token)))


@AT_EACH
def test_an_assertion_is_good_once(target: Target, path: str) -> None:
    """CA-34: at this endpoint and at every other, on either worker."""
    proof = target.key.proof()
    assert is_let_in(send(target, path, proof))
    for other in (path, *BODIES):
        turned_away(target, send(target, other, proof))


def test_of_twelve_uses_at_once_one_succeeds(target: Target) -> None:
    """CA-35."""
    proof = target.bulk.proof()
    form = {"grant_type": "client_credentials", "scope": "system/Patient.rs", **proof}
    app = replace(target.pub, transport=target.crowd)
    replies = target.at_once([partial(app.post, "/token", {**form, "client_id": "bulk"})] * 12)
    assert sorted(reply.status for reply in replies) == [200] + [401] * 11


def test_two_clients_may_use_the_same_jti(target: Target) -> None:
    """CA-37: it is the issuer's."""
    for app in (target.key, target.key2):
        assert is_let_in(send(target, "/token", app.proof(app.assertion(jti="one-for-both"))))


@AT_EACH
def test_the_type_of_an_assertion_is_said_and_there_is_one(target: Target, path: str) -> None:
    """CA-38."""
    assertion = target.key.assertion()
    for type_ in (None, "x", ASSERTION_TYPE.upper(), "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"):
        form = {"client_assertion": assertion} | ({} if type_ is None else {"client_assertion_type": type_})
        turned_away(target, send(target, path, form))
    twice = urlencode([*BODIES[path].items(), *target.key.proof().items(), ("client_assertion", assertion)])
    target.refused(target.send("POST", path, {"Content-Type": FORM}, twice.encode()), 400, "invalid_request")
    turned_away(target, send(target, path, {"client_assertion_type": ASSERTION_TYPE}))


def test_two_published_keys_of_one_name_are_none(target: Target) -> None:
    """CA-18, SMART ASY-12: nobody can say which one it is."""
    keys = target.publisher.keys["key2"].public()
    other = {**STRANGER.as_dict(private=False), "kid": "ES384", "alg": "ES384"}
    target.publisher.answers["/key2"] = json.dumps({"keys": [other, *keys]}).encode()
    try:
        target.clock.forward(seconds=700)
        turned_away(target, send(target, "/token", target.key2.proof()))
    finally:
        del target.publisher.answers["/key2"]
        target.clock.forward(seconds=700)
    assert is_let_in(send(target, "/token", target.key2.proof()))


def test_made_up_key_names_cause_few_fetches(target: Target) -> None:
    """CA-42: one a minute for each worker and client, whatever is asked (decision 12)."""
    assert is_let_in(send(target, "/token", target.key.proof()))
    target.publisher.visits.clear()
    for number in range(40):
        turned_away(
            target, send(target, "/token", target.key.proof(target.key.assertion(header={"kid": f"k{number}"})))
        )
    assert len(target.publisher.visits) <= 2 * len(target.wire.workers)


def test_a_client_changes_its_keys(target: Target) -> None:
    """CA-43: the new one is found, the removed one is no use once the old set is over."""
    app, published = target.key2, target.publisher.keys["key2"]
    old, new = published.ec, ECKey.generate_key("P-384")
    assert is_let_in(send(target, "/token", app.proof()))
    published.ec = new
    target.clock.forward(seconds=700)
    try:
        assert is_let_in(send(target, "/token", app.proof()))
        published_old = replace(app, keys=replace(published, ec=old))
        turned_away(target, send(target, "/token", published_old.proof()))
    finally:
        published.ec = old
        target.clock.forward(seconds=700)


@pytest.mark.parametrize(
    "body",
    [
        b"<html></html>",
        b"{",
        b"[" * 5_000,
        b'{"keys":"x"}',
        b"{}",
        b'{"keys":[5]}',
        b"\xff",
        b"",
        b'{"keys":[{"kty":"oct","k":"AAAA"}]}',
    ],
)
def test_a_key_set_that_can_not_be_read_proves_nothing(target: Target, body: bytes) -> None:
    """CA-45: and is not repeated in the log."""
    target.publisher.answers["/key2"] = body
    target.clock.forward(seconds=700)
    try:
        turned_away(target, send(target, "/token", target.key2.proof()))
    finally:
        del target.publisher.answers["/key2"]
        target.clock.forward(seconds=700)
    assert is_let_in(send(target, "/token", target.key2.proof()))


def test_a_symmetric_key_can_not_be_registered(target: Target) -> None:
    """CA-13."""
    secret = OctKey.generate_key(256)
    reply = target.vendor.send(
        {
            "client_name": "Symmetric",
            "token_endpoint_auth_method": "private_key_jwt",
            "redirect_uris": ["https://vendor.example/cb"],
            "jwks": {"keys": [secret.as_dict()]},
        }
    )
    target.refused(reply, 400, "invalid_client_metadata")
    forged = jwt.encode({"alg": "HS256", "kid": "x", "typ": "JWT"}, target.key.claims(), secret, algorithms=["HS256"])
    turned_away(target, send(target, "/token", target.key.proof(forged)))


def published_at(target: Target, uri: str | None) -> None:
    with target.services.db.write() as session:
        target.services.clients.row(session, "key2").jwks_uri = uri
    time.sleep(A_SECOND)  # until the server believes it


def test_keys_are_not_fetched_from_machines_inside(target: Target) -> None:
    """CA-39: no address of this machine is called, however it is written; the canary would hear it."""
    inside = [uri for uri in target.canary.addresses() if "[::1]" not in uri]  # the one that this installation allows
    with target.services.db.read() as session:
        own = session.get_one(ClientRow, "key2").jwks_uri
    try:
        for number, uri in enumerate(inside):
            published_at(target, uri)
            turned_away(
                target, send(target, "/token", target.key2.proof(target.key2.assertion(jti=f"inside-{number}")))
            )
    finally:
        published_at(target, own)
    assert target.canary.heard == []
