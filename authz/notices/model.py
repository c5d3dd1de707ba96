from __future__ import annotations

from datetime import datetime  # noqa: TC003  SQLAlchemy reads the annotations

from sqlalchemy import Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from authz.storage.database import Base, UtcDateTime


class NoticeRow(Base):
    """What somebody is to be told, and how far that has come; each kind of notice is a table of its own."""

    __abstract__ = True

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    state: Mapped[str] = mapped_column(String(16))  # see notices.courier.State
    attempts: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    next_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)  # not to be sent before
    client_id: Mapped[str] = mapped_column(String(64))  # whom it is to, or about
