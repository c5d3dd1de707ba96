"""What an administrator should know of a provider before people sign in there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authz.keyring.foreign import KINDS, suits
from authz.login.federated.metadata import read
from authz.login.federated.provider import BASIC
from authz.login.federated.why import UpstreamFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authz.login.federated.provider import Provider
    from authz.login.federated.relying_party import RelyingParty


@dataclass(frozen=True, slots=True)
class Remark:
    what: str
    level: str  # "ok", "note" or "error"
    text: str


def examine(provider: Provider, party: RelyingParty) -> list[Remark]:
    """Its documents, read as a sign-in would read them."""
    found: list[Remark] = []
    try:
        document = party.published.document(provider.issuer)
        metadata = read(document, provider.issuer)
        found.append(Remark("discovery", "ok", "the document is of this issuer, and its addresses are safe"))
        found += remarks(document, provider)
        jwks = next(party.published.keys(metadata))
    except UpstreamFailed as failure:
        return [*found, Remark("discovery", "error", str(failure))]
    usable = sum(any(suits(key, algorithm) for algorithm in KINDS) for key in jwks["keys"])
    found.append(Remark("keys", "ok" if usable else "error", f"{usable} of {len(jwks['keys'])} keys can be used"))
    if provider.closed_secret is not None and party.providers.secret(provider) is None:
        found.append(Remark("secret", "error", "it was encrypted with a key that is gone; give it anew"))
    return found


def remarks(document: dict[str, Any], provider: Provider) -> Iterator[Remark]:
    algorithms = listed(document, "id_token_signing_alg_values_supported", ["RS256"])
    if not set(algorithms) & KINDS.keys():
        yield Remark("id_token", "error", f"it signs by none of {', '.join(KINDS)}")
    if "code" not in listed(document, "response_types_supported", ["code"]):
        yield Remark("flow", "error", "it does not offer response_type=code")
    methods = listed(document, "token_endpoint_auth_methods_supported", [BASIC])
    if provider.auth_method not in methods:
        yield Remark("client", "error", f"it does not take {provider.auth_method}; it offers {' '.join(methods)}")
    if "S256" not in listed(document, "code_challenge_methods_supported", []):
        yield Remark("pkce", "note", "it does not say that it checks code_challenge; state and nonce still hold")
    if document.get("authorization_response_iss_parameter_supported") is not True:
        yield Remark("iss", "note", "it does not say who answers (RFC 9207); each provider has its own redirect URI")
    if document.get("backchannel_logout_supported") is not True:
        yield Remark("sign-out", "note", "it does not tell when a session there ends")
    if document.get("end_session_endpoint") is None:
        yield Remark("sign-out", "note", "nobody can be offered to sign out there as well")
    missing = set(provider.acr_values) - set(listed(document, "acr_values_supported", list(provider.acr_values)))
    if missing:
        yield Remark("acr", "note", f"it does not list {' '.join(sorted(missing))}")


def listed(document: dict[str, Any], name: str, unsaid: list[str]) -> list[str]:
    """The texts of a list; what holds if it is not said (Discovery §3)."""
    found = document.get(name)
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else unsaid
