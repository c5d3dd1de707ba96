from __future__ import annotations

from datetime import datetime  # noqa: TC003  SQLAlchemy reads the annotations

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from authz.storage.database import Base, UtcDateTime


class SecondFactorRow(Base):
    """The authenticator app of a person (RFC 6238)."""

    __tablename__ = "second_factor"

    sub: Mapped[str] = mapped_column(ForeignKey("user_account.sub", ondelete="CASCADE"), primary_key=True)
    secret: Mapped[bytes] = mapped_column(LargeBinary)  # closed: keyring/box.py
    last_step: Mapped[int] = mapped_column(BigInteger)  # of the last good code: it and all before it are spent
    enrolled_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RecoveryCodeRow(Base):
    """A code for whoever has lost the authenticator app; good once."""

    __tablename__ = "recovery_code"

    code_digest: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256 of sub and code, hex
    sub: Mapped[str] = mapped_column(ForeignKey("user_account.sub", ondelete="CASCADE"), index=True)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
