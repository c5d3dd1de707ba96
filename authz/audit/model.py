from __future__ import annotations

from datetime import datetime  # noqa: TC003  SQLAlchemy reads the annotations
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from authz.storage.database import Base, UtcDateTime


class AuditEventRow(Base):
    """What happened; written in the transaction it reports and never changed (decision 5)."""

    __tablename__ = "audit_event"
    __table_args__ = (Index("ix_audit_event_at_event", "at", "event"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    event: Mapped[str] = mapped_column(String(64))
    outcome: Mapped[str] = mapped_column(String(16))  # "success" or "refused"
    reason: Mapped[str | None] = mapped_column(String(64))
    sub: Mapped[str | None] = mapped_column(String(255), index=True)
    client_id: Mapped[str | None] = mapped_column(String(64), index=True)
    fhir_server: Mapped[str | None] = mapped_column(String(64))
    patient: Mapped[str | None] = mapped_column(String(64), index=True)
    encounter: Mapped[str | None] = mapped_column(String(64))
    scope: Mapped[str | None] = mapped_column(Text)
    grant_id: Mapped[str | None] = mapped_column(String(32), index=True)
    token_id: Mapped[str | None] = mapped_column(String(64), index=True)
    launch_id: Mapped[str | None] = mapped_column(String(64), index=True)
    support_code: Mapped[str | None] = mapped_column(String(32), index=True)
    request_id: Mapped[str | None] = mapped_column(String(64))
    peer: Mapped[str | None] = mapped_column(String(64))
    user_agent: Mapped[str | None] = mapped_column(String(256))
    node: Mapped[str] = mapped_column(String(128))
    version: Mapped[str] = mapped_column(String(32))
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)


class AuditSealRow(Base):
    """The chain: number, event and the hash over both and over the link before (decision 5)."""

    __tablename__ = "audit_seal"

    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    event_id: Mapped[str] = mapped_column(ForeignKey("audit_event.id"), unique=True)
    hash: Mapped[str] = mapped_column(String(64))
    sealed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AuditAnchorRow(Base):
    """A signature over one link of the chain, so that the chain can't be made anew without the signing key."""

    __tablename__ = "audit_anchor"

    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    hash: Mapped[str] = mapped_column(String(64))
    signature: Mapped[str] = mapped_column(Text)  # compact JWS over {"seq", "hash", "iat"}
    anchored_at: Mapped[datetime] = mapped_column(UtcDateTime)
