"""Asking a FHIR server that knows nothing of SMART, at its address behind the proxy, and believing it cautiously."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from authz.enforcement.compartment import MEMBERSHIPS, concerns
from authz.enforcement.statements import FRESH_SECONDS, Statements
from authz.errors import Unavailable
from authz.outbound import FetchFailed, Limits
from authz.storage.recent import Recent
from authz.strict_json import NotStrictJson, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.enforcement.compartment import Resource
    from authz.enforcement.records import Question
    from authz.fhir_servers.registry import FhirServer
    from authz.outbound import Answer, Outbound
    from authz.scopes.constraints import Query

ANSWER_SECONDS = 1.0
QUESTION = Limits(seconds=2.0, max_bytes=1_000_000)
STATEMENT = Limits(seconds=5.0, max_bytes=5_000_000)
MAX_DEPTH, MAX_NODES = 60, 500_000
HEADERS = {"Accept": "application/fhir+json", "Cache-Control": "no-cache"}
OK, ABSENT = 200, frozenset({404, 410})


class Upstream:
    """One process's questions to all FHIR servers. Every method raises Unavailable."""

    def __init__(self, outbound: Outbound, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.outbound = outbound
        self.answers: Recent[bool] = Recent(ANSWER_SECONDS, monotonic)
        self.statements = Statements(monotonic)
        self.parameters: Recent[dict[str, frozenset[str]]] = Recent(FRESH_SECONDS, monotonic)

    def records(self, server: FhirServer) -> UpstreamRecords:
        return UpstreamRecords(self, server)

    def capability_statement(self, server: FhirServer) -> Resource:
        """What the FHIR server says of itself, for a request with a token."""
        return self.statements.get((server.name, server.upstream), lambda: self.stated(server))

    def capability_statement_for_anybody(self, server: FhirServer) -> Resource:
        """The same object until it was asked for anew."""
        return self.statements.get_for_anybody((server.name, server.upstream), lambda: self.stated(server))

    def stated(self, server: FhirServer) -> Resource:
        found = self.ask(server, "metadata", STATEMENT)
        statement = body(found, server)
        if found.status != OK or statement.get("resourceType") != "CapabilityStatement":
            raise Unavailable(f"{server.name}: no CapabilityStatement from the FHIR server ({found.status})")
        return statement

    def ask(self, server: FhirServer, path: str, limits: Limits = QUESTION) -> Answer:
        try:
            return self.outbound.get(f"{server.upstream}/{path}", headers=HEADERS, trusted=True, limits=limits)
        except FetchFailed as error:
            raise Unavailable(f"{server.name}: the FHIR server can't be asked") from error


@dataclass(frozen=True, slots=True)
class UpstreamRecords:
    """``Records`` of one FHIR server."""

    upstream: Upstream
    server: FhirServer

    def knows(self, type_: str, parameter: str) -> bool:
        statement = self.upstream.capability_statement(self.server)
        known = self.upstream.parameters.get(self.key, lambda: search_parameters(statement))
        return parameter in known.get(type_, ())

    def holds(self, question: Question) -> bool:
        return self.upstream.answers.get((self.key, question), lambda: self.finds(question))

    def finds(self, question: Question) -> bool:
        """Search for the one resource as the question limits it, and look at what was found as well.

        A server ignores parameters that it does not know: then the answer would be about something else.
        """
        pairs = [("_id", question.id), *self.naming(question), *limits(question.query)]
        if not all(self.knows(question.type, name) for name, _ in pairs):
            return False
        search = "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)
        answer = self.upstream.ask(self.server, f"{question.type}?{search}")
        if answer.status != OK:
            return False
        entries = body(answer, self.server).get("entry")
        found = (
            [item.get("resource") for item in entries if isinstance(item, dict)] if isinstance(entries, list) else []
        )
        return any(isinstance(item, dict) and self.is_it(item, question) for item in found)

    def naming(self, question: Question) -> list[tuple[str, str]]:
        """The parameter by which this server finds a patient's resources of the type."""
        if question.patients is None:
            return []
        parameters = MEMBERSHIPS[question.type].parameters
        known = next((name for name in parameters if self.knows(question.type, name)), parameters[0])
        return [(known, ",".join(f"Patient/{id_}" for id_ in sorted(question.patients)))]

    def is_it(self, resource: Resource, question: Question) -> bool:
        if (resource.get("resourceType"), resource.get("id")) != (question.type, question.id):
            return False
        alone = not MEMBERSHIPS[question.type].several if question.patients else False
        return question.patients is None or concerns(resource, question.patients, self.bases, alone=alone)

    @property
    def key(self) -> tuple[str, str]:
        return self.server.name, self.server.upstream

    @property
    def bases(self) -> tuple[str, ...]:
        return bases(self.server)

    def exists(self, type_: str, id_: str) -> bool:
        answer = self.upstream.ask(self.server, f"{type_}/{id_}")
        if answer.status == OK:
            return True
        if answer.status in ABSENT:
            return False
        raise Unavailable(f"{self.server.name}: the FHIR server answered {answer.status}")

    def version(self, type_: str, id_: str, version: str) -> Resource | None:
        answer = self.upstream.ask(self.server, f"{type_}/{id_}/_history/{version}")
        return body(answer, self.server) if answer.status == OK else None


def bases(server: FhirServer) -> tuple[str, ...]:
    """What may stand before ``Patient/1`` in a reference to this FHIR server."""
    return tuple({url.removesuffix("/") for url in (server.base_url, *server.aliases, server.upstream)})


def limits(query: Query) -> list[tuple[str, str]]:
    return sorted((name, ",".join(sorted(values))) for name, values in query)


def body(answer: Answer, server: FhirServer) -> Resource:
    try:
        value: Any = parse(answer.body, max_depth=MAX_DEPTH, max_nodes=MAX_NODES)
    except NotStrictJson as error:
        raise Unavailable(f"{server.name}: the FHIR server's answer is no JSON") from error
    if not isinstance(value, dict):
        raise Unavailable(f"{server.name}: the FHIR server's answer is no resource")
    return value


def search_parameters(statement: Resource) -> dict[str, frozenset[str]]:
    """Per resource type the parameters that the server says it has, those of every type included."""
    found: dict[str, frozenset[str]] = {}
    for rest in objects(statement.get("rest")):
        general = names(rest.get("searchParam"))
        for resource in objects(rest.get("resource")):
            found[str(resource.get("type"))] = general | names(resource.get("searchParam"))
    return found


def objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def names(value: Any) -> frozenset[str]:
    return frozenset(str(item.get("name")) for item in objects(value))
