"""Capabilities and scopes in plain words: those of the consent page, where it has some."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.consent import words
from authz.consent.messages import kind_of
from authz.fhir_servers.associated import APP_STATE
from authz.scopes import LaunchScope, MessagingScope, ResourceScope, parse_scope
from authz.wording import capital

if TYPE_CHECKING:
    from authz.consent.catalogue import Catalogue, Kind

CAPABILITIES = {  # SMART section 2.3
    "launch-ehr": "The EHR can open your app, with the user and the patient it has open",
    "launch-standalone": "People can open your app by themselves and sign in here",
    "authorize-post": "The authorization request may be a form (POST)",
    "client-public": "Apps that can keep no secret, such as those on a phone or in a browser alone",
    "client-confidential-symmetric": "Apps whose server keeps a secret",
    "client-confidential-asymmetric": "Apps that sign with a key (private_key_jwt, RS384 or ES384)",
    "sso-openid-connect": "An id_token says who the user is",
    "context-banner": "The EHR says whether your app must show who the patient is",
    "context-style": "The EHR says how your app may look",
    "context-ehr-patient": "A launch by the EHR says which patient is open",
    "context-ehr-encounter": "A launch by the EHR says which visit is open",
    "context-standalone-patient": "People who open your app by themselves choose the patient here",
    "context-standalone-encounter": "People who open your app by themselves choose the visit here",
    "permission-offline": "Access that goes on when nobody is there (offline_access)",
    "permission-online": "Access that goes on while the person is signed in (online_access)",
    "permission-patient": "Scopes about one patient (patient/)",
    "permission-user": "Scopes about every patient the user may see (user/)",
    "permission-v1": "Scopes as SMART 1.0 spells them (.read, .write)",
    "permission-v2": "Scopes as SMART 2 spells them (.cruds, and limits such as ?category=…)",
    "smart-web-messaging": "Your app may talk to the EHR's window beside it (SMART Web Messaging)",
    APP_STATE: "Your app may keep its own state here",
}
NAMED = {
    "openid": (words.WHO_YOU_ARE, "An id_token, with a name for the person that is always the same here"),
    "fhirUser": (words.WHO_YOU_ARE, "The person's own FHIR resource"),
    "profile": (words.WHO_YOU_ARE, "The person's name"),
    "email": (words.WHO_YOU_ARE, "The person's e-mail address"),
    "online_access": ("Keep access while the person stays signed in", "A refresh token that ends with the session"),
    "offline_access": (words.OFFLINE, words.OFFLINE_LONG),
}


@dataclass(frozen=True, slots=True)
class ScopeInWords:
    scope: str
    title: str
    short: str


def capability(name: str) -> str:
    """One of our own is a URL; one that nobody has put into words is named as it is spelled."""
    return CAPABILITIES.get(name.rpartition("/")[2], name)


def scope(text: str, catalogue: Catalogue, organization: str) -> ScopeInWords:
    """What a person reads about it on the consent page; of an installation's own permission the same."""
    parsed = parse_scope(text)
    if isinstance(parsed, ResourceScope):
        kind = catalogue.of_data(parsed) or catalogue.of_type(parsed.type)
        return ScopeInWords(text, words.sentence(parsed.interactions, kind.title, parsed.level), kind.short)
    if isinstance(parsed, LaunchScope):
        return ScopeInWords(text, words.opens(parsed.type, words.spelled_apart(parsed.type or "")), "")
    if text in NAMED:
        return ScopeInWords(text, *NAMED[text])
    own = kind_of(parsed) if isinstance(parsed, MessagingScope) else catalogue.of_scope(text, organization)
    return ScopeInWords(text, capital(own.title), own.short)


def kinds(catalogue: Catalogue) -> list[tuple[Kind, str]]:
    """Every kind of data there are words for, each with the scope that asks to see it."""
    return [(kind, scope_of(kind)) for kind in (*catalogue.types, *finer(catalogue))]


def finer(catalogue: Catalogue) -> list[Kind]:
    return [kind for kind in catalogue.kinds if kind.type and kind.search]


def scope_of(kind: Kind) -> str:
    return f"patient/{kind.type}.rs" + (f"?{kind.search}" if kind.search else "")
