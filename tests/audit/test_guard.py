"""The database itself keeps the trail: nothing is changed, and nothing goes whose time is not over (AU-3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from tests.audit.conftest import Archive

TABLES = ("audit_event", "audit_seal", "audit_anchor", "audit_cut")


@pytest.fixture
def kept(archive: Archive) -> Archive:
    """Three sealed and anchored records, a fourth that is not sealed, and a statement about numbers far away."""
    archive.happen(3)
    archive.sealer.seal_once()
    archive.happen(1)
    with archive.own.db.write() as session:
        session.execute(
            text(
                "INSERT INTO audit_cut (id, first_seq, last_seq, hash, kid, signature, cut_at)"
                " VALUES ('c', 100, 200, '', '', '', '2026-03-01 09:00:00')"
            )
        )
    return archive


def attempt(archive: Archive, statement: str) -> None:
    with archive.own.db.write() as session:
        session.execute(text(statement))


@pytest.mark.parametrize("table", TABLES)
def test_no_row_is_changed(kept: Archive, table: str) -> None:
    """Security.md 4.1; ONC 170.315(d)(2): not changed or overwritten, by whoever owns the tables either."""
    column = {"audit_event": "reason"}.get(table, "hash")
    with pytest.raises(DBAPIError, match="append-only"):
        attempt(kept, f"UPDATE {table} SET {column} = 'x'")  # noqa: S608  the tables of this test


@pytest.mark.parametrize("table", TABLES)
def test_no_row_is_deleted(kept: Archive, table: str) -> None:
    with pytest.raises(DBAPIError, match="append-only"):
        attempt(kept, f"DELETE FROM {table}")  # noqa: S608  the tables of this test


@pytest.mark.postgres
@pytest.mark.parametrize("made", ["postgres"], indirect=True)
@pytest.mark.parametrize("table", TABLES)
def test_no_table_is_emptied(kept: Archive, table: str) -> None:
    with pytest.raises(DBAPIError, match="append-only"):
        attempt(kept, f"TRUNCATE {table}")


def test_after_every_attempt_the_trail_is_intact(kept: Archive) -> None:
    for table in TABLES:
        with pytest.raises(DBAPIError):
            attempt(kept, f"DELETE FROM {table}")  # noqa: S608  the tables of this test
    found = kept.verified()
    assert (found.finding, found.sealed, found.unsealed, found.anchors) == (None, 3, 1, 1)
