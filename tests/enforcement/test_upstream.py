"""Asking a FHIR server that knows nothing of SMART: what is asked, and when its answer is believed."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from authz.enforcement.records import Question
from authz.enforcement.turns import DECISION_SECONDS, Turn
from authz.enforcement.upstream import Upstream, UpstreamRecords
from authz.errors import Unavailable
from authz.fhir_servers.server import FhirServer
from authz.outbound import FetchFailed
from authz.outbound.client import Answer
from tests.enforcement.conftest import MINE, THEIRS, VITALS

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.outbound import Limits

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
    allowed: list[float] = field(default_factory=list)  # seconds
    each: Callable[[], object] = lambda: None

    def get(self, url: str, *, trusted: bool, limits: Limits, **_: Any) -> Answer:
        assert trusted  # the administrator registered the address
        path = url.removeprefix("http://127.0.0.1:8080/fhir/")
        self.asked.append(unquote(path))
        self.allowed.append(limits.seconds)
        self.each()
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
    upstream = Upstream(outbound, clock or Ticking())  # type: ignore[arg-type]  # it has the one method used
    return UpstreamRecords(upstream, SERVER, Turn(upstream.turns, SERVER.name, "somebody", DECISION_SECONDS)), outbound


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


def test_what_differs_in_the_id_alone_is_asked_in_one_go() -> None:
    """RL-07: a batch of twenty reads is one question to the FHIR server, not twenty."""
    records, outbound = asking(Observation=bundle(MINE, VITALS))
    questions = [IN, replace(IN, id="v1"), replace(IN, id="o2"), Question("Observation", "o9", None)]
    records.foresee(questions)
    assert [records.holds(question) for question in questions[:2]] == [True, True]
    assert outbound.asked == ["metadata", "Observation?_id=o1,v1,o2&patient=Patient/1&_count=3"]
    assert not records.holds(questions[2])  # not in a page that may have been cut off, so it is asked about by itself
    assert outbound.asked[2:] == ["Observation?_id=o2&patient=Patient/1"]


@pytest.mark.parametrize("answer", [None, (200, b"<html>"), (400, {}), bundle({**THEIRS, "id": "o1"}, THEIRS)])
def test_what_is_not_found_together_is_not_held_for_found(answer: Any) -> None:
    records, outbound = asking(Observation=answer)
    records.foresee([IN, replace(IN, id="v1")])
    outbound.answers["Observation"] = bundle()
    assert not records.holds(IN)
    assert not records.holds(replace(IN, id="v1"))


def test_a_decision_ends_however_many_questions_it_has() -> None:
    """RL-07: each has only what is left of the two seconds, and the last none; the answer is then 503."""
    clock = Ticking()
    records, outbound = asking(clock, **{f"Observation/o1/_history/{version}": (200, MINE) for version in range(9)})
    outbound.each = lambda: setattr(clock, "time", clock.time + 0.75)
    for version in range(3):
        assert records.version("Observation", "o1", str(version)) == MINE
    with pytest.raises(Unavailable):
        records.version("Observation", "o1", "3")
    assert outbound.allowed == [2.0, 1.25, 0.5]


def test_equal_questions_are_asked_once_while_the_answer_is_on_its_way() -> None:
    """RL-07."""
    records, outbound = asking(Observation=bundle(MINE))
    others = [replace(records, turn=Turn(records.upstream.turns, SERVER.name, who, DECISION_SECONDS)) for who in "ab"]
    came, go, found = threading.Event(), threading.Event(), list[bool]()
    assert records.knows("Observation", "patient")

    def slowly() -> None:
        came.set()
        assert go.wait(10)

    outbound.each = slowly
    threads = [threading.Thread(target=lambda one=one: found.append(one.holds(IN))) for one in (records, *others)]
    threads[0].start()
    assert came.wait(10)
    for thread in threads[1:]:
        thread.start()
    while len(records.upstream.turns.asking) < 3:
        threads[1].join(0.01)
    go.set()
    for thread in threads:
        thread.join(10)
    assert found == [True] * 3
    assert outbound.asked == ["metadata", "Observation?_id=o1&patient=Patient/1"]
