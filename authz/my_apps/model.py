from __future__ import annotations

from datetime import datetime  # noqa: TC003  SQLAlchemy reads the annotations

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from authz.storage.database import Base, UtcDateTime


class OfflineReminderRow(Base):
    """When somebody was last told which apps go on while they are away."""

    __tablename__ = "offline_reminder"

    sub: Mapped[str] = mapped_column(String(64), ForeignKey("user_account.sub", ondelete="CASCADE"), primary_key=True)
    shown_at: Mapped[datetime] = mapped_column(UtcDateTime)
