"""What the server does with records: read, search, create, update, delete. Each asks ``decide`` before it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from demo.fhir_server.enforce import Access, Decision, decide
from demo.fhir_server.errors import FhirError, insufficient_scope
from demo.fhir_server.incoming import ID
from demo.fhir_server.store import etag

if TYPE_CHECKING:
    from authz.enforcement.token import Token
    from demo.fhir_server.parameters import Resource
    from demo.fhir_server.search import Search
    from demo.fhir_server.store import Store


@dataclass(frozen=True)
class Interactions:
    """FHIR's type-level and instance-level interactions over the store. All raise FhirError."""

    store: Store
    base: str

    def read(self, grant: Token, type_: str, key: str) -> Resource:
        return self._existing(grant, "r", type_, key)

    def search(self, grant: Token, search: Search) -> dict[str, Any]:
        """A searchset Bundle; candidates the token may not see are gone before anything is compared or counted."""
        access = Access("s", search.type, self.store.all(search.type), search.named_patients)
        hits = search.found(_allow(grant, access).visible)
        page = hits[search.offset : search.offset + search.count]
        links = [{"relation": "self", "url": self._page_url(search, search.offset)}]
        if page and search.offset + search.count < len(hits):
            links.append({"relation": "next", "url": self._page_url(search, search.offset + search.count)})
        entries = [
            {"fullUrl": f"{self.base}/{search.type}/{r['id']}", "resource": r, "search": {"mode": "match"}}
            for r in page
        ]
        bundle = {"resourceType": "Bundle", "type": "searchset", "total": len(hits), "link": links}
        return bundle | ({"entry": entries} if entries else {})  # FHIR JSON has no empty arrays

    def create(self, grant: Token, resource: Resource) -> Resource:
        """The server gives the id, so the resource is judged without one: nobody creates a Patient by patient scope."""
        fresh = {name: value for name, value in resource.items() if name not in ("id", "meta")}
        _allow(grant, Access("c", fresh["resourceType"], (fresh,)))
        return self.store.create(fresh)

    def update(self, grant: Token, key: str, resource: Resource, if_match: str | None) -> tuple[Resource, bool]:
        """Replace, or create under the given id; both the old and the new state must be allowed. True: created."""
        type_ = resource["resourceType"]
        if resource.get("id") != key or not ID.fullmatch(key):
            raise FhirError(400, "invalid", "the id in the body must be the id in the address")
        old = self.store.get(type_, key)
        _allow(grant, Access("u", type_, (old, resource) if old else (resource,)))
        _check_version(old, if_match)
        return self.store.put(type_, key, resource, old), old is None

    def delete(self, grant: Token, type_: str, key: str, if_match: str | None) -> None:
        old = self._existing(grant, "d", type_, key)
        _check_version(old, if_match)
        self.store.delete(old)

    def _existing(self, grant: Token, letter: str, type_: str, key: str) -> Resource:
        resource = self.store.get(type_, key)
        _allow(grant, Access(letter, type_, (resource,) if resource else ()))
        if resource is None:
            gone = self.store.was_deleted(type_, key)
            raise FhirError(410 if gone else 404, "deleted" if gone else "not-found", f"there is no {type_}/{key}")
        return resource

    def _page_url(self, search: Search, offset: int) -> str:
        pairs = [*search.as_asked, *([("_offset", str(offset))] if offset else [])]
        return f"{self.base}/{search.type}{'?' + urlencode(pairs) if pairs else ''}"


def _allow(grant: Token, access: Access) -> Decision:
    """The decision, or 403 with the scope that would have been needed."""
    decision = decide(grant, access)
    if decision.why:
        level = "patient" if grant.patient else "user"
        raise insufficient_scope(decision.why, f"{level}/{access.type}.{access.letter}")
    return decision


def _check_version(old: Resource | None, if_match: str | None) -> None:
    if if_match is not None and (old is None or if_match != etag(old)):
        raise FhirError(412, "conflict", "If-Match does not name the current version; read the resource again")
