from __future__ import annotations

from datetime import datetime  # noqa: TC003  SQLAlchemy reads the annotations

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from authz.storage.database import Base, UtcDateTime


class ConsentRow(Base):
    """A person's decision: this app, at this FHIR server, for this patient, these scopes, until then."""

    __tablename__ = "consent"
    __table_args__ = (Index("ix_consent_sub_client", "sub", "client_id"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    sub: Mapped[str] = mapped_column(String(64))
    client_id: Mapped[str] = mapped_column(String(64))
    fhir_server: Mapped[str] = mapped_column(String(64))
    app_identity: Mapped[str] = mapped_column(String(64), server_default="")  # see identity; empty: not known
    patient: Mapped[str | None] = mapped_column(String(64))
    requested_scope: Mapped[str] = mapped_column(Text)  # what was asked, in normal order
    granted_scope: Mapped[str] = mapped_column(Text)
    granted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
