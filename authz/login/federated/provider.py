"""A provider as the hospital's administrator described it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from authz.errors import InvalidValue
from authz.outbound import FetchFailed
from authz.outbound.target import Target
from authz.settings import LOOPBACK_HOSTS
from authz.users.user import display_name

if TYPE_CHECKING:
    from authz.login.federated.model import SignInProviderRow

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
SCOPE = re.compile(r"[!#-\[\]-~]{1,255}")  # RFC 6749 §3.3
CLAIM = re.compile(r"[!-~]{1,255}")
VISIBLE = re.compile(r"[!-~]{1,255}")
BASIC, POST, OWN_KEY = "client_secret_basic", "client_secret_post", "private_key_jwt"
AUTH_METHODS = (BASIC, POST, OWN_KEY)


@dataclass(frozen=True, slots=True)
class Provider:
    name: str
    label: str
    issuer: str
    client_id: str
    auth_method: str = BASIC
    closed_secret: bytes | None = field(default=None, repr=False)
    scopes: tuple[str, ...] = ("openid", "profile")
    fhir_servers: frozenset[str] = frozenset()  # names; empty: all
    fhir_user_claim: str = ""  # whose value is a FHIR resource; empty: it is not asked
    name_claim: str = "name"
    acr_values: tuple[str, ...] = ()  # one of which a sign-in must reach; empty: any
    enabled: bool = True

    def serves(self, fhir_server: str) -> bool:
        return self.enabled and (not self.fhir_servers or fhir_server in self.fhir_servers)

    @property
    def own_claims(self) -> tuple[str, ...]:
        """The claims that the description itself names."""
        return tuple(name for name in (self.fhir_user_claim, self.name_claim) if name)


def from_row(row: SignInProviderRow) -> Provider:
    return Provider(
        name=row.name,
        label=row.label,
        issuer=row.issuer,
        client_id=row.client_id,
        auth_method=row.auth_method,
        closed_secret=row.closed_secret,
        scopes=tuple(row.scopes),
        fhir_servers=frozenset(row.fhir_servers),
        fhir_user_claim=row.fhir_user_claim,
        name_claim=row.name_claim,
        acr_values=tuple(row.acr_values),
        enabled=row.enabled,
    )


def check(row: SignInProviderRow) -> None:
    """Raises InvalidValue naming everything that is wrong with what an administrator wants to write."""
    problems = [] if NAME.fullmatch(row.name) else [f"{row.name}: a name is small letters, digits and hyphens"]
    problems += [f"{row.issuer}: {problem}" for problem in issuer_problems(row.issuer)]
    if not VISIBLE.fullmatch(row.client_id):
        problems.append("the client id is 1 to 255 visible ASCII characters")
    if row.auth_method not in AUTH_METHODS:
        problems.append(f"{row.auth_method}: the ways to prove who we are, are {', '.join(AUTH_METHODS)}")
    elif (row.closed_secret is None) is not (row.auth_method == OWN_KEY):
        problems.append(f"a secret is needed for {BASIC} and {POST}, and has no place with {OWN_KEY}")
    if "openid" not in row.scopes:
        problems.append("the scopes must have openid")
    problems += [f"{scope}: not a scope" for scope in row.scopes if not SCOPE.fullmatch(scope)]
    problems += [f"{acr}: not an acr" for acr in row.acr_values if not VISIBLE.fullmatch(acr)]
    named = (row.fhir_user_claim, row.name_claim)
    problems += [f"{claim}: not the name of a claim" for claim in named if claim and not CLAIM.fullmatch(claim)]
    try:
        display_name(row.label)
    except InvalidValue as error:
        problems.append(error.description)
    if problems:
        raise InvalidValue("; ".join(problems))


def issuer_problems(issuer: str) -> list[str]:
    """Why this is no issuer of OpenID Connect (Core §2, Discovery §3)."""
    try:
        target = Target.parse(issuer)
    except FetchFailed as error:
        return [str(error)]
    if urlsplit(issuer).query:
        return ["an issuer has no query"]
    return [] if is_safe(target) else ["http is for loopback only; use https"]


def is_safe(target: Target) -> bool:
    """Whether what is sent there stays unread: https, or http that does not leave the machine."""
    return target.scheme == "https" or target.host in LOOPBACK_HOSTS
