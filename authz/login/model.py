from __future__ import annotations

from datetime import datetime  # noqa: TC003  SQLAlchemy reads the annotations

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from authz.storage.database import Base, UtcDateTime


class BrowserSessionRow(Base):
    """A session at this server; one that has ended never comes back, whatever the store remembers (decision 3)."""

    __tablename__ = "browser_session"

    session_digest: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256 of its sid, hex
    sub: Mapped[str] = mapped_column(ForeignKey("user_account.sub", ondelete="CASCADE"), index=True)
    began_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime] = mapped_column(UtcDateTime)  # by an app that was given access
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
