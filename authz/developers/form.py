"""What the registration form offers for a kind of app at a FHIR server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authz.clients.metadata import ClientMetadata
from authz.developers.answers import STAYS, by_field
from authz.developers.data import groups, writes_offered
from authz.developers.kinds import KEY, NONE, SECRET
from authz.errors import OAuthError
from authz.fhir_servers.features import AppRegistration, Feature

if TYPE_CHECKING:
    from authz.consent.catalogue import Catalogue
    from authz.developers.answers import Answers
    from authz.fhir_servers.registry import FhirServer

WRITES = {
    "no": "No, it only reads",
    "add": "It adds new entries",
    "change": "It adds new entries and changes what is there",
}
AUTH_METHODS = {
    SECRET: ("With a secret", "It has a server of its own, where nobody else can read it"),
    NONE: ("It can't", "It runs in people's browsers or on their phones, where everybody can read what it holds"),
    KEY: ("By signing with a key", "It has a server of its own; the key never leaves it"),
}
NEEDS_LAUNCH_URL = "the EHR needs an address to open"


def offered(answers: Answers, server: FhirServer, catalogue: Catalogue) -> dict[str, Any]:
    """The choices, and what is chosen; no choice is shown where there is only one."""
    kind = answers.kind
    offline = server.offers(Feature.OFFLINE_ACCESS)
    stays = [(value, title) for value, (scope, title) in STAYS.items() if offline or scope != "offline_access"]
    return {
        "kind": kind,
        "server": server,
        "answers": answers,
        "groups": groups(server, catalogue),
        "levels": kind.levels_at(server),
        "writes": [(value, WRITES[value]) for value in writes_offered(kind, server)],
        "stays": stays if kind.has_people else [],
        "auth_methods": [(value, *AUTH_METHODS[value]) for value in kind.auth_methods],
        "is_invited": server.registration is AppRegistration.INVITED,
    }


def problems(answers: Answers, server: FhirServer) -> dict[str, str]:
    """What can't be registered like this, by field, in the protocol's words."""
    found: dict[str, str] = {}
    if answers.kind.is_launched and not answers.lists.get("launch_uri"):
        found["launch_uri"] = NEEDS_LAUNCH_URL
    try:
        ClientMetadata.load(answers.metadata(server))
    except OAuthError as error:
        found |= by_field(error.description)
    return found
