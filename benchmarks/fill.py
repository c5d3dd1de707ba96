"""Many tokens at once: copies of one that a server issued, made inside PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import create_engine, text

from authz.tokens.model import AccessTokenRow, GrantRow, RefreshTokenRow

if TYPE_CHECKING:
    from authz.storage.database import Base

OVER = 10_000  # besides, so many access tokens that are over, for the purge

# What is new in a copy, with its number as n.
GRANT = {"id": "md5('grant-' || n)", "launch_id": "md5('launch-' || n)", "created_at": "now() - n * interval '1 ms'"}
GRANT |= {"session_digest": "NULL", "has_ehr_session": "false"}
ACCESS = {
    "digest": "encode(sha256(('benchmark-token-' || n)::bytea), 'hex')",
    "jti": "md5('jti-' || n)",
    "grant_id": "md5('grant-' || n)",
    "expires_at": "now() + interval '1 hour' + n * interval '1 ms'",
}
REFRESH = {
    "digest": "encode(sha256(('benchmark-refresh-' || n)::bytea), 'hex')",
    "grant_id": "md5('grant-' || n)",
    "expires_at": "now() + interval '1 hour' + n * interval '1 ms'",
}
GONE = {
    "digest": "encode(sha256(('over-' || CAST(:high AS text) || '-' || n)::bytea), 'hex')",
    "jti": "md5('over-' || CAST(:high AS text) || '-' || n)",
    "expires_at": "now() - interval '2 days' - n * interval '1 ms'",
}
ALIVE: dict[type[Base], str] = {
    GrantRow: "sub IS NOT NULL AND revoked_at IS NULL",
    AccessTokenRow: "revoked_at IS NULL AND expires_at > now()",
    RefreshTokenRow: "used_at IS NULL AND revoked_at IS NULL",
}


def token(number: int) -> str:
    return f"benchmark-token-{number}"


def fill(url: str, low: int, high: int) -> None:
    """Live grants with an access and a refresh token each, numbered from ``low`` to below ``high``."""
    engine = create_engine(url)
    with engine.begin() as connection:
        numbers = {"low": low, "last": high - 1, "high": str(high)}
        for table, new in ((GrantRow, GRANT), (AccessTokenRow, ACCESS), (RefreshTokenRow, REFRESH)):
            connection.execute(text(copies(table, new, "CAST(:low AS integer), CAST(:last AS integer)")), numbers)
        connection.execute(text(copies(AccessTokenRow, GONE, f"1, {OVER}")), numbers)
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()


def copies(table: type[Base], new: dict[str, str], numbers: str) -> str:
    """The first row that the server made, again and again."""
    name, columns = table.__tablename__, [column.name for column in table.__table__.columns]
    values = [new.get(column, column) for column in columns]
    first = f"SELECT * FROM {name} WHERE {ALIVE[table]} LIMIT 1"  # noqa: S608  no words from outside
    source = f"({first}) AS one, generate_series({numbers}) AS n"
    return f"INSERT INTO {name} ({', '.join(columns)}) SELECT {', '.join(values)} FROM {source}"  # noqa: S608  likewise
