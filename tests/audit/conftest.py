from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert, select, text

from authz.audit.event import Event, EventName
from authz.audit.model import AuditAnchorRow, AuditSealRow
from authz.audit.sealer import Sealer
from authz.audit.search import Query, search
from authz.audit.verify import Verification, verify
from authz.keyring.model import SigningKeyRow
from authz.keyring.rotation import Rotation
from authz.keyring.signing import Keyring
from tests.registries import database_at, made, postgres_url, registries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Executable
    from sqlalchemy.orm import Session

    from tests.registries import Registries

__all__ = ["made", "postgres_url"]


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

    def verified(self, elsewhere: dict[int, str] | None = None) -> Verification:
        with self.own.db.read() as session:
            return verify(session, self.keyring, elsewhere)

    def complaint(self, elsewhere: dict[int, str] | None = None) -> tuple[int, str] | None:
        """The number of the first record that is wrong and what is wrong with it."""
        finding = self.verified(elsewhere).finding
        return (finding.seq, finding.problem) if finding else None

    def tamper(self, statement: str | Executable, **values: Any) -> None:
        """What somebody who has the database could do, its triggers included."""
        with self.unguarded() as session:
            session.execute(text(statement) if isinstance(statement, str) else statement, values)

    @contextmanager
    def unguarded(self) -> Iterator[Session]:
        with self.own.db.write() as session:
            if session.get_bind().dialect.name == "postgresql":
                session.execute(text("SET LOCAL session_replication_role = replica"))
            else:
                for name in session.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
                    session.execute(text(f"DROP TRIGGER {name}"))
            yield session

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


@pytest.fixture(scope="session")
def signing_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of an active and a next key, and the rows that belong to them: making keys takes long."""
    folder = tmp_path_factory.mktemp("signing")
    with registries(folder) as made, made.db.write() as session:
        Rotation(Keyring(made.db, folder / "keys", made.clock), 0).generate(session)
    return folder


@pytest.fixture
def archive(made: Registries, signing_keys: Path, tmp_path: Path) -> Archive:
    shutil.copytree(signing_keys / "keys", tmp_path / "keys")
    with database_at(f"sqlite:///{signing_keys / 'test.sqlite3'}") as db, db.read() as session:
        rows = [dict(row) for row in session.execute(select(SigningKeyRow.__table__)).mappings()]
    with made.db.write() as session:
        session.execute(insert(SigningKeyRow), rows)
    return Archive(made, Keyring(made.db, tmp_path / "keys", made.clock))
