from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey

from authz.clients.metadata import ClientMetadata, InvalidClientMetadata, InvalidRedirectURI

GOOD = {"client_name": "Growth chart", "redirect_uris": ["https://app.example/cb"]}


def public(key: RSAKey | ECKey, kid: str) -> dict[str, Any]:
    return {**key.as_dict(private=False), "kid": kid}


RSA = RSAKey.generate_key(2048)
EC = ECKey.generate_key("P-384")


def test_what_is_left_out_has_the_defaults_of_the_standard() -> None:
    """RFC 7591 §2; oauth.md Part 25: application_type is web."""
    assert ClientMetadata.load(GOOD) == ClientMetadata(
        client_name="Growth chart",
        token_endpoint_auth_method="client_secret_basic",
        application_type="web",
        grant_types=("authorization_code",),
        redirect_uris=("https://app.example/cb",),
    )


def test_everything_said_is_kept() -> None:
    """RFC 7591 §2, SMART REG-01, REG-10."""
    said = {
        **GOOD,
        "token_endpoint_auth_method": "none",
        "application_type": "native",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "redirect_uris": ["com.example.app:/cb", "https://app.example/cb"],
        "launch_uris": ["https://app.example/launch"],
        "allowed_origins": ["https://pages.example"],
        "scope": "launch openid fhirUser patient/*.rs",
        "jwks": {"keys": [public(RSA, "r"), public(EC, "e")]},
        "client_uri": "https://app.example/",
        "contacts": ["ops@app.example"],
    }
    assert ClientMetadata.load(said) == ClientMetadata(
        client_name="Growth chart",
        token_endpoint_auth_method="none",
        application_type="native",
        grant_types=("authorization_code", "refresh_token"),
        redirect_uris=("com.example.app:/cb", "https://app.example/cb"),
        launch_uris=("https://app.example/launch",),
        allowed_origins=("https://pages.example",),
        scope="launch openid fhirUser patient/*.rs",
        jwks={"keys": [public(RSA, "r"), public(EC, "e")]},
        about={"client_uri": "https://app.example/", "contacts": ["ops@app.example"]},
    )


def test_what_people_read_may_be_said_in_several_languages() -> None:
    """RFC 7591 §2.2: each under its own name; a tag may be long, and is any of BCP 47."""
    translations = {
        "client_name#fr": "Courbe de croissance",
        "client_name#zh-Hant-TW": "生長曲線",
        "client_uri#pt-BR": "https://app.example/pt",
        "logo_uri#de-CH-1996": "https://app.example/ch.png",
        "policy_uri#x-legal": "https://app.example/policy",
        "tos_uri#es-419": "https://app.example/tos",
    }
    loaded = ClientMetadata.load({**GOOD, **translations, "scope#fr": "x", "client_secret#fr": "x"})
    assert loaded.about == translations
    assert loaded.client_name == "Growth chart"


def test_what_an_app_wants_of_the_answers_is_kept() -> None:
    """OpenID Connect Registration §2, REG-10: what is offered, and what asks for nothing."""
    wanted = {
        "id_token_signed_response_alg": "RS256",
        "subject_type": "public",
        "sector_identifier_uri": "https://app.example/sector",
        "default_max_age": 0,
        "require_auth_time": False,
        "default_acr_values": ["urn:x"],
        "initiate_login_uri": "https://app.example/login",
        "fhir_context_dialect": "2.0",
    }
    asks_for_nothing = {"request_uris": [], "dpop_bound_access_tokens": False, "userinfo_signed_response_alg": None}
    assert ClientMetadata.load({**GOOD, **wanted, **asks_for_nothing}) == ClientMetadata(
        client_name="Growth chart", redirect_uris=("https://app.example/cb",), preferences=wanted
    )


def test_the_one_launch_url_is_a_launch_uri() -> None:
    """SMART REG-01: by the name that many use for it."""
    url = "https://app.example/launch"
    assert ClientMetadata.load({**GOOD, "launch_url": url}).launch_uris == (url,)
    assert ClientMetadata.load({**GOOD, "launch_url": url, "launch_uris": [url]}).launch_uris == (url,)


def test_null_is_not_said() -> None:
    """RFC 7592 §2.2: in an update it means that the member is to be forgotten."""
    said = {**GOOD, "scope": None, "contacts": None, "jwks": None, "grant_types": None, "client_name#fr": None}
    assert ClientMetadata.load(said) == ClientMetadata.load(GOOD)


def test_members_that_are_not_a_clients_to_say_are_left_out() -> None:
    """RFC 7591 §2 (unknown members are ignored); security.md RG-07: no mass assignment; REQ-24."""
    more = {"client_id": "mine", "enabled": True, "skip_consent_in_ehr_launch": True, "fhir_servers": [], "trusted": 1}
    assert ClientMetadata.load({**GOOD, **more}) == ClientMetadata.load(GOOD)


@pytest.mark.parametrize(
    "redirect_uris",
    [
        [],
        ["http://app.example/cb"],
        5,
        ["https://app.example/cb"] * 2,
        [5],
        [f"https://a.example/{n}" for n in range(21)],
    ],
)
def test_a_bad_redirect_uri_is_named_so(redirect_uris: Any) -> None:
    """RFC 7591 §3.2.2; security.md RG-02 and 3.5: at most 20 of at most 2048 bytes."""
    expected = InvalidClientMetadata if redirect_uris == [] else InvalidRedirectURI
    with pytest.raises(expected, match="redirect_uris"):
        ClientMetadata.load({**GOOD, "redirect_uris": redirect_uris})


@pytest.mark.parametrize(
    "jwks",
    [
        1,
        [],
        {},
        {"keys": []},
        {"keys": [1]},
        {"keys": [RSA.as_dict(private=True) | {"kid": "1"}]},
        {"keys": [EC.as_dict(private=True) | {"kid": "1"}]},
        {"keys": [OctKey.generate_key(256).as_dict() | {"kid": "1"}]},
        {"keys": [RSA.as_dict(private=False)]},
        {"keys": [public(RSA, "1"), public(RSA, "1")]},
        {"keys": [public(RSA, "1") | {"use": "enc"}]},
        {"keys": [public(RSA, "1") | {"n": "AQAB"}]},
        {"keys": [public(RSA, "1") | {"n": "!"}]},
        {"keys": [{"kty": "RSA", "kid": "1"}]},
        {"keys": [public(EC, "1") | {"x": "AAAA"}]},
        {"keys": [public(EC, "1") | {"crv": "secp256k1"}]},
        {"keys": [{"kty": "OKP", "kid": "1", "crv": "Ed25519", "x": "AAAA"}]},
        {"keys": [public(RSA, str(number)) for number in range(101)]},
    ],
)
def test_a_key_set_is_of_public_keys_only(jwks: Any) -> None:
    """SMART REG-08, REG-09; security.md RG-10."""
    with pytest.raises(InvalidClientMetadata, match="jwks"):
        ClientMetadata.load({**GOOD, "jwks": jwks})


@pytest.mark.filterwarnings("ignore:Key size should be")
def test_an_rsa_key_has_at_least_2048_bits() -> None:
    """SMART REG-09."""
    with pytest.raises(InvalidClientMetadata, match="at least 2048 bits"):
        ClientMetadata.load({**GOOD, "jwks": {"keys": [public(RSAKey.generate_key(1024), "1")]}})


def test_one_kid_may_name_keys_of_two_types() -> None:
    """SMART ASY-25, REG-08."""
    keys = {"keys": [public(RSA, "1"), public(EC, "1")]}
    assert ClientMetadata.load({**GOOD, "jwks": keys}).jwks == keys


@pytest.mark.parametrize(
    "members",
    [
        {"jwks": {"keys": [public(RSA, "1")]}, "jwks_uri": "https://app.example/jwks"},
        {"jwks_uri": "http://app.example/jwks"},
        {"jwks_uri": "http://169.254.169.254/"},
        {"jwks_uri": "file:///etc/passwd"},
        {"backchannel_logout_uri": "http://app.example/out"},
        {"backchannel_logout_uri": "https://app.example/out#x"},
        {"backchannel_logout_uri": "http://169.254.169.254/"},
        {"backchannel_logout_session_required": True},
        {"backchannel_logout_session_required": "maybe", "backchannel_logout_uri": "https://app.example/out"},
        {"post_logout_redirect_uris": "https://app.example/bye"},
        {"post_logout_redirect_uris": ["javascript:alert(1)"]},
        {"post_logout_redirect_uris": ["http://app.example/bye"]},
        {"post_logout_redirect_uris": ["https://app.example/bye?state=x"]},
        {"post_logout_redirect_uris": ["https://app.example/bye#x"]},
        {"logo_uri": "javascript:alert(1)"},
        {"client_name": ""},
        {"client_name": " "},
        {"client_name": "a\nb"},
        {"client_name": "\u202eevil"},
        {"client_name": "Growth\u200bchart"},
        {"client_name": "Cafe\u0301"},
        {"client_name": "a" * 256},
        {"client_name": 5},
        {"client_name": None},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"grant_types": ["client_credentials"]},
        {"token_endpoint_auth_method": "none", "grant_types": ["client_credentials"]},
        {"token_endpoint_auth_method": "client_secret_jwt"},
        {"application_type": "service"},
        {"grant_types": ["password"]},
        {"grant_types": ["implicit"]},
        {"grant_types": ["refresh_token"]},
        {"grant_types": []},
        {"response_types": ["token"]},
        {"scope": "patient/*.sr"},
        {"scope": "fhiruser"},
        {"scope": "a" * 8001},
        {"scope": ["openid"]},
        {"launch_uris": ["http://app.example/launch"]},
        {"launch_uris": ["https://app.example/launch?launch=1"]},
        {"allowed_origins": ["*"]},
        {"allowed_origins": ["https://app.example/"]},
        {"contacts": ["a\x1b[0m"]},
        {"client_name": "Growth\u00a0chart"},
        {"client_name": "Growth  chart"},
        {"client_name": "Growth chart "},
        {"client_name": "\u3164"},
        {"client_name": "Growth chart\u2800"},
        {"client_name#fr": ""},
        {"client_name#fr": "a\u200bb"},
        {"client_name#": "x"},
        {"client_name#french_": "x"},
        {"client_name#fr#x": "x"},
        {"client_name#fr": "x", "client_name#FR": "y"},
        {f"client_name#x-{'a-' * 40}b": "x"},
        {f"client_name#{letter}{other}": "x" for letter in "abcdefghijk" for other in "abcdefghij"},
        {"logo_uri#fr": "javascript:alert(1)"},
        {"software_id": 5},
        {"launch_url": ["https://app.example/launch"]},
        {"launch_url": "https://app.example/a", "launch_uris": ["https://app.example/b"]},
        {"response_types": []},
        {"response_types": ["code", "code"]},
        {"id_token_signed_response_alg": "none"},
        {"id_token_signed_response_alg": "ES384"},
        {"id_token_encrypted_response_alg": "RSA-OAEP"},
        {"userinfo_signed_response_alg": "RS256"},
        {"userinfo_encrypted_response_enc": "A128GCM"},
        {"request_object_signing_alg": "none"},
        {"request_uris": ["https://app.example/request"]},
        {"require_pushed_authorization_requests": True},
        {"dpop_bound_access_tokens": True},
        {"subject_type": "pairwise"},
        {"sector_identifier_uri": "http://127.0.0.1/sector"},
        {"initiate_login_uri": "http://app.example/login"},
        {"default_max_age": -1},
        {"default_max_age": "5"},
        {"default_max_age": 10**9},
        {"default_max_age": True},
        {"require_auth_time": "yes"},
        {"token_endpoint_auth_signing_alg": "ES384"},
        {"token_endpoint_auth_signing_alg": "RS256", "token_endpoint_auth_method": "private_key_jwt"},
        {"fhir_context_dialect": "1.0"},
    ],
)
def test_a_client_with_a_bad_member_is_refused(members: dict[str, Any]) -> None:
    """RFC 7591 §3.2.2; security.md RG-10, RG-11, RG-14, RG-15; oauth.md Part 25."""
    with pytest.raises(InvalidClientMetadata):
        ClientMetadata.load({**GOOD, **members})


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(InvalidClientMetadata) as refused:
        ClientMetadata.load({"client_name": "", "redirect_uris": ["https://app.example/cb"], "application_type": "x"})
    assert refused.value.body() == {
        "error": "invalid_client_metadata",
        "error_description": "application_type: Must be one of: web, native.; "
        "client_name: Length must be between 1 and 255. must be visible characters",
    }


def test_what_is_not_offered_is_refused_with_what_is() -> None:
    """OpenID Connect Registration §3.3; oauth.md Part 25: never taken silently for something else."""
    asked = {"id_token_encrypted_response_alg": "RSA-OAEP", "subject_type": "pairwise"}
    with pytest.raises(InvalidClientMetadata) as refused:
        ClientMetadata.load({**GOOD, **asked})
    assert refused.value.description == (
        "id_token_encrypted_response_alg: id_tokens are signed with RS256 and never encrypted;"
        " subject_type: pairwise is not offered; public is"
    )


def test_a_misspelt_scope_is_refused_with_a_hint() -> None:
    with pytest.raises(InvalidClientMetadata, match="fhirUser"):
        ClientMetadata.load({**GOOD, "scope": "openid fhiruser"})


def test_a_backend_service_has_keys_and_no_redirect_uri() -> None:
    """BKS-01, section 5: private_key_jwt with keys given here, and nobody to send anywhere."""
    service = {
        "client_name": "Bulk",
        "token_endpoint_auth_method": "private_key_jwt",
        "grant_types": ["client_credentials"],
        "jwks": {"keys": [public(EC, "e")]},
        "scope": "system/*.rs",
    }
    loaded = ClientMetadata.load(service)
    assert (loaded.redirect_uris, loaded.is_public, loaded.has_secret) == ((), False, False)
    with pytest.raises(InvalidClientMetadata, match="refresh_token comes with authorization_code"):
        ClientMetadata.load({**service, "grant_types": ["client_credentials", "refresh_token"]})


UNSEEN = "\u034f", "\ufe0f", "\U000e0100", "\u17b4", "\u2065", "\U00013441", "\ufffc", "\u2800", "...", "App\ufe0f"


@pytest.mark.parametrize("name", [*UNSEEN, "\u0430" + "\u0489" * 4])
def test_a_name_that_nobody_can_read_is_refused(name: str) -> None:
    """security.md RG-15: nothing that is not seen, nor what is drawn over the lines around it."""
    with pytest.raises(InvalidClientMetadata, match=r"visible characters|marks on one letter"):
        ClientMetadata.load({**GOOD, "client_name": name})


@pytest.mark.parametrize(
    "name",
    [
        "7",
        "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd",
        "\u0e17\u0e35\u0e48",
        "B\u1ec7nh \u00e1n",
        "\u5065\u5eb7",
        "Heart \u2665",
    ],
)
def test_a_name_in_any_script_is_taken(name: str) -> None:
    assert ClientMetadata.load({**GOOD, "client_name": unicodedata.normalize("NFC", name)})
