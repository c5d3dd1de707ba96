"""What a database says of how it will run each statement of a grant's life: launch, code, refresh, purge."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import event, text

from authz.storage.database import Base
from benchmarks.own import Asked
from tests.transport import InProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask
    from sqlalchemy import Connection

LARGE = 100_000  # rows; a smaller table is read from end to end, and that is right
EXPLAINED = {
    "postgresql": ("EXPLAIN", r"Seq Scan on (\w+)"),
    "sqlite": ("EXPLAIN QUERY PLAN", r"SCAN (\w+?)(?:_\d+)?(?! USING)\b"),  # an alias ends in a number
}


@contextmanager
def statements(app: Flask) -> Iterator[dict[str, object]]:
    """What is asked of the database, with what was filled in last."""
    found: dict[str, object] = {}

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        found[statement] = parameters

    engine = app.extensions["authz"].db.engine
    event.listen(engine, "before_cursor_execute", note)
    yield found
    event.remove(engine, "before_cursor_execute", note)


def large_tables(connection: Connection) -> set[str]:
    names = [table.name for table in Base.metadata.sorted_tables]
    counts = {name: connection.scalar(text(f"SELECT count(*) FROM {name}")) or 0 for name in names}  # noqa: S608  ours
    return {name for name, count in counts.items() if count > LARGE}


def explained(app: Flask, issuer: str) -> list[str]:
    """The statements of a grant's life that read a large table from end to end."""
    own = app.extensions["authz"]
    with app.app_context(), statements(app) as found:
        asked = Asked.at(issuer, InProcess(app, issuer))
        tokens = asked.tokens()
        tokens = asked.app.refresh(tokens["refresh_token"]).json()
        own.introspection.token_facts(tokens["access_token"])
        assert asked.app.revoke(tokens["refresh_token"]).status == 200
        own.purge.once(seconds=2)
    wrong = []
    asked_for = [item for item in found.items() if item[0].split()[0] in {"SELECT", "UPDATE", "DELETE", "WITH"}]
    with app.app_context(), own.db.engine.connect() as connection:
        large = large_tables(connection)
        explain, reading = EXPLAINED[connection.dialect.name]
        for statement, parameters in asked_for:
            rows = connection.exec_driver_sql(f"{explain} {statement}", parameters)
            plan = "\n".join(str(row[-1]) for row in rows)
            if large.intersection(re.findall(reading, plan)):
                wrong.append(f"{statement}\n{plan}")
    print(f"{len(asked_for)} statements explained, {len(wrong)} read a large table from end to end")
    return wrong
