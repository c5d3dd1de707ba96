from __future__ import annotations

import base64
import hashlib
import json
import stat
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jws
from joserfc.jwk import OctKey, RSAKey

from authz.errors import Unavailable
from authz.keyring.model import SigningKeyRow
from authz.keyring.signing import BadSignature
from authz.settings import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from tests.keyring.conftest import Keys

CLAIMS = {"iss": "https://auth.example", "sub": "someone", "n": 1}


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=="))


def encoded(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def pem(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_a_signature_names_its_key_and_nothing_to_fetch(keys: Keys) -> None:
    """oauth.md 23.2: ``alg``, ``kid`` and ``typ``; no x5u, x5c, jku or jwk; OID-11, ST-14."""
    header, payload, _ = keys.keyring.sign(CLAIMS, "test+jwt").split(".")
    assert decoded(header) == {"alg": "RS256", "kid": keys.kid("active"), "typ": "test+jwt"}
    assert decoded(payload) == CLAIMS


def test_what_is_signed_verifies(keys: Keys) -> None:
    assert keys.keyring.verify(keys.keyring.sign(CLAIMS)) == CLAIMS
    assert keys.keyring.verify(keys.keyring.sign(CLAIMS, "other"), None) == CLAIMS


def test_every_process_signs_with_the_same_key(keys: Keys) -> None:
    """KT-10: kid and JWK Set are identical, and each verifies what the other signed."""
    other = keys.another()
    assert other.public_jwks() == keys.keyring.public_jwks()
    assert other.verify(keys.keyring.sign(CLAIMS)) == CLAIMS
    assert keys.keyring.verify(other.sign(CLAIMS)) == CLAIMS


def test_the_kid_is_the_thumbprint_of_rfc_7638(keys: Keys) -> None:
    """RFC 7638 §3: SHA-256 over e, kty and n, in this order, without white space; base64url without padding."""
    for jwk in keys.keyring.public_jwks()["keys"]:
        required = json.dumps({name: jwk[name] for name in ("e", "kty", "n")}, separators=(",", ":"))
        digest = hashlib.sha256(required.encode()).digest()
        assert jwk["kid"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def test_the_public_keys_hold_nothing_private(keys: Keys) -> None:
    """DJ-01, RFC 7517 §9.2: these members only; kids are unique; RSA of 2048 bits at least."""
    found = keys.keyring.public_jwks()
    assert [set(jwk) for jwk in found["keys"]] == [{"kty", "n", "e", "kid", "use", "alg"}] * 2
    assert {(jwk["kty"], jwk["use"], jwk["alg"]) for jwk in found["keys"]} == {("RSA", "sig", "RS256")}
    assert sorted(jwk["kid"] for jwk in found["keys"]) == sorted(keys.states())
    assert all(len(base64.urlsafe_b64decode(jwk["n"] + "==")) * 8 >= 2048 for jwk in found["keys"])


def forged_none(token: str) -> str:
    return f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{token.split('.')[1]}."


def edited(token: str) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{encoded(CLAIMS | {'sub': 'else'})}.{signature}"


def stripped(token: str) -> str:
    return token.rpartition(".")[0] + "."


def of_another_kid(token: str) -> str:
    header, payload, signature = token.split(".")
    return f"{encoded(decoded(header) | {'kid': 'x'})}.{payload}.{signature}"


def of_a_stranger(token: str) -> str:
    key = RSAKey.generate_key(2048)
    return jws.serialize_compact(
        decoded(token.split(".", maxsplit=1)[0]), json.dumps(CLAIMS), key, algorithms=["RS256"]
    )


@pytest.mark.parametrize("forge", [forged_none, edited, stripped, of_another_kid, of_a_stranger])
def test_a_forged_token_does_not_verify(keys: Keys, forge: Callable[[str], str]) -> None:
    """KT-01, RFC 8725 §3.1."""
    with pytest.raises(BadSignature):
        keys.keyring.verify(forge(keys.keyring.sign(CLAIMS)))


def test_the_public_key_is_no_hmac_secret(keys: Keys) -> None:
    """KT-01, CVE-2026-28802: HS256 with the public key as it is published."""
    public = keys.keyring.keys().published[keys.kid("active")]
    for secret in (public.as_pem(private=False), json.dumps(keys.keyring.public_jwks()["keys"][0]).encode()):
        mac = OctKey.import_key(base64.urlsafe_b64encode(secret).decode())
        header = {"alg": "HS256", "kid": keys.kid("active"), "typ": "JWT"}
        token = jws.serialize_compact(header, json.dumps(CLAIMS), mac, algorithms=["HS256"])
        with pytest.raises(BadSignature):
            keys.keyring.verify(token)


def test_a_token_of_another_kind_does_not_verify(keys: Keys) -> None:
    """KT-02, RFC 8725 §3.11: an audit anchor is no ID token."""
    with pytest.raises(BadSignature, match="not a JWT"):
        keys.keyring.verify(keys.keyring.sign(CLAIMS, "authz-audit-anchor+jwt"))


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "é.é.é", "\0", "a" * 100_000, "{}", "e30.e30.e30"])
def test_what_is_no_token_does_not_verify(keys: Keys, token: str) -> None:
    with pytest.raises(BadSignature):
        keys.keyring.verify(token)


@pytest.mark.parametrize("payload", ["[]", '"text"', "1", "null", "{", "", "[" * 100_000, '{"a":' * 100_000])
def test_a_signed_payload_that_is_no_set_of_claims_does_not_verify(keys: Keys, payload: str) -> None:
    keyring = keys.keyring
    key = keyring.private_key(keys.kid("active"))
    header = {"alg": "RS256", "kid": key.kid, "typ": "JWT"}
    with pytest.raises(BadSignature):
        keyring.verify(jws.serialize_compact(header, payload, key, algorithms=["RS256"]))


class TestStart:
    """KT-09: the server refuses to start with a clear message, and never makes a key by itself."""

    def test_without_a_key_it_refuses(self, bare: Keys) -> None:
        for act in (bare.keyring.check, lambda: bare.keyring.sign(CLAIMS)):
            with pytest.raises(ConfigurationError, match="there is no active signing key"):
                act()
        assert bare.states() == {}
        assert not bare.folder.exists()

    def test_with_a_next_key_only_it_refuses(self, bare: Keys) -> None:
        with bare.own.db.write() as session:
            bare.keyring.make(session, "next")
        with pytest.raises(ConfigurationError, match="there is no active signing key"):
            bare.keyring.check()

    def test_with_an_active_key_it_starts(self, keys: Keys) -> None:
        keys.keyring.check()

    def test_a_missing_file_is_refused(self, keys: Keys) -> None:
        file = keys.folder / f"{keys.kid('active')}.pem"
        file.unlink()
        with pytest.raises(ConfigurationError, match="No such file or directory") as refused:
            keys.another().check()
        assert refused.value.problems == [f"{file}: No such file or directory"]

    @pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o620])
    def test_a_file_open_to_others_is_refused(self, keys: Keys, mode: int) -> None:
        """Decision 7."""
        (keys.folder / f"{keys.kid('active')}.pem").chmod(mode)
        with pytest.raises(ConfigurationError, match=f"mode {mode:04o} lets others read or the group write it"):
            keys.another().check()

    @pytest.mark.parametrize("mode", [0o400, 0o440, 0o600, 0o640])
    def test_a_closed_file_is_read(self, keys: Keys, mode: int) -> None:
        """Decision 7: 0440 is what a mounted secret has."""
        (keys.folder / f"{keys.kid('active')}.pem").chmod(mode)
        keys.another().check()

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            (lambda: pem(rsa.generate_private_key(65537, 1024)), "is not an RSA key of 2048 bits"),  # noqa: S505  the case
            (lambda: pem(ec.generate_private_key(ec.SECP192R1())), "is not an RSA key of 2048 bits"),
            (lambda: pem(rsa.generate_private_key(65537, 2048)), "is not the key it is named after"),
            (lambda: b"", "is not a private key"),
            (lambda: b"-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n", "is not a private key"),
        ],
    )
    def test_a_file_with_another_key_is_refused(self, keys: Keys, content: Callable[[], bytes], complaint: str) -> None:
        """RSA of 1024 bits, an elliptic curve, another's key, nothing, rubbish."""
        kid = keys.kid("active")
        (keys.folder / f"{kid}.pem").write_bytes(content())
        with pytest.raises(ConfigurationError) as refused:
            keys.another().check()
        assert refused.value.problems == [f"{keys.folder / kid}.pem: {complaint}"]

    def test_a_private_key_is_written_for_this_server_only(self, keys: Keys) -> None:
        """Decision 7: PKCS 8, mode 0600."""
        files = sorted(keys.folder.iterdir())
        assert [file.name for file in files] == sorted(f"{kid}.pem" for kid in keys.states())
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        assert all(file.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----\n") for file in files)

    def test_the_database_holds_no_private_key(self, keys: Keys) -> None:
        """KT-07."""
        with keys.own.db.read() as session:
            assert [set(row.public_jwk) for row in session.query(SigningKeyRow)] == [
                {"kty", "n", "e", "kid", "use", "alg"}
            ] * 2


class TestRescan:
    """Decision 7: every process reads the keys anew within 60 s."""

    def test_a_rotation_elsewhere_is_followed_within_a_minute(self, keys: Keys) -> None:
        other = keys.another()
        before = keys.kid("active")
        assert decoded(other.sign(CLAIMS).split(".")[0])["kid"] == before
        keys.pass_time(1000)
        other.keys()
        keys.rotate()
        keys.pass_time(59)
        assert decoded(other.sign(CLAIMS).split(".")[0])["kid"] == before
        keys.pass_time(1)
        assert decoded(other.sign(CLAIMS).split(".")[0])["kid"] == keys.kid("active") != before

    def test_what_a_removed_key_signed_does_not_verify_within_a_minute(self, keys: Keys) -> None:
        """KT-11: the documented bound for every process."""
        other = keys.another()
        stolen = keys.kid("active")
        token = keys.keyring.sign(CLAIMS)
        keys.rotate(at_once=True)
        keys.remove(stolen, at_once=True)
        assert other.verify(keys.another().sign(CLAIMS)) == CLAIMS
        keys.pass_time(60)
        with pytest.raises(BadSignature):
            other.verify(token)
        with pytest.raises(BadSignature):
            keys.keyring.verify(token)

    def test_a_key_is_imported_once_for_each_process(self, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
        """house.md 6: importing takes tens of milliseconds."""
        keys.keyring.sign(CLAIMS)
        monkeypatch.setattr("authz.keyring.signing.imported", None)
        keys.pass_time(60)
        keys.keyring.sign(CLAIMS)

    def test_without_a_database_nothing_is_signed_with_keys_that_may_be_stale(
        self, keys: Keys, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """house.md law 2: a missing dependency is a 503, never a wrong yes."""
        keys.keyring.sign(CLAIMS)

        def gone() -> None:
            raise Unavailable("the database does not answer")

        monkeypatch.setattr(keys.own.db, "read", gone)
        keys.keyring.sign(CLAIMS)
        keys.pass_time(60)
        with pytest.raises(Unavailable):
            keys.keyring.sign(CLAIMS)
