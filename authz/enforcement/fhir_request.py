"""What does this request touch? From method, address, headers and body to typed accesses, or Undecidable."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authz.enforcement import content
from authz.enforcement.routes import LETTERS, SHAPES, Kind, find
from authz.enforcement.url import Pair, Undecidable, pairs, split

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

ANOTHER_METHOD = "a header wants another method than the request's own"
ELSEWHERE = "a header wants the records of another tenant"
MORE = "a header wants more done than the request itself says"
REFUSED_HEADERS = {
    "x-http-method-override": ANOTHER_METHOD,
    "x-http-method": ANOTHER_METHOD,
    "x-method-override": ANOTHER_METHOD,
    "x-cascade": MORE,  # HAPI FHIR: delete what refers to it as well
    "x-rewrite-history": MORE,  # HAPI FHIR: write a version anew that is over
    "x-fhir-tenant-id": ELSEWHERE,  # LinuxForHealth FHIR Server: whose records
    "x-fhir-dsid": ELSEWHERE,  # and in which of the tenant's stores
}
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
FORM = "application/x-www-form-urlencoded"
NOWHERE_ELSE = frozenset({"_method", "access_token"})


@dataclass(frozen=True, slots=True)
class Access:
    """One thing a request does; a batch does several.

    ``type`` is None for the whole server. ``pairs`` are the search's parameters, or the condition's of a conditional
    write.
    """

    kind: Kind
    type: str | None = None
    id: str | None = None
    version: str | None = None
    pairs: tuple[Pair, ...] = ()
    conditional: bool = False  # the FHIR server is to find the resource by ``pairs``
    compartment: str | None = None  # the patient in Patient/1/Observation
    body: content.Body = field(default=content.Body())

    @property
    def letters(self) -> frozenset[str]:
        """The letters of ``cruds`` it needs: a conditional write searches as well (AMB-10)."""
        return LETTERS[self.kind] | (frozenset("s") if self.conditional else frozenset())


@dataclass(frozen=True, slots=True)
class FhirRequest:
    """A request as the proxy got it. ``target`` is as on the wire; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Server:
    """What must be known of a FHIR server to read a request to it."""

    base_paths: tuple[str, ...]
    types: Collection[str]
    bases: tuple[str, ...] = ()  # the URLs that stand before ``Patient/1`` in absolute references


def accesses(request: FhirRequest, server: Server) -> tuple[Access, ...]:
    """Everything the request does. Raises Undecidable, and nothing else, whatever comes in."""
    check_headers(request.headers)
    path, query = split(request.target, server.base_paths)
    if request.method == "OPTIONS":
        return (Access(Kind.OPEN),)
    if request.method == "POST" and not path:
        check_names(query, SHAPES)
        return (*batch(request, server), *beside(request))
    return (access(request, path, query, server), *beside(request))


def check_headers(headers: Mapping[str, str]) -> None:
    """Two headers of one name come joined by a comma, while the FHIR server may read one of them only (RFC 9110 §5.3).

    Raises Undecidable.
    """
    for name, why in REFUSED_HEADERS.items():
        if headers.get(name):
            raise Undecidable(why)
    if "," in headers.get("if-none-exist", ""):
        raise Undecidable("If-None-Exist must come once, and a comma in it be written %2C")


def beside(request: FhirRequest) -> tuple[Access, ...]:
    """What a header has the FHIR server write besides (FHIR R4 "Provenance header")."""
    return (Access(Kind.CREATE, "Provenance"),) if request.headers.get("x-provenance") else ()


def access(request: FhirRequest, path: tuple[str, ...], query: tuple[Pair, ...], server: Server) -> Access:
    reading = request.method in ("GET", "HEAD")
    found = find("GET" if reading else request.method, path, server.types)
    if found is None or request.method not in METHODS:
        raise Undecidable("this method, address or operation is not one that can be decided about")
    route, named = found
    if reading and (request.body or content.told_length(request.headers) != "0"):
        raise Undecidable("a request that reads has no body")
    if route.query is not None:
        check_names(query, route.query)
    if request.method == "POST" and route.kind is Kind.SEARCH:
        query += form(request)
    if NOWHERE_ELSE & {name for name, _ in query}:
        raise Undecidable("neither a method nor a token can be told in a parameter")
    body, condition = carried(request, route.kind), request.headers.get("if-none-exist")
    if route.kind is Kind.CREATE:
        query = pairs(condition or "")
    return Access(
        kind=route.kind,
        type=named.get("<type>"),
        id=named.get("<id>"),
        version=named.get("<version>"),
        pairs=() if route.query is not None and route.kind is not Kind.CREATE else query,
        conditional=route.conditional or (route.kind is Kind.CREATE and condition is not None),
        compartment=named.get("<compartment>"),
        body=body,
    )


def check_names(query: tuple[Pair, ...], allowed: Collection[str]) -> None:
    for name, _ in query:
        if name not in allowed:
            raise Undecidable("a parameter that has no meaning here")


def carried(request: FhirRequest, kind: Kind) -> content.Body:
    if kind in (Kind.CREATE, Kind.UPDATE):
        return content.resource(request.body, request.headers)
    return content.patch(request.body, request.headers) if kind is Kind.PATCH else content.Body()


def form(request: FhirRequest) -> tuple[Pair, ...]:
    """The parameters of a search by POST. Raises Undecidable if they did not come with the request."""
    if not request.body or not content.is_complete(request.body, request.headers):
        raise Undecidable("the proxy does not show the body of a search by POST: search by GET")
    if content.media_type(request.headers) != FORM:
        raise Undecidable(f"the body of a search is {FORM}")
    return pairs(request.body.decode("latin-1"))


def batch(request: FhirRequest, server: Server) -> tuple[Access, ...]:
    """Each entry of a batch or transaction is a request of its own (SMART SCP-04)."""
    found = []
    for entry in content.entries(request.body, request.headers):
        path, query = split(f"/{entry.url}", ("",))
        headers = entry.headers if entry.method not in ("GET", "HEAD") else {}
        body = entry.body if headers else b""
        found.append(access(FhirRequest(entry.method, entry.url, headers, body), path, query, server))
    return tuple(found)
