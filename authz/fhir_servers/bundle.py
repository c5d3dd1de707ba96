"""What a FHIR server answers to a search, read strictly: nothing of it is believed that was not asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from authz.errors import AuthzError
from authz.fhir_servers.url import normal_form
from authz.strict_json import NotStrictJson, parse

if TYPE_CHECKING:
    from authz.fhir_servers.server import FhirServer

FHIR_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
MAX_NODES = 50_000
MAX_DEPTH = 32
MAX_ENTRIES = 200
MAX_LINK = 2048
DOTS = re.compile(r"(?:\.|%2e){1,2}", re.IGNORECASE)  # a segment that leads elsewhere


class Why(StrEnum):
    """Why there is no answer: a machine's word for the audit trail."""

    UNAVAILABLE = "fhir_server_unavailable"
    REFUSED = "fhir_server_refused"
    UNUSABLE = "fhir_server_answer_unusable"
    BUSY = "too_many_searches"


class SearchFailed(AuthzError):
    """No usable answer came; never the same as an answer that nobody was found. The text is for the log."""

    def __init__(self, why: Why, text: str) -> None:
        super().__init__(text)
        self.why = why


@dataclass(frozen=True, slots=True)
class Page:
    """Resources of the type that was asked for, each with an id, and where the next ones are."""

    resources: tuple[dict[str, Any], ...]
    next_url: str | None = None  # under the FHIR server's base URL
    total: int | None = None


def read_page(body: bytes, server: FhirServer, resource_type: str) -> Page:
    """A searchset Bundle. Entries of another type or server, without a FHIR id or merely included are left out.

    Raises SearchFailed if it is no such Bundle, too large, or holds nothing but what has to be left out.
    """
    try:
        bundle = parse(body, max_nodes=MAX_NODES, max_depth=MAX_DEPTH)
    except NotStrictJson as cause:
        raise SearchFailed(Why.UNUSABLE, f"the answer can't be read: {cause}") from cause
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle" or bundle.get("type") != "searchset":
        raise SearchFailed(Why.UNUSABLE, "the answer is not a searchset Bundle")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list) or len(entries) > MAX_ENTRIES:
        raise SearchFailed(Why.UNUSABLE, f"entry is not an array of at most {MAX_ENTRIES}")
    matches = [entry for entry in entries if is_match(entry)]
    found = {r["id"]: r for entry in matches if (r := resource_of(entry, server, resource_type)) is not None}
    if matches and not found:
        raise SearchFailed(Why.UNUSABLE, f"no entry is a {resource_type} of this server")
    return Page(tuple(found.values()), next_link(bundle, server), total_of(bundle))


def is_match(entry: Any) -> bool:
    """Not what came along: included resources and the server's remarks (FHIR ``search.mode``)."""
    if not isinstance(entry, dict):
        return True  # to be counted among what can't be used
    search = entry.get("search")
    return not isinstance(search, dict) or search.get("mode", "match") == "match"


def resource_of(entry: Any, server: FhirServer, resource_type: str) -> dict[str, Any] | None:
    resource = entry.get("resource") if isinstance(entry, dict) else None
    if not isinstance(resource, dict) or resource.get("resourceType") != resource_type:
        return None
    key = resource.get("id")
    if not isinstance(key, str) or not FHIR_ID.fullmatch(key):
        return None
    full_url = entry.get("fullUrl")
    if full_url is not None and not is_at(full_url, server, f"{resource_type}/{key}"):
        return None
    return resource


def is_at(url: Any, server: FhirServer, reference: str) -> bool:
    """Whether this is the address of that resource at this server."""
    base, slash, rest = url.rpartition(f"/{reference}") if isinstance(url, str) else ("", "", "")
    return bool(slash) and not rest and server.accepts_aud(base)


def refers_to(reference: Any, server: FhirServer, wanted: str) -> bool:
    """Whether a FHIR Reference names this resource, relative or at this server."""
    text = reference.get("reference") if isinstance(reference, dict) else None
    return text == wanted or is_at(text, server, wanted)


def next_link(bundle: dict[str, Any], server: FhirServer) -> str | None:
    links = bundle.get("link")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("relation") == "next":
            url = link.get("url")
            return url if isinstance(url, str) and is_under_base(url, server) else None
    return None


def is_under_base(url: str, server: FhirServer) -> bool:
    """Whether our token may be sent there: the server's own address, and no path that climbs out of it."""
    place, _, query = url.partition("?")
    normal = normal_form(place)
    if len(url) > MAX_LINK or normal is None or "#" in query:
        return False
    under = any(form and (normal == form or normal.startswith(f"{form}/")) for form in server.normal_forms)
    return under and not any(DOTS.fullmatch(segment) for segment in normal.split("/"))


def total_of(bundle: dict[str, Any]) -> int | None:
    total = bundle.get("total")
    return total if isinstance(total, int) and not isinstance(total, bool) and total >= 0 else None
