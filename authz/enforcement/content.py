"""What a request carries: a resource, a patch, a bundle of requests; only JSON is read (FHIR R4 "JSON")."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from authz.enforcement.url import Undecidable
from authz.strict_json import NotStrictJson, parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from authz.enforcement.compartment import Resource

JSON_TYPES = frozenset({"application/fhir+json", "application/json"})
JSON_PATCH = "application/json-patch+json"
PARAMETER = re.compile(r'charset ?= ?(?:utf-8|"utf-8")|fhirversion=[0-9.]+')  # of a media type
MAX_DEPTH = 40
MAX_NODES = 20_000
MAX_ENTRIES = 100
NOT_SHOWN = "the proxy does not show the body, or not all of it"


@dataclass(frozen=True, slots=True)
class Body:
    """A resource or the operations of a JSON Patch; neither if it can't be read, and then why."""

    resource: Resource | None = None
    operations: tuple[dict[str, Any], ...] | None = None
    unread: str = NOT_SHOWN


@dataclass(frozen=True, slots=True)
class Entry:
    """One request of a batch or transaction."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def is_complete(body: bytes, headers: Mapping[str, str]) -> bool:
    """Whether the proxy showed the whole body: as long as the client said, not cut, not compressed."""
    whole = headers.get("x-envoy-auth-partial-body", "false") == "false"
    return (
        told_length(headers) == str(len(body)) and whole and headers.get("content-encoding", "identity") == "identity"
    )


def told_length(headers: Mapping[str, str]) -> str:
    """The ``Content-Length`` of the client; the request to us has one of its own."""
    return headers.get("x-original-content-length") or headers.get("content-length") or "0"


def media_type(headers: Mapping[str, str]) -> str:
    """In lower case; empty if it is told twice, in another character set than UTF-8, or with what is not known here."""
    kind, *parameters = (part.strip() for part in headers.get("content-type", "").lower().split(";"))
    return kind if all(PARAMETER.fullmatch(part) for part in parameters if part) else ""


def read(body: bytes, headers: Mapping[str, str], kinds: frozenset[str]) -> Any:
    """The JSON value. Raises Undecidable."""
    if not body or not is_complete(body, headers):
        raise Undecidable(NOT_SHOWN)
    if media_type(headers) not in kinds:
        raise Undecidable(f"only a body of {' or '.join(sorted(kinds))} in UTF-8 can be decided about")
    try:
        return parse(body, max_depth=MAX_DEPTH, max_nodes=MAX_NODES)
    except NotStrictJson as error:
        raise Undecidable(f"the body can not be read: {error}") from error


def resource(body: bytes, headers: Mapping[str, str]) -> Body:
    try:
        value = read(body, headers, JSON_TYPES)
    except Undecidable as undecidable:
        return Body(unread=undecidable.why)
    return Body(value) if isinstance(value, dict) else Body(unread="the body is no resource")


def patch(body: bytes, headers: Mapping[str, str]) -> Body:
    try:
        value = read(body, headers, frozenset({JSON_PATCH}))
    except Undecidable as undecidable:
        return Body(unread=undecidable.why)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return Body(unread="the body is no JSON Patch")
    return Body(operations=tuple(value))


def touched(operations: Sequence[Mapping[str, Any]]) -> set[str]:
    """The elements that the operations of a JSON Patch name (RFC 6902)."""
    pointers = [operation.get("path") for operation in operations]
    return set(map(first_segment, pointers + [operation["from"] for operation in operations if "from" in operation]))


def first_segment(pointer: object) -> str:
    """Of a JSON Pointer (RFC 6901); empty for the whole document and for what is no pointer."""
    if not isinstance(pointer, str) or not pointer.startswith("/"):
        return ""
    return pointer[1:].partition("/")[0].replace("~1", "/").replace("~0", "~")


def entries(body: bytes, headers: Mapping[str, str]) -> list[Entry]:
    """The requests in a bundle of type batch or transaction. Raises Undecidable."""
    bundle = read(body, headers, JSON_TYPES)
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise Undecidable("the body must be a Bundle")
    if bundle.get("type") not in ("batch", "transaction"):
        raise Undecidable("the Bundle must be a batch or a transaction")
    found = bundle.get("entry")
    if not isinstance(found, list) or not 0 < len(found) <= MAX_ENTRIES:
        raise Undecidable(f"the Bundle must have 1 to {MAX_ENTRIES} entries")
    return [entry(item) for item in found]


def entry(item: Any) -> Entry:
    request = item.get("request") if isinstance(item, dict) else None
    if not isinstance(request, dict):
        raise Undecidable("each entry must have a request")
    method, url, condition = request.get("method"), request.get("url"), request.get("ifNoneExist")
    if not isinstance(method, str) or not isinstance(url, str) or not isinstance(condition, str | None):
        raise Undecidable("the request of an entry must have a method and a url")
    carried = item.get("resource")
    body = b"" if carried is None else json.dumps(carried).encode()
    told = {"content-type": "application/fhir+json", "content-length": str(len(body))}
    return Entry(method, url, told if condition is None else told | {"if-none-exist": condition}, body)


def names_other_resources(value: Any) -> bool:
    """Whether a reference in it is resolved by the FHIR server's search, or only within a transaction."""
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            reference = node.get("reference")
            if isinstance(reference, str) and ("?" in reference or reference.startswith("urn:")):
                return True
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return False
