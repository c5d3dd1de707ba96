"""What an administrator is told of a provider before people sign in there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authz.login.federated.examine import examine

if TYPE_CHECKING:
    from tests.federated.conftest import Hospital

GOOD = [
    ("discovery", "ok", "the document is of this issuer, and its addresses are safe"),
    ("keys", "ok", "1 of 1 keys can be used"),
]


def findings(hospital: Hospital) -> list[tuple[str, str, str]]:
    provider = hospital.federation.providers.get("hospital")
    return [(one.what, one.level, one.text) for one in examine(provider, hospital.federation.relying_party)]


def test_a_good_provider_has_nothing_to_mend(hospital: Hospital) -> None:
    """Discovery §3, §4."""
    assert findings(hospital) == GOOD


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"issuer": "https://other.example"}, ("discovery", "error", "the discovery document is of another issuer")),
        ({"id_token_signing_alg_values_supported": ["HS256"]}, ("id_token", "error", "it signs by none of RS256")),
        ({"response_types_supported": ["id_token"]}, ("flow", "error", "it does not offer response_type=code")),
        ({"token_endpoint_auth_methods_supported": ["none"]}, ("client", "error", "it does not take client_secret_b")),
        ({"code_challenge_methods_supported": None}, ("pkce", "note", "it does not say that it checks")),
        ({"authorization_response_iss_parameter_supported": None}, ("iss", "note", "it does not say who answers")),
        ({"backchannel_logout_supported": None}, ("sign-out", "note", "it does not tell when a session there ends")),
        ({"end_session_endpoint": None}, ("sign-out", "note", "nobody can be offered to sign out there")),
    ],
)
def test_what_is_wrong_or_missing_is_said(
    hospital: Hospital, document: dict[str, Any], said: tuple[str, str, str]
) -> None:
    hospital.provider.document = document
    what, level, text = said
    found = [one for one in findings(hospital) if one not in GOOD]
    assert [(one[0], one[1], one[2][: len(text)]) for one in found] == [(what, level, text)]


def test_keys_that_can_not_be_used_are_counted(hospital: Hospital) -> None:
    hospital.provider.keys = []
    assert findings(hospital)[-1] == ("keys", "error", "0 of 0 keys can be used")
