"""The records in memory: versions, conditional updates, and a line in the journal for each change."""

from __future__ import annotations

import copy
import secrets
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING

from authz.enforcement.token import Reach
from demo.fhir_server.enforce import patient_of
from demo.fhir_server.errors import FhirError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from demo.fhir_server.parameters import Resource
    from demo.hospital import Journal

MAX_RESOURCES = 20_000


def stamp(resource: Resource, version: int, now: datetime) -> Resource:
    """A copy with its version and time in ``meta``; other members of ``meta`` stay."""
    stamped = copy.deepcopy(resource)
    meta = stamped.get("meta")
    moment = now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    stamped["meta"] = (meta if isinstance(meta, dict) else {}) | {"versionId": str(version), "lastUpdated": moment}
    return stamped


def version_of(resource: Resource) -> int:
    return int(resource["meta"]["versionId"])


def etag(resource: Resource) -> str:
    return f'W/"{version_of(resource)}"'


class Store:
    """Resources by type and id. A stored resource is never changed, only replaced."""

    def __init__(self, records: Iterable[Resource], journal: Journal, now: Callable[[], datetime]) -> None:
        self._lock = Lock()
        self._journal = journal
        self._now = now
        self._journal.begin()
        self._resources = {(r["resourceType"], r["id"]): stamp(r, 1, now()) for r in records}
        self._last_version: dict[tuple[str, str], int] = {}  # of deleted ones, so that no ETag comes back

    def get(self, type_: str, key: str) -> Resource | None:
        with self._lock:
            return self._resources.get((type_, key))

    def all(self, type_: str) -> tuple[Resource, ...]:
        with self._lock:
            return tuple(r for (kind, _), r in self._resources.items() if kind == type_)

    def was_deleted(self, type_: str, key: str) -> bool:
        with self._lock:
            return (type_, key) in self._last_version and (type_, key) not in self._resources

    def create(self, resource: Resource) -> Resource:
        """Store it under a new id; raises FhirError 507 when the demo is full."""
        key = secrets.token_hex(8)
        return self.put(resource["resourceType"], key, resource, None)

    def put(self, type_: str, key: str, resource: Resource, expected: Resource | None) -> Resource:
        """Replace ``expected`` (None: there was none); raises FhirError 409 if another request was faster."""
        with self._lock:
            if self._resources.get((type_, key)) is not expected:
                raise FhirError(409, "conflict", "the resource was changed at the same moment; read it again")
            if len(self._resources) >= MAX_RESOURCES and expected is None:
                raise FhirError(507, "too-costly", "the demo's store is full; start it again")
            last = version_of(expected) if expected else self._last_version.get((type_, key), 0)
            stored = stamp({**resource, "id": key}, last + 1, self._now())
            self._resources[(type_, key)] = stored
            self._journal.append(type_, key, stored)
            return stored

    def delete(self, expected: Resource) -> None:
        """Remove it; raises FhirError 409 if it was changed meanwhile."""
        address = (expected["resourceType"], expected["id"])
        with self._lock:
            if self._resources.get(address) is not expected:
                raise FhirError(409, "conflict", "the resource was changed at the same moment; read it again")
            del self._resources[address]
            self._last_version[address] = version_of(expected)
            self._journal.append(*address, None)

    def reach_of(self, fhir_user: str | None) -> Reach:
        """Whose records a person may see: staff everyone's, a patient their own, a relative their children's.

        Someone the hospital has no record of sees nothing.
        """
        type_, _, key = (fhir_user or "").partition("/")
        user = self.get(type_, key)
        if user is None:
            return Reach()
        if type_ in ("Practitioner", "PractitionerRole"):
            return Reach(everyone=user.get("active") is True)
        if type_ == "Patient":
            return Reach(frozenset({key}))
        if type_ in ("RelatedPerson", "Person"):
            return Reach(frozenset(self._represented(f"{type_}/{key}")))
        return Reach()

    def _represented(self, reference: str) -> set[str]:
        """The patients of every RelatedPerson that one Person joins with this one."""
        ties = {reference}
        for person in self.all("Person"):
            links = _links(person)
            if reference in links | {f"Person/{person['id']}"}:
                ties |= links
        relatives = (self.get("RelatedPerson", tie.removeprefix("RelatedPerson/")) for tie in ties)
        return {patient_of(relative) for relative in relatives if relative} - {""}


def _links(person: Resource) -> set[str]:
    """What a Person is tied to; anyone who may write a Person may have written nonsense."""
    links = person.get("link")
    targets = [link.get("target") for link in links if isinstance(link, dict)] if isinstance(links, list) else []
    references = [target.get("reference") for target in targets if isinstance(target, dict)]
    return {reference for reference in references if isinstance(reference, str)}
