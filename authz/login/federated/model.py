from __future__ import annotations

from datetime import datetime  # noqa: TC003  SQLAlchemy reads the annotations

from sqlalchemy import JSON, Boolean, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from authz.storage.database import Base, UtcDateTime


class SignInProviderRow(Base):
    """An OpenID Connect provider at which the hospital's people sign in."""

    __tablename__ = "sign_in_provider"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)  # in the address it sends people back to
    label: Mapped[str] = mapped_column(String(255))  # as people read it
    issuer: Mapped[str] = mapped_column(String(2048))
    client_id: Mapped[str] = mapped_column(String(255))  # ours, there
    auth_method: Mapped[str] = mapped_column(String(32))
    closed_secret: Mapped[bytes | None] = mapped_column(LargeBinary)  # encrypted (decision 6)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    fhir_servers: Mapped[list[str]] = mapped_column(JSON)  # names; empty: all
    fhir_user_claim: Mapped[str] = mapped_column(String(255))  # empty: it says nothing about that
    name_claim: Mapped[str] = mapped_column(String(255))
    acr_values: Mapped[list[str]] = mapped_column(JSON)  # one of which a sign-in must reach; empty: any
    enabled: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class UpstreamSessionRow(Base):
    """Which session at a provider a session here began with, so that both can end together."""

    __tablename__ = "upstream_session"
    __table_args__ = (Index("ix_upstream_session_subject", "issuer_digest", "subject"),)

    session_digest: Mapped[str] = mapped_column(
        ForeignKey("browser_session.session_digest", ondelete="CASCADE"), primary_key=True
    )
    provider: Mapped[str] = mapped_column(String(64))
    issuer_digest: Mapped[str] = mapped_column(String(64))  # SHA-256 of the issuer, hex: an index has its limits
    subject: Mapped[str] = mapped_column(String(255))
    sid: Mapped[str | None] = mapped_column(String(255))
    closed_id_token: Mapped[bytes | None] = mapped_column(
        LargeBinary
    )  # encrypted; to sign out there, and only for that


class UpstreamEndRow(Base):
    """A session at a provider that ended, by its word: who was on the way here from it then begins none here."""

    __tablename__ = "upstream_end"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)  # of the logout token, as below
    issuer_digest: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str | None] = mapped_column(String(255))  # one of both, or both together
    sid: Mapped[str | None] = mapped_column(String(255))
    told_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)  # by our clock


class SeenLogoutTokenRow(Base):
    """A logout token of a provider that came before (OpenID Connect Back-Channel Logout §2.6)."""

    __tablename__ = "seen_logout_token"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256 over issuer and jti, hex
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
