from __future__ import annotations

from datetime import datetime  # noqa: TC003  SQLAlchemy reads the annotations
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, LargeBinary, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from authz.notices.model import NoticeRow
from authz.storage.database import Base, UtcDateTime


class GrantRow(Base):
    """What one authorization allows; everything issued from it dies with it."""

    __tablename__ = "grant_record"
    __table_args__ = (Index("ix_grant_record_session", "fhir_server", "session_digest"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    client_id: Mapped[str] = mapped_column(String(64), index=True)
    sub: Mapped[str | None] = mapped_column(String(64), index=True)
    fhir_server: Mapped[str] = mapped_column(String(64))
    scope: Mapped[str] = mapped_column(Text)  # single spaces, spelled as granted
    context: Mapped[dict[str, Any]] = mapped_column(JSON)  # launch context as in the token response
    fhir_user: Mapped[str | None] = mapped_column(String(2048))  # absolute URL
    auth_time: Mapped[datetime | None] = mapped_column(UtcDateTime)
    amr: Mapped[list[str]] = mapped_column(JSON)
    acr: Mapped[str | None] = mapped_column(String(255))
    nonce: Mapped[str | None] = mapped_column(String(512))
    sid: Mapped[str | None] = mapped_column(String(64))  # id_token's sid
    session_digest: Mapped[str | None] = mapped_column(String(64))  # EHR session or browser session it came from
    has_ehr_session: Mapped[bool]  # the EHR named its session, so it can end it (decision 10)
    is_vouched: Mapped[bool] = mapped_column(server_default=false())  # by the EHR's word alone a representative
    launch_id: Mapped[str | None] = mapped_column(String(64), index=True)
    consent_id: Mapped[str | None] = mapped_column(String(32), index=True)
    verdicts: Mapped[list[dict[str, Any]]] = mapped_column(JSON)  # one for each requested scope
    legacy: Mapped[list[str]] = mapped_column(JSON, server_default="[]")  # what was forgiven to an older app
    purpose_of_use: Mapped[str | None] = mapped_column(String(32))  # the reason for which the glass was broken
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_reason: Mapped[str | None] = mapped_column(String(64))


class CodeRow(Base):
    __tablename__ = "authorization_code"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    grant_id: Mapped[str] = mapped_column(ForeignKey("grant_record.id", ondelete="CASCADE"), index=True)
    client_id: Mapped[str] = mapped_column(String(64))
    redirect_uri: Mapped[str] = mapped_column(String(2048))
    code_challenge: Mapped[str | None] = mapped_column(String(43))  # None: an older app that is allowed to
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    failures: Mapped[int] = mapped_column(Integer)  # wrong verifiers
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AccessTokenRow(Base):
    __tablename__ = "access_token"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    jti: Mapped[str] = mapped_column(String(32), unique=True)
    grant_id: Mapped[str] = mapped_column(ForeignKey("grant_record.id", ondelete="CASCADE"), index=True)
    scope: Mapped[str] = mapped_column(Text)
    answer: Mapped[str] = mapped_column(Text)  # the ready introspection answer, JSON
    issued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RefreshTokenRow(Base):
    """One generation of a grant's refresh token; a used one stays, so that its reuse is seen."""

    __tablename__ = "refresh_token"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    grant_id: Mapped[str] = mapped_column(ForeignKey("grant_record.id", ondelete="CASCADE"), index=True)
    client_id: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(8))  # "online" or "offline"
    issued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    grace_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    successor_digest: Mapped[str | None] = mapped_column(String(64))  # the refresh token it was exchanged for
    successor_access_digest: Mapped[str | None] = mapped_column(String(64))  # and the access token beside it


class MessagingHandleRow(Base):
    """The handle of a grant for SMART Web Messaging: one for each grant, made ready with the code, told with the token.

    Nobody can read here what it is, nor which session of the EHR it belongs to: digests, and copies closed by a key.
    """

    __tablename__ = "messaging_handle"

    grant_id: Mapped[str] = mapped_column(ForeignKey("grant_record.id", ondelete="CASCADE"), primary_key=True)
    digest: Mapped[str | None] = mapped_column(String(64), unique=True)  # None: not told to the app yet
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)  # the handle, to be repeated at a refresh
    scope: Mapped[str] = mapped_column(Text)  # of the grant, as far as the policy still allows it
    origin: Mapped[str] = mapped_column(String(2048))  # of the EHR's window
    app_origins: Mapped[list[str]] = mapped_column(JSON)  # of the app's pages, when it was granted
    sealed_session: Mapped[bytes | None] = mapped_column(LargeBinary)  # the EHR's id of its session
    window_digest: Mapped[str | None] = mapped_column(String(64))  # the window that used it first, if the EHR says one
    issued_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LogoutNoticeRow(NoticeRow):
    """What an app is to be told of a session that ended (OpenID Connect Back-Channel Logout §2.5); once for each.

    ``id`` is SHA-256 over client and session, hex.
    """

    __tablename__ = "logout_notice"
    __table_args__ = (Index("ix_logout_notice_created_at", "created_at"),)

    client_id: Mapped[str] = mapped_column(ForeignKey("client.client_id", ondelete="CASCADE"), index=True)
    sub: Mapped[str] = mapped_column(String(64))
    sid: Mapped[str] = mapped_column(String(64))


class HotEpochRow(Base):
    """One row: hot copies of another epoch are not believed (decision 2)."""

    __tablename__ = "hot_epoch"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)  # always 1
    epoch: Mapped[int] = mapped_column(Integer)
    last_revocation: Mapped[int] = mapped_column(BigInteger, server_default="0")  # microseconds, always growing
