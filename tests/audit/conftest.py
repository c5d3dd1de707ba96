from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text

from authz.audit.event import Event, EventName
from authz.audit.model import AuditAnchorRow, AuditSealRow
from authz.audit.sealer import Sealer
from authz.audit.search import Query, search
from authz.audit.verify import Verification, verify
from authz.keyring.rotation import Rotation
from authz.keyring.signing import Keyring
from tests.registries import made, postgres_url

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Executable

    from tests.registries import Registries

__all__ = ["made", "postgres_url"]


SWITCHES = {
    "sqlite": ("PRAGMA foreign_keys=OFF", "PRAGMA foreign_keys=ON"),
    "postgresql": ("SET session_replication_role = replica", "SET session_replication_role = DEFAULT"),
}


@dataclass
class Archive:
    """The trail, its chain, and whoever has the database in their hands."""

    own: Registries
    keyring: Keyring

    def __post_init__(self) -> None:
        self.sealer = self.another_sealer()

    def another_sealer(self) -> Sealer:
        """The sealer of a process that has just started."""
        return Sealer(self.own.db, self.keyring, self.own.clock)

    def happen(self, count: int = 1, **about: Any) -> None:
        """Events a millisecond apart; their reason is their number."""
        for _ in range(count):
            self.own.clock.move(milliseconds=1)
            with self.own.db.write() as session:
                self.own.trail.record(session, Event(**{"event": EventName.LOGIN, **about}))

    def verified(self) -> Verification:
        with self.own.db.read() as session:
            return verify(session, self.keyring)

    def complaint(self) -> tuple[int, str] | None:
        """The number of the first record that is wrong and what is wrong with it."""
        finding = self.verified().finding
        return (finding.seq, finding.problem) if finding else None

    def tamper(self, statement: str | Executable, **values: Any) -> None:
        """What somebody who has the database could do."""
        with self.own.db.write() as session:
            session.execute(text(statement) if isinstance(statement, str) else statement, values)

    def unchecked(self, *statements: str) -> None:
        """The same by somebody whom foreign keys don't stop."""
        off, on = SWITCHES[self.own.db.engine.dialect.name]
        connection = self.own.db.engine.raw_connection()
        cursor = connection.cursor()
        for statement in (off, *statements, on):
            cursor.execute(statement)
        connection.commit()
        connection.close()

    def records(self, limit: int | None = None, **asked: Any) -> list[dict[str, Any]]:
        with self.own.db.read() as session:
            return list(search(session, Query(**asked), limit))

    def chain(self) -> list[tuple[int, str]]:
        """Number and event of every link."""
        with self.own.db.read() as session:
            return [(row.seq, row.event_id) for row in session.scalars(select(AuditSealRow).order_by(AuditSealRow.seq))]

    def anchored(self) -> list[int]:
        with self.own.db.read() as session:
            return [row.seq for row in session.scalars(select(AuditAnchorRow).order_by(AuditAnchorRow.seq))]


@pytest.fixture
def archive(made: Registries, tmp_path: Path) -> Archive:
    keyring = Keyring(made.db, tmp_path / "keys", made.clock)
    with made.db.write() as session:
        Rotation(keyring, 0).generate(session)
    return Archive(made, keyring)
