from __future__ import annotations

from datetime import datetime  # noqa: TC003  SQLAlchemy reads the annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from authz.storage.database import Base, UtcDateTime


class SpentLaunchRow(Base):
    """A launch that must never work again: used by an app, or withdrawn by its EHR (decisions 1, 4)."""

    __tablename__ = "spent_launch"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256 of the handle, hex
    launch_id: Mapped[str] = mapped_column(String(64), unique=True)
    state: Mapped[str] = mapped_column(String(16))  # "used" or "withdrawn"
    ehr: Mapped[str | None] = mapped_column(String(80), index=True)  # of a client that spoke for one: "client:bulk"
    fhir_server: Mapped[str] = mapped_column(String(64))
    client_id: Mapped[str] = mapped_column(String(64))
    grant_id: Mapped[str | None] = mapped_column(String(32))
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class EhrSessionRow(Base):
    """What the EHR said of one of its sessions; an ended one never comes back (decision 3)."""

    __tablename__ = "ehr_session"

    fhir_server: Mapped[str] = mapped_column(String(64), primary_key=True)
    session_digest: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256 of the EHR's session id, hex
    touched_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
