from __future__ import annotations

from datetime import datetime  # noqa: TC003  SQLAlchemy reads the annotations
from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, LargeBinary, String, Text, true
from sqlalchemy.orm import Mapped, mapped_column

from authz.storage.database import Base, UtcDateTime


class ClientRow(Base):
    """A registered app: RFC 7591 metadata, SMART's additions, and what the hospital decided about it."""

    __tablename__ = "client"

    client_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    client_name: Mapped[str] = mapped_column(String(255))
    secrets: Mapped[list[dict[str, Any]]] = mapped_column(JSON)  # see keyring.secrets.StoredSecret
    token_endpoint_auth_method: Mapped[str] = mapped_column(String(32))
    application_type: Mapped[str] = mapped_column(String(16))  # "web" or "native"
    grant_types: Mapped[list[str]] = mapped_column(JSON)
    redirect_uris: Mapped[list[str]] = mapped_column(JSON)
    launch_uris: Mapped[list[str]] = mapped_column(JSON)  # SMART REG-01
    allowed_origins: Mapped[list[str]] = mapped_column(JSON)  # CORS-03; empty = origins of redirect_uris
    smart_web_messaging_origins: Mapped[list[str]] = mapped_column(JSON, server_default="[]")  # empty: see Client
    scope: Mapped[str] = mapped_column(Text)
    jwks: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    jwks_uri: Mapped[str | None] = mapped_column(String(2048))
    about: Mapped[dict[str, Any]] = mapped_column(JSON)  # client_uri, logo_uri, policy_uri, tos_uri, contacts
    logout: Mapped[dict[str, Any]] = mapped_column(JSON, server_default="{}")  # see clients.metadata.LOGOUT
    preferences: Mapped[dict[str, Any]] = mapped_column(JSON, server_default="{}")  # see clients.preferences
    fhir_servers: Mapped[list[str]] = mapped_column(JSON)  # names; empty = every FHIR server
    skip_consent_in_ehr_launch: Mapped[bool] = mapped_column(Boolean)  # vetted provider app
    required_scope: Mapped[str] = mapped_column(Text)  # without it the app does not work; within scope
    app_state_codes: Mapped[list[str]] = mapped_column(JSON, server_default="[]")  # system|code, SMART APS-08
    any_loopback_port: Mapped[bool] = mapped_column(Boolean)  # RFC 8252 §7.3, native apps only
    legacy: Mapped[dict[str, Any]] = mapped_column(JSON, server_default="{}")  # switch -> since, by, reason
    user_types: Mapped[list[str]] = mapped_column(JSON, server_default="[]")  # who may use it; empty = anybody
    approved: Mapped[bool] = mapped_column(Boolean, server_default=true())  # for people, not only test accounts
    approves_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # from then on approved, unless decided before
    checked: Mapped[bool] = mapped_column(Boolean, server_default=true())  # by the automatic checks, as it is now
    logo: Mapped[str] = mapped_column(String(16), server_default="")  # the beginning of its SHA-256; empty: none
    enabled: Mapped[bool] = mapped_column(Boolean)
    enabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # launches that it made before are over
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ClientLogoRow(Base):
    """The logo of an app, as an administrator has uploaded it."""

    __tablename__ = "client_logo"

    client_id: Mapped[str] = mapped_column(ForeignKey("client.client_id", ondelete="CASCADE"), primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    media_type: Mapped[str] = mapped_column(String(32))


class ClientOriginRow(Base):
    """An origin a client's pages come from, so that a preflight is answered by one look (SMART CORS-03)."""

    __tablename__ = "client_origin"

    origin: Mapped[str] = mapped_column(String(2048), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.client_id", ondelete="CASCADE"), primary_key=True)


class SeenAssertionRow(Base):
    """A client assertion that was accepted once; its ``jti`` is single-use per issuer (SMART ASY-10)."""

    __tablename__ = "seen_assertion"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256 over issuer and jti, hex
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)  # after exp and leeway it may be forgotten
