"""Many tokens at once: copies of one that a server issued, made inside PostgreSQL or SQLite, and their hot copies."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, event, text

from authz.tokens.hot_copy import copy_name
from authz.tokens.model import AccessTokenRow, GrantRow, RefreshTokenRow

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection

    from authz.storage.database import Base
    from authz.tokens.hot import HotAnswers

OVER = 10_000  # besides, so many access tokens that are over, for the purge
PAGE = 50_000  # copies in a transaction
NUMBERS = (
    "WITH RECURSIVE numbers(n) AS (SELECT CAST(:low AS integer) "
    "UNION ALL SELECT n + 1 FROM numbers WHERE n < CAST(:last AS integer)) SELECT n FROM numbers"
)
HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Words:
    """How a database says SHA-256 of a text in hex, and the time so many milliseconds from now."""

    sha256: str
    moment: str

    def digest(self, of: str) -> str:
        return self.sha256.format(of)

    def after(self, milliseconds: str) -> str:
        return self.moment.format(milliseconds)


WORDS = {
    "postgresql": Words("encode(sha256(({})::bytea), 'hex')", "now() + ({}) * interval '1 ms'"),
    "sqlite": Words("sha256({})", "moment({})"),
}


def token(number: int) -> str:
    return f"benchmark-token-{number}"


def digest(number: int) -> str:
    return hashlib.sha256(token(number).encode()).hexdigest()


def engine_of(url: str) -> Engine:
    """With the functions that SQLite lacks; what is lost with the machine may be lost."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def on_connect(connection: DBAPIConnection, _record: object) -> None:
            assert isinstance(connection, sqlite3.Connection)
            for name, count, function in (("sha256", 1, sha256), ("md5", 1, md5), ("moment", 1, moment)):
                connection.create_function(name, count, function)
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute("PRAGMA cache_size=-500000")

    return engine


def sha256(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def md5(value: str) -> str:
    return hashlib.md5(value.encode(), usedforsecurity=False).hexdigest()


def moment(milliseconds: int) -> str:
    """As SQLAlchemy writes a time."""
    at = datetime.now(UTC) + timedelta(milliseconds=milliseconds)
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")


def new(words: Words) -> dict[type[Base], dict[str, str]]:
    """What is new in a copy, with its number as n."""
    later = words.after(f"{HOUR_MS} + n")
    grant = {"id": "md5('grant-' || n)", "launch_id": "md5('launch-' || n)", "created_at": words.after("-n")}
    grant |= {"session_digest": "NULL", "has_ehr_session": "false"}
    access = {"digest": words.digest("'benchmark-token-' || n"), "jti": "md5('jti-' || n)"}
    refresh = {"digest": words.digest("'benchmark-refresh-' || n")}
    of_grant = {"grant_id": "md5('grant-' || n)", "expires_at": later}
    return {GrantRow: grant, AccessTokenRow: access | of_grant, RefreshTokenRow: refresh | of_grant}


def gone(words: Words) -> dict[str, str]:
    name = "'over-' || CAST(:high AS text) || '-' || n"
    return {"digest": words.digest(name), "jti": f"md5({name})", "expires_at": words.after("-172800000 - n")}


def alive(words: Words) -> dict[type[Base], str]:
    return {
        GrantRow: "sub IS NOT NULL AND revoked_at IS NULL",
        AccessTokenRow: f"revoked_at IS NULL AND expires_at > {words.after('0')}",
        RefreshTokenRow: "used_at IS NULL AND revoked_at IS NULL",
    }


def fill(url: str, low: int, high: int) -> None:
    """Live grants with an access and a refresh token each, numbered from ``low`` to below ``high``."""
    engine = engine_of(url)
    words = WORDS[engine.dialect.name]
    for start in range(low, high, PAGE):
        with engine.begin() as connection:
            for table, values in new(words).items():
                copy(connection, table, values, {"low": start, "last": min(start + PAGE, high) - 1})
    with engine.begin() as connection:
        copy(connection, AccessTokenRow, gone(words), {"low": 1, "last": OVER, "high": str(high)})
    if engine.dialect.name == "postgresql":  # which does so by itself, in its time
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()


def copy(connection: Connection, table: type[Base], values: dict[str, str], numbers: dict[str, int | str]) -> None:
    """The first row that the server made, again and again."""
    words = WORDS[connection.dialect.name]
    name, columns = table.__tablename__, [column.name for column in table.__table__.columns]
    selected = ", ".join(values.get(column, column) for column in columns)
    first = f"SELECT * FROM {name} WHERE {alive(words)[table]} LIMIT 1"  # noqa: S608  no words from outside
    source = f"({first}) AS one, ({NUMBERS}) AS numbers"
    connection.execute(text(f"INSERT INTO {name} ({', '.join(columns)}) SELECT {selected} FROM {source}"), numbers)  # noqa: S608  likewise


def forget_copies(url: str) -> None:
    """Hot copies of another epoch are not believed: after a second every answer comes from SQL."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE hot_epoch SET epoch = epoch + 1"))
    engine.dispose()


def fill_copies(hot: HotAnswers, size: int) -> None:
    """A hot copy of each token, as the one that the server left when it was asked about the first."""
    (left,) = hot.backend.get(copy_name(digest(0)))
    content = left and hot.seal.open(digest(0), left)
    assert content is not None
    for start in range(0, size, 1000):
        some = [digest(one) for one in range(start, min(start + 1000, size))]
        hot.backend.put({copy_name(one): hot.seal.close(one, content) for one in some}, HOUR_MS / 1000)
