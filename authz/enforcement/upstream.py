"""Asking a FHIR server that knows nothing of SMART, at its address behind the proxy, and believing it cautiously."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from authz.enforcement.answers import Answers
from authz.enforcement.compartment import MEMBERSHIPS, concerns
from authz.enforcement.statements import FRESH_SECONDS, Statements, objects, search_parameters
from authz.enforcement.turns import DECISION_SECONDS, Turns
from authz.errors import Unavailable
from authz.outbound import FetchFailed, Limits
from authz.storage.recent import Recent
from authz.strict_json import NotStrictJson, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from authz.enforcement.compartment import Resource
    from authz.enforcement.records import Question
    from authz.enforcement.turns import Turn, Wait
    from authz.fhir_servers.registry import FhirServer
    from authz.outbound import Answer, Outbound
    from authz.scopes.constraints import Query

QUESTION = Limits(seconds=DECISION_SECONDS, max_bytes=1_000_000)
QUESTIONS = replace(QUESTION, max_bytes=5_000_000)
STATEMENT = Limits(seconds=5.0, max_bytes=5_000_000)
MAX_DEPTH, MAX_NODES = 60, 500_000
HEADERS = {"Accept": "application/fhir+json", "Cache-Control": "no-cache"}
OK, ABSENT = 200, frozenset({404, 410})


class Upstream:
    """One process's questions to all FHIR servers. Every method raises Unavailable."""

    def __init__(self, outbound: Outbound, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.outbound = outbound
        self.monotonic = monotonic
        self.turns = Turns(monotonic)
        self.answers = Answers(monotonic)
        self.statements = Statements(monotonic)
        self.parameters: Recent[dict[str, frozenset[str]]] = Recent(FRESH_SECONDS, monotonic)

    @contextmanager
    def records(self, server: FhirServer, person: str) -> Iterator[UpstreamRecords]:
        """For one decision, about a request of this person, which begins now."""
        with self.turns.turn(server.name, person) as turn:
            yield UpstreamRecords(self, server, turn)

    def capability_statement(self, server: FhirServer, wait: Wait) -> Resource:
        """What the FHIR server says of itself, for a request with a token.

        One in a minute asks for it, and may take longer than a decision: what it learns is good for all.
        """
        return self.statements.get((server.name, server.upstream), lambda: self.stated(server), wait)

    def capability_statement_for_anybody(self, server: FhirServer) -> Resource:
        """The same object until it was asked for anew."""
        return self.statements.get_for_anybody((server.name, server.upstream), lambda: self.stated(server))

    def stated(self, server: FhirServer) -> Resource:
        found = self.ask(server, "metadata", STATEMENT)
        statement = body(found, server)
        if found.status != OK or statement.get("resourceType") != "CapabilityStatement":
            raise Unavailable(f"{server.name}: no CapabilityStatement from the FHIR server ({found.status})")
        return statement

    def ask(self, server: FhirServer, path: str, limits: Limits) -> Answer:
        try:
            return self.outbound.get(f"{server.upstream}/{path}", headers=HEADERS, trusted=True, limits=limits)
        except FetchFailed as error:
            raise Unavailable(f"{server.name}: the FHIR server can't be asked") from error


@dataclass(frozen=True, slots=True)
class UpstreamRecords:
    """``ManyRecords`` of one FHIR server, for one decision."""

    upstream: Upstream
    server: FhirServer
    turn: Turn

    def knows(self, type_: str, parameter: str) -> bool:
        statement = self.upstream.capability_statement(self.server, self.turn.take)
        known = self.upstream.parameters.get(self.key, lambda: search_parameters(statement))
        return parameter in known.get(type_, ())

    def holds(self, question: Question) -> bool:
        return self.upstream.answers.get((self.key, question), lambda: self.finds(question), self.turn.take)

    def finds(self, question: Question) -> bool:
        return bool(self.found([question], QUESTION))

    def foresee(self, questions: Sequence[Question]) -> None:
        """Those that differ in the id alone are one search. Only a yes is believed: the others are asked one by one."""
        alike: dict[Question, list[Question]] = {}
        for question in questions:
            alike.setdefault(replace(question, id=""), []).append(question)
        for several in alike.values():
            if len(several) > 1:
                self.turn.take()
                at = self.upstream.monotonic()
                with suppress(Unavailable):  # one by one, in what is left of the time
                    for question in self.found(several, QUESTIONS):
                        self.upstream.answers.tell((self.key, question), at, answer=True)

    def found(self, alike: list[Question], most: Limits) -> list[Question]:
        """Search for the resources as the questions limit them, and look at what was found as well.

        A server ignores parameters that it does not know: then the answer would be about something else.
        """
        first, ids = alike[0], ",".join(question.id for question in alike)
        pairs = [("_id", ids), *self.naming(first), *limits(first.query)]
        if not all(self.knows(first.type, name) for name, _ in pairs):
            return []
        if len(alike) > 1:
            pairs.append(("_count", str(len(alike))))
        search = "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)
        answer = self.ask(f"{first.type}?{search}", most)
        if answer.status != OK:
            return []
        entries = objects(body(answer, self.server).get("entry"))
        resources = objects([entry.get("resource") for entry in entries])
        return [question for question in alike if any(self.is_it(resource, question) for resource in resources)]

    def ask(self, path: str, most: Limits = QUESTION) -> Answer:
        return self.upstream.ask(self.server, path, replace(most, seconds=self.turn.take()))

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
        answer = self.ask(f"{type_}/{id_}")
        if answer.status == OK:
            return True
        if answer.status in ABSENT:
            return False
        raise Unavailable(f"{self.server.name}: the FHIR server answered {answer.status}")

    def version(self, type_: str, id_: str, version: str) -> Resource | None:
        answer = self.ask(f"{type_}/{id_}/_history/{version}")
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
