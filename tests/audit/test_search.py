from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from authz.audit import search as module
from authz.audit.event import Event, EventName, Peer
from authz.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.audit.conftest import Archive


@pytest.fixture
def filled(archive: Archive) -> Archive:
    """Three records whose reasons are their names; one differs from the others in everything."""
    common = {"sub": "s", "patient": "p", "client_id": "c", "fhir_server": "f", "launch_id": "l", "grant_id": "g"}
    peer = Peer(request_id="r")
    archive.happen(1, reason="one", token_id="t", support_code="AAAA", peer=peer, **common)
    archive.happen(1, reason="two", token_id="t", support_code="AAAA", peer=peer, **common)
    other = {name: value + "2" for name, value in common.items()}
    archive.happen(
        1,
        event=EventName.LOGOUT,
        outcome="refused",
        reason="other",
        token_id="t2",
        support_code="BBBB",
        peer=Peer(request_id="r2"),
        **other,
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
        ("request_id", "r", "r2"),
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


class TestPages:
    """AU-6: a page goes on after the last record of the page before, whatever was written meanwhile."""

    def test_all_pages_together_are_everything(self, filled: Archive) -> None:
        for newest_first in (False, True):
            everything = filled.records(is_newest_first=newest_first)
            page, found = filled.records(limit=2, is_newest_first=newest_first), []
            while page:
                found += page
                page = filled.records(limit=2, after=page[-1]["id"], is_newest_first=newest_first)
            assert found == everything

    def test_the_newest_come_first_when_asked(self, filled: Archive) -> None:
        assert reasons(filled, is_newest_first=True) == ["other", "two", "one"]

    def test_after_a_record_that_is_not_there_nothing_is_shown(self, filled: Archive) -> None:
        with pytest.raises(NotFound, match="no record of this id"):
            filled.records(after="0" * 32)

    def test_records_of_one_moment_are_each_shown_once(self, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "PAGE", 2)
        with archive.own.db.write() as session:
            for _ in range(7):
                archive.own.trail.record(session, Event(EventName.LOGIN))
        assert len({record["id"] for record in archive.records()}) == len(archive.records()) == 7


def test_a_record_says_its_link_and_the_one_before(filled: Archive) -> None:
    """security.md 4.1: the previous record's hash; whoever holds an export can check it."""
    filled.sealer.seal_once()
    first, second, third = filled.records()
    assert first["previous_hash"] == "0" * 64
    assert [second["previous_hash"], third["previous_hash"]] == [first["hash"], second["hash"]]


@pytest.mark.parametrize(
    "hostile", ["' OR 1=1 --", "%", "_", "*", "\\", "s' UNION SELECT 1 --", "é", "p" * 10_000], ids=repr
)
def test_what_is_asked_is_compared_and_never_read_as_sql(filled: Archive, hostile: str) -> None:
    assert reasons(filled, sub=hostile) == []
    assert reasons(filled, outcome=hostile) == []
    assert len(reasons(filled)) == 3


SAYS = {
    "sub": ("s", "ix_audit_event_sub_at_id"),
    "patient": ("p", "ix_audit_event_patient_at_id"),
    "client_id": ("c", "ix_audit_event_client_id_at_id"),
    "event": ("login", "ix_audit_event_event_at_id"),
    "outcome": ("refused", "ix_audit_event_refused"),
    "grant_id": ("g", "ix_audit_event_grant_id"),
    "token_id": ("t", "ix_audit_event_token_id"),
    "launch_id": ("l", "ix_audit_event_launch_id"),
    "support_code": ("AAAA", "ix_audit_event_support_code"),
    "request_id": ("r", "ix_audit_event_request_id"),
    "since": (datetime(2026, 3, 1, tzinfo=UTC), "ix_audit_event_at_id"),
    "until": (datetime(2026, 3, 1, tzinfo=UTC), "ix_audit_event_at_id"),
}


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("member", sorted(SAYS))
def test_a_report_reads_an_index_and_not_the_whole_trail(
    filled: Archive,
    member: str,
    newest_first: bool,  # noqa: FBT001  pytest's
) -> None:
    """AU-6: by user, patient, client, event, outcome, time and every id; not the time it takes (decision 30)."""
    value, index = SAYS[member]
    steps = plan(filled, lambda: filled.records(limit=10, **{member: value, "is_newest_first": newest_first}))
    assert index in steps, steps
    assert "SCAN audit_event USING" in steps or "SCAN audit_event" not in steps, steps
    assert "Seq Scan on audit_event" not in steps, steps
    if member not in ("grant_id", "token_id", "launch_id", "support_code", "request_id"):
        assert "USE TEMP B-TREE" not in steps, steps
        assert "Sort" not in steps, steps


def test_a_page_is_found_by_the_index_too(filled: Archive) -> None:
    first = filled.records(sub="s")[0]
    steps = plan(filled, lambda: filled.records(limit=10, sub="s", after=first["id"]))
    assert "ix_audit_event_sub_at_id" in steps, steps


def plan(archive: Archive, search: Callable[[], object]) -> str:
    """How the database goes about the last statement of a search, had it many rows."""
    statements: list[tuple[str, Any]] = []

    def note(*given: Any) -> None:
        statements.append((given[2], given[3]))

    engine = archive.own.db.engine
    event.listen(engine, "before_cursor_execute", note)
    search()
    event.remove(engine, "before_cursor_execute", note)
    statement, parameters = next(found for found in reversed(statements) if found[0].startswith("SELECT"))
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":  # of three rows it would read all
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
        explain = "EXPLAIN" if engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
        found = connection.exec_driver_sql(f"{explain} {statement}", parameters)
        return "\n".join(str(row[-1]) for row in found)
