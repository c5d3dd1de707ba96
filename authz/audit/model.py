from __future__ import annotations

from datetime import datetime  # noqa: TC003  SQLAlchemy reads the annotations
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, Integer, String, Text, column, text
from sqlalchemy.orm import Mapped, mapped_column

from authz.storage.database import Base, UtcDateTime

Number = BigInteger().with_variant(Integer, "sqlite")  # SQLite's INTEGER has 64 bits


def where_known(name: str, *columns: str) -> Index:
    """An index over the records that have this member: the others cost it nothing."""
    known = column(columns[0]).is_not(None)
    return Index(f"ix_audit_event_{name}", *columns, sqlite_where=known, postgresql_where=known)


REFUSED = column("outcome") == text("'refused'")


class AuditEventRow(Base):
    """What happened; written in the transaction it reports and never changed (decision 5).

    The triggers of migration 0032 refuse an UPDATE, and a DELETE of what no ``AuditCutRow`` covers.
    """

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("ix_audit_event_at_id", "at", "id"),
        Index("ix_audit_event_event_at_id", "event", "at", "id"),
        Index("ix_audit_event_refused", "at", "id", sqlite_where=REFUSED, postgresql_where=REFUSED),
        *(where_known(f"{name}_at_id", name, "at", "id") for name in ("sub", "client_id", "patient")),
        *(where_known(name, name) for name in ("grant_id", "token_id", "launch_id", "support_code", "request_id")),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    event: Mapped[str] = mapped_column(String(64))
    outcome: Mapped[str] = mapped_column(String(16))  # "success" or "refused"
    reason: Mapped[str | None] = mapped_column(String(64))
    sub: Mapped[str | None] = mapped_column(String(255))
    role: Mapped[str | None] = mapped_column(String(32))
    client_id: Mapped[str | None] = mapped_column(String(64))
    fhir_server: Mapped[str | None] = mapped_column(String(64))
    aud: Mapped[str | None] = mapped_column(String(2048))
    patient: Mapped[str | None] = mapped_column(String(64))
    encounter: Mapped[str | None] = mapped_column(String(64))
    scope: Mapped[str | None] = mapped_column(Text)
    grant_id: Mapped[str | None] = mapped_column(String(32))
    token_id: Mapped[str | None] = mapped_column(String(64))
    launch_id: Mapped[str | None] = mapped_column(String(64))
    support_code: Mapped[str | None] = mapped_column(String(32))
    request_id: Mapped[str | None] = mapped_column(String(64))
    peer: Mapped[str | None] = mapped_column(String(64))
    user_agent: Mapped[str | None] = mapped_column(String(256))
    node: Mapped[str] = mapped_column(String(128))
    version: Mapped[str] = mapped_column(String(32))
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)


class AuditSealRow(Base):
    """The chain: number, event and the hash over both and over the link before (decision 5)."""

    __tablename__ = "audit_seal"

    seq: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    event_id: Mapped[str] = mapped_column(String(32), unique=True)
    hash: Mapped[str] = mapped_column(String(64))
    sealed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AuditAnchorRow(Base):
    """A signature over one link of the chain, so that the chain can't be made anew without the signing key."""

    __tablename__ = "audit_anchor"

    seq: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    hash: Mapped[str] = mapped_column(String(64))
    signature: Mapped[str] = mapped_column(Text)  # compact JWS over {"seq", "hash", "iat"}
    anchored_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AuditCutRow(Base):
    """Records that were removed because their time was over: what the chain goes on from instead of them.

    Signed anew by each key that becomes active, as a further row.
    """

    __tablename__ = "audit_cut"
    __table_args__ = (Index("ix_audit_cut_first_seq", "first_seq"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    first_seq: Mapped[int] = mapped_column(Number)
    last_seq: Mapped[int] = mapped_column(Number)
    hash: Mapped[str] = mapped_column(String(64))  # the link of the last record that was removed
    kid: Mapped[str] = mapped_column(String(64))
    signature: Mapped[str] = mapped_column(Text)  # compact JWS over {"first", "last", "hash", "iat"}
    cut_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AuditHoldRow(Base):
    """A legal hold: what it describes is not removed until it is lifted; None asks nothing."""

    __tablename__ = "audit_hold"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    reason: Mapped[str] = mapped_column(String(255))
    patient: Mapped[str | None] = mapped_column(String(64))
    sub: Mapped[str | None] = mapped_column(String(255))
    client_id: Mapped[str | None] = mapped_column(String(64))
    since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    placed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    lifted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AuditExportRow(Base):
    """How far a second system has been told."""

    __tablename__ = "audit_export"

    target: Mapped[str] = mapped_column(String(64), primary_key=True)  # the digest of its address
    seq: Mapped[int] = mapped_column(Number)  # of the last record it has
    told_at: Mapped[datetime] = mapped_column(UtcDateTime)
    claimed_until: Mapped[datetime | None] = mapped_column(UtcDateTime)  # by the process that is telling it
    failing_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
