"""Launches that are signed and encrypted JWTs: what holds, and every way in which one does not (REQ-74)."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OctKey

from authz.launch.launch import LaunchUnusable, Origin, Unusable
from authz.launch.signed import MAX_BYTES
from tests.launch.conftest import FHIR, LAB, PEER
from tests.launch.signing import SigningEhr, ec_key, public, rsa_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.launch.conftest import World

RECORD = {"client_id": "growth-chart", "fhir_server": FHIR, "user": "prac", "patient": "child-1"}


@pytest.fixture
def signer(world: World) -> SigningEhr:
    """The hospital's EHR with a key of its own, and our key to encrypt to."""
    services = world.services
    key = ec_key()
    with services.db.write() as session:
        services.launch_keys.rotate(session)
        services.ehrs.set_keys(session, "hospital-ehr", public(key))
    (encrypt_to,) = services.launch_keys.public_jwks()["keys"]
    return SigningEhr("hospital-ehr", "https://auth.example", encrypt_to, int(world.clock().timestamp()), key)


def refusal(world: World, token: str) -> tuple[str, str]:
    with pytest.raises(LaunchUnusable) as refused:
        world.services.launches.read(token)
    return refused.value.reason.value, refused.value.detail


def b64(value: object) -> str:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def test_a_signed_and_encrypted_launch_is_a_launch(world: World, signer: SigningEhr) -> None:
    """REQ-74: with the context it says, bound to app and FHIR server, made by that EHR, until its exp."""
    context = {"encounter": "visit-7", "fhirContext": [{"reference": "ServiceRequest/1"}], "__own": [1]}
    token = signer.launch(RECORD | context | {"session": "s-1"}, iat=signer.now, nbf=signer.now)
    launch = world.services.launches.read(token)
    assert (launch.ehr, launch.client_id, launch.fhir_server, launch.iss) == (
        "hospital-ehr",
        "growth-chart",
        "hospital",
        FHIR,
    )
    assert (launch.user_sub, launch.session, launch.origin) == (world.sub, "s-1", Origin.JWT)
    assert launch.context.as_parameters() == {"patient": "child-1", **context}
    assert launch.expires_at.timestamp() == signer.now + 120


@pytest.mark.parametrize("kind", ["ES384", "RS384"])
def test_an_ehr_signs_with_either_algorithm(world: World, signer: SigningEhr, kind: str) -> None:
    signer.key = rsa_key() if kind == "RS384" else ec_key()
    with world.services.db.write() as session:
        world.services.ehrs.set_keys(session, "hospital-ehr", public(signer.key))
    assert world.services.launches.read(signer.launch(RECORD)).context.patient == "child-1"


def test_it_is_used_once_however_it_is_signed_and_encrypted(world: World, signer: SigningEhr) -> None:
    """REQ-74, AZ-73: iss and jti are the launch, not the bytes around them."""
    services = world.services
    claims = signer.claims(RECORD)
    content = signer.signed(claims)
    launch = services.launches.read(signer.encrypted(content))
    with services.db.write() as session:
        services.launches.spend(session, launch, "grant-1", PEER)
    for again in (signer.encrypted(content), signer.encrypted(signer.signed(claims | {"patient": "child-2"}))):
        assert refusal(world, again) == ("launch_used", "")
    with pytest.raises(LaunchUnusable) as refused, services.db.write() as session:
        services.launches.spend(session, launch, "grant-2", PEER)
    assert refused.value.reason is Unusable.USED


def test_the_same_jti_of_another_ehr_is_another_launch(world: World, signer: SigningEhr) -> None:
    services = world.services
    with services.db.write() as session:
        services.ehrs.set_keys(session, "lab-ehr", public(signer.key))
        services.users.link(session, world.sub, "lab", "Practitioner/prac-lab")
    ours = services.launches.read(signer.launch(RECORD, jti="1"))
    signer.client_id = "lab-ehr"
    theirs = services.launches.read(signer.launch(RECORD | {"fhir_server": LAB, "client_id": "lab-only"}, jti="1"))
    assert ours.digest != theirs.digest


def test_who_is_first_seen_in_one_is_made_and_audited_once(world: World, signer: SigningEhr) -> None:
    """Decision 19."""
    token = signer.launch(RECORD | {"user": "Practitioner/new-1"})
    first, again = world.services.launches.read(token), world.services.launches.read(token)
    assert first == again
    assert sorted(world.events("event", "sub", "launch_id")) == sorted(
        [("user.created", first.user_sub, None), ("launch.created", first.user_sub, first.launch_id)], key=str
    )
    ((detail,),) = [row for row in world.events("detail") if row[0]]
    assert detail == {"ehr": "hospital-ehr", "written_by": "jwt"}


OTHER = ec_key(kid="ehr-es")
SMALL = ec_key("P-256", kid="ehr-es")
SECRET = OctKey.generate_key(256, {"kid": "ehr-es"})
FORGED: dict[str, Callable[[SigningEhr], str]] = {
    "signed by another key": lambda ehr: ehr.encrypted(ehr.signed(ehr.claims(RECORD), OTHER)),
    "signed with ES256": lambda ehr: ehr.encrypted(ehr.signed(ehr.claims(RECORD), SMALL, alg="ES256")),
    "signed with a secret": lambda ehr: ehr.encrypted(ehr.signed(ehr.claims(RECORD), SECRET, alg="HS256")),
    "the public key as a secret": lambda ehr: ehr.encrypted(hs256_by_public_key(ehr)),
    "not signed": lambda ehr: ehr.encrypted(unsigned(ehr)),
    "an empty signature": lambda ehr: ehr.encrypted(ehr.signed(ehr.claims(RECORD)).rpartition(".")[0] + "."),
    "tampered claims": lambda ehr: ehr.encrypted(tampered(ehr)),
    "encrypted to another key": lambda ehr: ehr.encrypted(ehr.signed(ehr.claims(RECORD)), ec_key("P-256")),
    "encrypted to a key on another curve": lambda ehr: ehr.encrypted(ehr.signed(ehr.claims(RECORD)), ec_key("P-384")),
    "encrypted twice": lambda ehr: ehr.encrypted(ehr.launch(RECORD)),
    "signed twice": lambda ehr: ehr.encrypted(signed_text(ehr, ehr.signed(ehr.claims(RECORD)))),
    "claims in clear": lambda ehr: ehr.encrypted(json.dumps(ehr.claims(RECORD))),
    "nothing in it": lambda ehr: ehr.encrypted(""),
    "no bytes of UTF-8": lambda ehr: ehr.encrypted(b"\xff\xfe"),  # type: ignore[arg-type]  # an attacker has no types
    "compressed": lambda ehr: ehr.encrypted(ehr.signed(ehr.claims(RECORD)), zip="DEF"),
    "other content encryption": lambda ehr: ehr.encrypted(ehr.signed(ehr.claims(RECORD)), enc="A128GCM"),
    "other key agreement": lambda ehr: ehr.encrypted(ehr.signed(ehr.claims(RECORD)), alg="ECDH-ES+A256KW"),
    "RSA": lambda ehr: ehr.encrypted(ehr.signed(ehr.claims(RECORD)), rsa_key(), alg="RSA-OAEP-256"),
    "no cty": lambda ehr: ehr.encrypted(ehr.signed(ehr.claims(RECORD)), cty=None),
    "no kid outside": lambda ehr: ehr.encrypted(ehr.signed(ehr.claims(RECORD)), kid=None),
    "unknown kid outside": lambda ehr: ehr.encrypted(ehr.signed(ehr.claims(RECORD)), kid="other"),
    "an address for keys outside": lambda ehr: ehr.encrypted(
        ehr.signed(ehr.claims(RECORD)), jku="https://evil.example"
    ),
    "no kid": lambda ehr: ehr.encrypted(ehr.signed(ehr.claims(RECORD), kid=None)),
    "unknown kid": lambda ehr: ehr.encrypted(ehr.signed(ehr.claims(RECORD), kid="other")),
    "a path as kid": lambda ehr: ehr.encrypted(ehr.signed(ehr.claims(RECORD)), kid="../secrets"),
    "no typ": lambda ehr: ehr.encrypted(ehr.signed(ehr.claims(RECORD), typ=None)),
    "typ of an assertion": lambda ehr: ehr.encrypted(ehr.signed(ehr.claims(RECORD), typ="JWT")),
    "an address for keys": lambda ehr: ehr.encrypted(ehr.signed(ehr.claims(RECORD), jku="https://evil.example/jwks")),
    "a key in the header": lambda ehr: ehr.encrypted(ehr.signed(ehr.claims(RECORD), OTHER, jwk=OTHER.as_dict())),
    "iss of another EHR": lambda ehr: ehr.launch(RECORD, iss="lab-ehr"),
    "iss of nobody": lambda ehr: ehr.launch(RECORD, iss="nobody"),
    "iss is no text": lambda ehr: ehr.launch(RECORD, iss=["hospital-ehr"]),
    "no iss": lambda ehr: ehr.launch(RECORD, iss=None),
    "aud of another": lambda ehr: ehr.launch(RECORD, aud="https://other.example"),
    "aud with a slash": lambda ehr: ehr.launch(RECORD, aud="https://auth.example/"),
    "aud of several": lambda ehr: ehr.launch(RECORD, aud=["https://auth.example", "https://other.example"]),
    "no aud": lambda ehr: ehr.launch(RECORD, aud=None),
    "expired": lambda ehr: ehr.launch(RECORD, exp=ehr.now),
    "lives too long": lambda ehr: ehr.launch(RECORD, exp=ehr.now + 311),
    "lives for ever": lambda ehr: ehr.launch(RECORD, exp=None),
    "exp is text": lambda ehr: ehr.launch(RECORD, exp=str(ehr.now + 60)),
    "exp is true": lambda ehr: ehr.launch(RECORD, exp=True),
    "not yet": lambda ehr: ehr.launch(RECORD, nbf=ehr.now + 60),
    "made tomorrow": lambda ehr: ehr.launch(RECORD, iat=ehr.now + 86_400),
    "no jti": lambda ehr: ehr.launch(RECORD, jti=None),
    "empty jti": lambda ehr: ehr.launch(RECORD, jti=""),
    "long jti": lambda ehr: ehr.launch(RECORD, jti="j" * 256),
    "jti is a number": lambda ehr: ehr.launch(RECORD, jti=7),
    "a sub": lambda ehr: ehr.launch(RECORD, sub="hospital-ehr"),
    "no app": lambda ehr: ehr.launch(RECORD, client_id=None),
    "a banner in words": lambda ehr: ehr.launch(RECORD, need_patient_banner="false"),
    "an unknown member": lambda ehr: ehr.launch(RECORD, ttl=86_400),
    "unknown app": lambda ehr: ehr.launch(RECORD, client_id="nobody"),
    "an app of another FHIR server": lambda ehr: ehr.launch(RECORD, client_id="lab-only"),
    "a FHIR server that is not the EHR's": lambda ehr: ehr.launch(RECORD, fhir_server=LAB),
    "unknown user": lambda ehr: ehr.launch(RECORD, user="nobody"),
    "somebody else's record": lambda ehr: ehr.launch(RECORD, user="Patient/other"),
    "signed in tomorrow": lambda ehr: ehr.launch(RECORD, auth_time=ehr.now + 60),
    "too long": lambda ehr: ehr.launch(RECORD, appContext="a" * MAX_BYTES),
}
REASONS = {
    "launch_malformed",
    "launch_untrusted",
    "launch_long_lived",
    "launch_unknown",
    "launch_foreign",
}


def unsigned(ehr: SigningEhr) -> str:
    header = {"alg": "none", "kid": ehr.key.kid, "typ": "launch+jwt"}
    return f"{b64(header)}.{b64(ehr.claims(RECORD))}."


def hs256_by_public_key(ehr: SigningEhr) -> str:
    secret = OctKey.import_key(ehr.key.as_pem(private=False).replace(b"-----", b""), {"kid": "ehr-es"})
    return ehr.signed(ehr.claims(RECORD), secret, alg="HS256")


def tampered(ehr: SigningEhr) -> str:
    header, _, signature = ehr.signed(ehr.claims(RECORD)).split(".")
    return f"{header}.{b64(ehr.claims(RECORD, patient='child-2'))}.{signature}"


def signed_text(ehr: SigningEhr, text: str) -> str:
    header = {"alg": "ES384", "kid": ehr.key.kid, "typ": "launch+jwt"}
    return jws.serialize_compact(header, text, ehr.key, algorithms=["ES384"])


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_one_that_does_not_hold_is_refused_and_leaves_nothing(
    world: World, signer: SigningEhr, forge: Callable[[SigningEhr], str]
) -> None:
    """REQ-74, RFC 8725 §2: tampered, expired, unsigned, not encrypted, another's, for another, of another kind."""
    reason, detail = refusal(world, forge(signer))
    assert reason in REASONS
    assert detail
    assert world.events("event") == []


def test_one_that_is_not_encrypted_is_a_handle_that_nobody_made(world: World, signer: SigningEhr) -> None:
    """REQ-74: its claims were for everybody to read, whoever signed them."""
    assert refusal(world, signer.signed(signer.claims(RECORD))) == ("launch_unknown", "")


def test_nothing_is_signed_by_whoever_is_switched_off_or_has_no_keys(world: World, signer: SigningEhr) -> None:
    """A key that is registered no more, an EHR that is off, end also the launches that wait."""
    services, token = world.services, signer.launch(RECORD)
    assert services.launches.read(token)
    with services.db.write() as session:
        services.ehrs.set_enabled(session, "hospital-ehr", enabled=False)
    assert refusal(world, token)[0] == "launch_untrusted"
    with services.db.write() as session:
        services.ehrs.set_enabled(session, "hospital-ehr", enabled=True)
        services.ehrs.set_keys(session, "hospital-ehr", None)
    assert refusal(world, token)[0] == "launch_untrusted"


def test_an_ended_session_and_a_user_who_is_off_end_it_too(world: World, signer: SigningEhr) -> None:
    services, token = world.services, signer.launch(RECORD | {"session": "s-1"})
    with services.db.write() as session:
        services.ehr_sessions.end(session, "hospital", "s-1")
    assert refusal(world, token)[0] == "ehr_session_ended"
    other = signer.launch(RECORD)
    assert services.launches.read(other)
    with services.db.write() as session:
        services.users.set_enabled(session, world.sub, enabled=False)
    assert refusal(world, other)[0] == "launch_foreign"


def test_its_time_ends(world: World, signer: SigningEhr) -> None:
    token = signer.launch(RECORD)
    world.clock.forward(119)
    assert world.services.launches.read(token)
    world.clock.forward(1)
    assert refusal(world, token) == ("launch_unknown", "exp has passed")


def test_a_key_is_rotated_while_ehrs_still_use_the_old_one(world: World, signer: SigningEhr) -> None:
    """Decision 7: the retired key opens what was made for it, until it is removed."""
    services = world.services
    old = signer.launch(RECORD)
    with services.db.write() as session:
        retired, _current = services.launch_keys.rotate(session)
    assert services.launches.read(old)
    services.launch_keys.loaded = type(services.launch_keys.loaded)(float("-inf"), None, frozenset())
    (signer.encrypt_to,) = services.launch_keys.public_jwks()["keys"]
    assert services.launches.read(signer.launch(RECORD))
    with services.db.write() as session:
        services.launch_keys.remove(session, session.merge(retired), 0, at_once=True)
    services.launch_keys.loaded = type(services.launch_keys.loaded)(float("-inf"), None, frozenset())
    assert refusal(world, old) == ("launch_malformed", "kid names none of our keys")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_changed_in_one_it_is_refused(world: World, signer: SigningEhr, data: st.DataObject) -> None:
    """One character anywhere: never another launch, never an error of ours."""
    token = signer.launch(RECORD)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("ABz09-_.="))
    changed = token[:at] + other + token[at + 1 :]
    if changed != token:
        assert refusal(world, changed)[0] in REASONS


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(header=st.dictionaries(st.sampled_from(["alg", "enc", "kid", "cty", "epk", "zip"]), st.text() | st.none()))
def test_any_header_is_refused(world: World, signer: SigningEhr, header: dict[str, Any]) -> None:
    good = {"alg": "ECDH-ES", "enc": "A256GCM", "cty": "JWT", "kid": signer.encrypt_to["kid"]}
    made = {**good, "epk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, **header}
    assert refusal(world, f"{b64(made)}..AAAA.AAAA.AAAA")[0] == "launch_malformed"
