"""Asking a FHIR server that knows nothing of SMART: what is asked, and when its answer is believed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from authz.enforcement.records import Question
from authz.enforcement.upstream import Upstream, UpstreamRecords
from authz.errors import Unavailable
from authz.fhir_servers.server import FhirServer
from authz.outbound import FetchFailed
from authz.outbound.client import Answer
from tests.enforcement.conftest import MINE, THEIRS

if TYPE_CHECKING:
    from collections.abc import Callable

SERVER = FhirServer("main", "https://fhir.example/r4", upstream_url="http://127.0.0.1:8080/fhir")
STATEMENT = {
    "resourceType": "CapabilityStatement",
    "rest": [
        {
            "searchParam": [{"name": "_id"}],
            "resource": [
                {
                    "type": "Observation",
                    "searchParam": [{"name": "subject"}, {"name": "patient"}, {"name": "category"}],
                },
                {"type": "Basic", "searchParam": [{"name": "subject"}]},
            ],
        }
    ],
}
IN = Question("Observation", "o1", frozenset({"1"}))


@dataclass
class Answering:
    """Stands in for ``Outbound``: answers by the path below the base; None: no answer at all."""

    answers: dict[str, tuple[int, Any] | None]
    asked: list[str] = field(default_factory=list)

    def get(self, url: str, *, trusted: bool, **_: Any) -> Answer:
        assert trusted  # the administrator registered the address
        path = url.removeprefix("http://127.0.0.1:8080/fhir/")
        self.asked.append(unquote(path))
        answer = self.answers.get(path.partition("?")[0])
        if answer is None:
            raise FetchFailed("nothing came")
        body = answer[1] if isinstance(answer[1], bytes) else json.dumps(answer[1]).encode()
        return Answer(answer[0], {}, body)


class Ticking:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def bundle(*resources: Any) -> tuple[int, Any]:
    return 200, {"resourceType": "Bundle", "entry": [{"resource": resource} for resource in resources]}


def asking(clock: Callable[[], float] | None = None, **answers: Any) -> tuple[UpstreamRecords, Answering]:
    outbound = Answering({"metadata": (200, STATEMENT), **answers})
    return Upstream(outbound, clock or Ticking()).records(SERVER), outbound  # type: ignore[arg-type]  # it has the one method used


def test_whose_a_resource_is_is_asked_behind_the_proxy_and_believed_for_a_second() -> None:
    """Issue item 11: ``?_id=…&patient=…``, cache of one second."""
    clock = Ticking()
    records, outbound = asking(clock, Observation=bundle(MINE))
    assert records.holds(IN)
    assert records.holds(IN)
    assert outbound.asked == ["metadata", "Observation?_id=o1&patient=Patient/1"]
    clock.time = 1.0
    assert records.holds(IN)
    assert len(outbound.asked) == 3


def test_the_constraints_of_the_scope_are_asked_with_it() -> None:
    """PROC-05: all must match, of a value's alternatives any."""
    records, outbound = asking(Observation=bundle(MINE))
    query = frozenset({("category", frozenset({"b|x", "a"}))})
    assert records.holds(Question("Observation", "o1", None, query))
    assert outbound.asked[-1] == "Observation?_id=o1&category=a,b|x"


@pytest.mark.parametrize(
    "answer",
    [
        bundle(),
        bundle(THEIRS),
        bundle({**THEIRS, "id": "o1"}),  # the server ignored the patient
        bundle({**MINE, "id": "o3"}),  # the server ignored the id
        bundle({**MINE, "resourceType": "Condition"}),
        bundle({"resourceType": "Observation", "id": "o1"}),
        (200, {"resourceType": "Bundle", "entry": "x"}),
        (400, {"resourceType": "OperationOutcome"}),
        (404, {}),
    ],
)
def test_an_answer_about_something_else_is_no_yes(answer: Any) -> None:
    records, _ = asking(Observation=answer)
    assert not records.holds(IN)


def test_a_parameter_that_the_server_does_not_state_is_not_relied_on() -> None:
    records, outbound = asking(Observation=bundle(MINE), Basic=bundle({"resourceType": "Basic", "id": "b"}))
    assert not records.holds(Question("Observation", "o1", None, frozenset({("code", frozenset({"x"}))})))
    assert not records.holds(Question("Encounter", "o1", frozenset({"1"})))
    assert outbound.asked == ["metadata"]
    mine = {"resourceType": "Basic", "id": "b", "subject": {"reference": "https://fhir.example/r4/Patient/1"}}
    records, outbound = asking(Basic=bundle(mine))
    assert records.holds(Question("Basic", "b", frozenset({"1"})))
    assert outbound.asked[-1] == "Basic?_id=b&subject=Patient/1"
    assert records.knows("Basic", "_id")
    assert not records.knows("Basic", "patient")
    assert not records.knows("Unheard", "_id")


@pytest.mark.parametrize("answer", [None, (200, b"<html>"), (200, []), (200, b'{"a":1,"a":2}')])
def test_no_answer_is_unavailable_and_is_not_remembered(answer: Any) -> None:
    """Fail closed, and no longer than it lasts."""
    records, outbound = asking(Observation=answer)
    with pytest.raises(Unavailable):
        records.holds(IN)
    outbound.answers["Observation"] = bundle(MINE)
    assert records.holds(IN)


@pytest.mark.parametrize("answer", [None, (503, {}), (200, {"resourceType": "Bundle"}), (200, b"<html>")])
def test_without_a_capability_statement_nothing_is_known(answer: Any) -> None:
    records, _ = asking(metadata=answer)
    with pytest.raises(Unavailable):
        records.knows("Observation", "patient")


def test_versions_and_existence_are_asked_of_the_very_resource() -> None:
    records, outbound = asking()
    outbound.answers |= {"Observation/o1/_history/2": (200, MINE), "Observation/o1": (200, MINE)}
    outbound.answers |= {"Observation/gone": (410, {}), "Observation/odd": (403, {})}
    assert records.version("Observation", "o1", "2") == MINE
    assert records.exists("Observation", "o1")
    assert not records.exists("Observation", "gone")
    with pytest.raises(Unavailable):
        records.exists("Observation", "odd")
    with pytest.raises(Unavailable):
        records.version("Observation", "o1", "9")
