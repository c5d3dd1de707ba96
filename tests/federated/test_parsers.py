"""Whatever a provider sends, and whatever an administrator types: an answer, or a refusal in words; nothing else."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.errors import InvalidValue
from authz.fhir_servers.search import SPECIAL
from authz.keyring.foreign import Unproved, read, verify
from authz.login.federated import id_token, logout_token
from authz.login.federated.metadata import read as read_document
from authz.login.federated.provider import Provider
from authz.login.federated.trip import Trip
from authz.login.federated.why import UpstreamFailed
from authz.users.search_template import SearchTemplate

NOW = datetime(2026, 5, 4, tzinfo=UTC)
PROVIDER = Provider("hospital", "Hospital ID", "https://idp.example", "authz")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    ["iss", "sub", "aud", "azp", "exp", "iat", "nbf", "nonce", "sid", "jti", "events", "auth_time", "acr", "amr", "typ"]
)
GOOD: dict[str, Any] = {
    "iss": PROVIDER.issuer,
    "aud": PROVIDER.client_id,
    "sub": "somebody",
    "exp": NOW.timestamp() + 60,
    "iat": NOW.timestamp(),
    "jti": "once",
    "nonce": "n" * 43,
}


def trip(max_age: int | None = None) -> Trip:
    return Trip("hospital", "handle", "digest", NOW, max_age, nonce="n" * 43)


@given(st.dictionaries(NAMES, JSON), st.dictionaries(st.sampled_from(["typ", "alg", "kid"]), JSON))
def test_claims_of_any_shape_are_judged_and_never_crash(changes: dict[str, Any], header: dict[str, Any]) -> None:
    """OIDC Core §3.1.3.7: what passes is for us, of now and of this request."""
    claims = GOOD | changes
    try:
        id_token.check({"alg": "RS256", **header}, claims, PROVIDER, trip(), NOW)
        when = id_token.auth_time(claims, trip(), NOW)
        id_token.acr(claims, trip())
        id_token.amr(claims)
    except UpstreamFailed:
        return
    assert claims["iss"] == PROVIDER.issuer
    assert claims["aud"] in (PROVIDER.client_id, [PROVIDER.client_id])
    assert claims["nonce"] == "n" * 43
    assert when <= NOW


@given(st.dictionaries(NAMES, JSON), st.dictionaries(st.sampled_from(["typ", "alg"]), JSON))
def test_logout_tokens_of_any_shape_are_judged_and_never_crash(changes: dict[str, Any], header: dict[str, Any]) -> None:
    """Back-Channel Logout §2.6."""
    claims = {name: value for name, value in GOOD.items() if name != "nonce"} | changes
    try:
        ended = logout_token.check(header, claims, PROVIDER, NOW)
    except UpstreamFailed:
        return
    assert (ended.sid or ended.subject) is not None
    assert logout_token.EVENT in claims["events"]
    assert "nonce" not in claims


@given(st.text(max_size=80) | st.binary(max_size=60).map(lambda raw: f"{urlsafe_b64encode(raw).decode()}.e30.AA"))
def test_what_is_no_signed_jwt_is_refused(token: str) -> None:
    """RFC 7515 §5.2."""
    with pytest.raises(Unproved):
        read(token)


@given(st.dictionaries(st.sampled_from(["kty", "kid", "n", "e", "crv", "x", "y", "use", "alg", "key_ops", "d"]), JSON))
def test_a_key_of_any_shape_verifies_nothing(key: dict[str, Any]) -> None:
    """RFC 7517 §4: the set is the provider's to write, the check is ours."""
    header = {"alg": "RS256", "kid": key.get("kid")}
    token = ".".join(urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, {}))
    with pytest.raises(Unproved):
        verify(f"{token}.AAAA", header, {"keys": [key, *([key] if key.get("use") else [])]})


@given(st.dictionaries(st.sampled_from(["issuer", "token_endpoint", "jwks_uri", "authorization_endpoint"]), JSON))
def test_a_document_of_any_shape_is_refused_or_safe(document: dict[str, Any]) -> None:
    """OIDC Discovery §4.3."""
    with pytest.raises(UpstreamFailed):
        read_document(document, PROVIDER.issuer)


@given(st.text(max_size=60))
def test_a_template_of_any_text_is_refused_or_names_a_claim(text: str) -> None:
    """Issue 6.2: a search without a claim in it would find the same person for everybody."""
    try:
        template = SearchTemplate.parse(text)
    except InvalidValue:
        return
    assert template.claims - {"email", "email_verified"}


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=40))
def test_a_value_never_reaches_beyond_itself(value: str) -> None:
    """FHIR search §escaping: no comma, bar or dollar of a claim is left with a meaning."""
    template = SearchTemplate.parse("a:Practitioner?identifier=http://staff.example|{number}")
    filled = template.filled({"number": value})
    if not value.strip():
        assert filled is None
        return
    assert filled is not None
    ((name, text),) = filled
    rest = text.removeprefix("http://staff.example|")
    assert name == "identifier"
    assert SPECIAL.sub("", rest.replace("\\\\", "").replace("\\,", "").replace("\\|", "").replace("\\$", "")) == (
        rest.replace("\\\\", "").replace("\\,", "").replace("\\|", "").replace("\\$", "")
    )


@pytest.mark.parametrize(
    "text",
    [
        "Practitioner?identifier={x}",
        "A:Practitioner?identifier={x}",
        "a:Practitioner",
        "a:Practitioner?",
        "a:Practitioner?identifier",
        "a:Practitioner?identifier=",
        "a:Practitioner?identifier=17",
        "a:Practitioner?email={email}",
        "a:Practitioner?identifier={a b}",
        "a:Practitioner?identifier={a}}",
        "a:Observation?subject={sub}",
        "a:Practitioner?_id={x}&",
        "a:Practitioner?a b={x}",
        f"a:Practitioner?identifier={'x' * 1_000}{{a}}",
    ],
)
def test_a_template_that_can_not_be_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        SearchTemplate.parse(text)
