from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from authz.audit.event import EventName

if TYPE_CHECKING:
    from tests.audit.conftest import Archive


@pytest.fixture
def filled(archive: Archive) -> Archive:
    """Three records whose reasons are their names; one differs from the others in everything."""
    common = {"sub": "s", "patient": "p", "client_id": "c", "fhir_server": "f", "launch_id": "l", "grant_id": "g"}
    archive.happen(1, reason="one", token_id="t", support_code="AAAA", **common)
    archive.happen(1, reason="two", token_id="t", support_code="AAAA", **common)
    other = {name: value + "2" for name, value in common.items()}
    archive.happen(
        1, event=EventName.LOGOUT, outcome="refused", reason="other", token_id="t2", support_code="BBBB", **other
    )
    return archive


def reasons(archive: Archive, **asked: Any) -> list[str]:
    return [record["reason"] for record in archive.records(**asked)]


@pytest.mark.parametrize(
    ("member", "of_two", "of_other"),
    [
        ("sub", "s", "s2"),
        ("patient", "p", "p2"),
        ("client_id", "c", "c2"),
        ("fhir_server", "f", "f2"),
        ("event", "login", "logout"),
        ("outcome", "success", "refused"),
        ("grant_id", "g", "g2"),
        ("token_id", "t", "t2"),
        ("launch_id", "l", "l2"),
        ("support_code", "AAAA", "BBBB"),
    ],
)
def test_records_are_found_by_each_member(filled: Archive, member: str, of_two: str, of_other: str) -> None:
    """AU-6, AU-11; ONC 170.315(d)(3)."""
    assert reasons(filled, **{member: of_two}) == ["one", "two"]
    assert reasons(filled, **{member: of_other}) == ["other"]
    assert reasons(filled, **{member: "nobody"}) == []


def test_everything_asked_must_hold(filled: Archive) -> None:
    assert reasons(filled, sub="s", event="logout") == []
    assert reasons(filled, sub="s", event="login") == ["one", "two"]


def test_since_is_inclusive_and_until_is_not(filled: Archive) -> None:
    third = filled.own.clock()
    second = third - timedelta(milliseconds=1)
    assert reasons(filled, since=second) == ["two", "other"]
    assert reasons(filled, until=second) == ["one"]
    assert reasons(filled, since=second, until=third) == ["two"]


def test_records_come_oldest_first_up_to_a_limit(filled: Archive) -> None:
    assert reasons(filled) == ["one", "two", "other"]
    assert [record["reason"] for record in filled.records(limit=2)] == ["one", "two"]


@pytest.mark.parametrize(
    "hostile", ["' OR 1=1 --", "%", "_", "*", "\\", "s' UNION SELECT 1 --", "é", "p" * 10_000], ids=repr
)
def test_what_is_asked_is_compared_and_never_read_as_sql(filled: Archive, hostile: str) -> None:
    assert reasons(filled, sub=hostile) == []
    assert len(reasons(filled)) == 3


INDEXED = ("sub", "patient", "client_id", "grant_id", "token_id", "launch_id", "support_code", "since")


@pytest.mark.parametrize("made", ["sqlite"], indirect=True)
@pytest.mark.parametrize("member", INDEXED)
def test_a_report_reads_an_index_and_not_the_whole_trail(filled: Archive, member: str) -> None:
    """AU-6: by user, patient, client and time; the index is asserted, not the time (decision 30)."""
    statements: list[tuple[str, Any]] = []

    def note(*given: Any) -> None:
        statements.append((given[2], given[3]))

    engine = filled.own.db.engine
    event.listen(engine, "before_cursor_execute", note)
    asked: dict[str, Any] = {member: filled.own.clock() if member == "since" else "s"}
    filled.records(**asked)
    event.remove(engine, "before_cursor_execute", note)
    ((statement, parameters),) = [found for found in statements if found[0].startswith("SELECT")]
    plan = explain(filled, statement, parameters)
    column = "at" if member == "since" else member
    assert any("audit_event USING INDEX" in step and f"({column}" in step for step in plan), plan


def explain(archive: Archive, statement: str, parameters: Any) -> list[str]:
    with archive.own.db.engine.connect() as connection:
        found = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return [row[3] for row in found]
