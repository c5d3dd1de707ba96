"""From what apps may do to what a page shows of it: names instead of ids, words instead of scopes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.authorize.picking import Choice
from authz.authorize.telling import patient_choice
from authz.consent.describe import links, publisher
from authz.endpoints.current import http_request, services
from authz.tokens.own import OnBehalf
from authz.tokens.store import OWN_CLIENT_ID

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authz.consent.rows import Row
    from authz.fhir_servers.registry import FhirServer
    from authz.my_apps.access import Access, Place
    from authz.scopes import ScopeSet
    from authz.users.registry import User


@dataclass(frozen=True, slots=True)
class About:
    """An app, a hospital and a patient, in words."""

    app_name: str
    publisher: str
    links: dict[str, str]
    organization: str
    patient: Choice | None
    is_own_record: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    access: Access
    about: About
    may: tuple[Row, ...]


def shown(found: list[Access], user: User) -> list[Shown]:
    about = described([one.place for one in found], user)
    return [Shown(one, about[one.place], rows(one.scopes, one.place)) for one in found]


def described(places: Iterable[Place], user: User) -> dict[Place, About]:
    servers = {server.name: server for server in services().fhir_servers.all()}
    places = list(dict.fromkeys(places))
    patients = {name: patients_of(server, user, places) for name, server in servers.items()}
    return {place: described_one(place, servers[place.fhir_server], patients[place.fhir_server]) for place in places}


def described_one(place: Place, server: FhirServer, patients: dict[str, Choice]) -> About:
    client = services().clients.find(place.client_id)
    patient = patients.get(place.patient or "")
    return About(
        app_name=client.shown_name if client else place.client_id,
        publisher=publisher(client.about) if client else "",
        links=links(client.about) if client else {},
        organization=server.branding.organization or services().settings.organization,
        patient=patient,
        is_own_record=patient is not None and patient.relationship == "self",
    )


def patients_of(server: FhirServer, user: User, places: list[Place]) -> dict[str, Choice]:
    """Who they are, as far as the person may see that; the number where nobody says."""
    ids = dict.fromkeys(place.patient for place in places if place.fhir_server == server.name and place.patient)
    own = services().users.fhir_user(user.sub, server.name)
    others = [key for key in ids if own != f"Patient/{key}"]
    known = {one.patient: one.relationship for one in services().users.representations(user.sub, server.name)}
    who = OnBehalf(user.sub, own, OWN_CLIENT_ID, server, http_request().peer)
    records = services().authorization.consenting.naming.records(who, others) if others else {}
    found = {key: patient_choice(records.get(key), key, known.get(key, "")) for key in others}
    mine = {key: Choice(key, user.display_name, relationship="self") for key in ids if key not in found}
    return found | mine


def rows(scopes: Iterable[ScopeSet], place: Place) -> tuple[Row, ...]:
    """What these allow, each thing once."""
    server = services().fhir_servers.get(place.fhir_server)
    if server is None:
        return ()
    words = services().authorization.consenting.words(server)
    return tuple({row.title: row for scope in scopes for row in words.told(scope)}.values())
