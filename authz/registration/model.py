from __future__ import annotations

from datetime import datetime  # noqa: TC003  SQLAlchemy reads the annotations
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from authz.notices.model import NoticeRow
from authz.storage.database import Base, UtcDateTime


class State(StrEnum):
    """Where an approval stands."""

    SANDBOX = "sandbox"  # usable by test accounts; nothing is asked
    REQUESTED = "requested"  # a person has to decide
    HELD = "held"  # somebody, or an automatic check, has stopped it: a person has to decide
    APPROVED = "approved"
    DECLINED = "declined"


class Source(StrEnum):
    """What opened the door for an app."""

    OPEN = "open"
    INITIAL_ACCESS_TOKEN = "initial_access_token"  # noqa: S105  a name, no token
    SOFTWARE_STATEMENT = "software_statement"


class RegistrationRow(Base):
    """How a client came here and where its approval stands. When it is approved by itself stands with the client."""

    __tablename__ = "registration"

    client_id: Mapped[str] = mapped_column(ForeignKey("client.client_id", ondelete="CASCADE"), primary_key=True)
    lane: Mapped[str] = mapped_column(String(16))  # see lanes.Lane
    state: Mapped[str] = mapped_column(String(16), index=True)
    token_digest: Mapped[str] = mapped_column(String(64))  # SHA-256 of the registration access token, hex
    source: Mapped[str] = mapped_column(String(32))
    source_id: Mapped[str] = mapped_column(String(2048))  # of the initial access token, or the statement's issuer
    fhir_server: Mapped[str | None] = mapped_column(String(64))  # whose registration endpoint it was
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reason: Mapped[str] = mapped_column(Text)  # of the last decision, for the vendor
    proposed: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))  # a change that waits: metadata
    software_statement: Mapped[str | None] = mapped_column(Text)
    software_id: Mapped[str | None] = mapped_column(String(255), index=True)  # belongs to the issuer of the statement
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RegistrationEventRow(Base):
    """One line of the review's history, as both sides read it."""

    __tablename__ = "registration_event"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)  # in the order of writing
    client_id: Mapped[str] = mapped_column(ForeignKey("client.client_id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str] = mapped_column(String(255))  # "vendor", "server", "administrator:<name>"
    what: Mapped[str] = mapped_column(String(32))
    note: Mapped[str] = mapped_column(Text)
    changes: Mapped[dict[str, Any]] = mapped_column(JSON)  # member -> [before, after]


class EarlierDecisionRow(Base):
    """What a person decided about an app with this mark; it outlives the client (see ``earlier``)."""

    __tablename__ = "earlier_decision"

    mark: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256 of an address, a name, a software_id
    client_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    client_name: Mapped[str] = mapped_column(String(255))
    decision: Mapped[str] = mapped_column(String(16))  # "declined", "held", "narrowed"
    actor: Mapped[str] = mapped_column(String(255))
    reason: Mapped[str] = mapped_column(Text)
    decided_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RegistrationNoticeRow(NoticeRow):
    """What the hospital's own systems are to be told; it outlives the client."""

    __tablename__ = "registration_notice"

    said: Mapped[dict[str, Any]] = mapped_column(JSON)


class InitialAccessTokenRow(Base):
    """A token by which a partner registers apps (RFC 7591 §3); of the token itself only the digest is kept."""

    __tablename__ = "initial_access_token"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    label: Mapped[str] = mapped_column(String(255))
    fhir_server: Mapped[str | None] = mapped_column(ForeignKey("fhir_server.name", ondelete="CASCADE"))  # None: any
    lanes: Mapped[list[str]] = mapped_column(JSON)
    approves: Mapped[bool] = mapped_column(Boolean)  # what comes by it needs no review
    quota: Mapped[int] = mapped_column(Integer)
    used: Mapped[int] = mapped_column(Integer)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class StatementIssuerRow(Base):
    """Whose software statements are believed (RFC 7591 §2.3), and how far."""

    __tablename__ = "statement_issuer"

    iss: Mapped[str] = mapped_column(String(2048), primary_key=True)
    jwks: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    jwks_uri: Mapped[str | None] = mapped_column(String(2048))
    lanes: Mapped[list[str]] = mapped_column(JSON)
    approves: Mapped[bool] = mapped_column(Boolean)  # what it states needs no review
    scope: Mapped[str] = mapped_column(Text)  # the most its apps may ask for; empty: what their lane allows
    enabled: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ReportRow(Base):
    """What the automatic checks found, and when they are to be made."""

    __tablename__ = "registration_report"

    client_id: Mapped[str] = mapped_column(ForeignKey("client.client_id", ondelete="CASCADE"), primary_key=True)
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)  # None: nothing is waiting
    made_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    findings: Mapped[list[dict[str, str]]] = mapped_column(JSON)  # the gravest first
