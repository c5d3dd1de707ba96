from __future__ import annotations

from datetime import datetime  # noqa: TC003  SQLAlchemy reads the annotations
from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from authz.storage.database import Base, UtcDateTime


class UserRow(Base):
    """A person; ``sub`` is random and never given to anybody else (decision 19)."""

    __tablename__ = "user_account"

    sub: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str | None] = mapped_column(String(255), unique=True)  # login name, casefolded NFKC
    display_name: Mapped[str] = mapped_column(String(255))
    password_hash: Mapped[str | None] = mapped_column(String(255))
    enabled: Mapped[bool] = mapped_column(Boolean)
    is_sandbox: Mapped[bool] = mapped_column(Boolean, server_default=false())  # a test account: nobody real
    sessions_valid_from: Mapped[datetime] = mapped_column(UtcDateTime)  # sign-ins before this count no more
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    role: Mapped[str | None] = mapped_column(String(32))  # at this server itself: "administrator"


class BrowserSessionRow(Base):
    """A session at this server; one that has ended never comes back, whatever the store remembers (decision 3)."""

    __tablename__ = "browser_session"

    session_digest: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256 of its sid, hex
    sub: Mapped[str] = mapped_column(ForeignKey("user_account.sub", ondelete="CASCADE"), index=True)
    began_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)  # by an app that got access, or to sign in anew
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    user_agent: Mapped[str | None] = mapped_column(String(256))  # as the browser calls itself


class FhirIdentityRow(Base):
    """Which FHIR resource a person is at a FHIR server (decisions 15, 19)."""

    __tablename__ = "fhir_identity"
    __table_args__ = (UniqueConstraint("fhir_server", "sub"),)

    fhir_server: Mapped[str] = mapped_column(ForeignKey("fhir_server.name", ondelete="CASCADE"), primary_key=True)
    reference: Mapped[str] = mapped_column(String(128), primary_key=True)  # "Practitioner/prac-1"
    sub: Mapped[str] = mapped_column(ForeignKey("user_account.sub", ondelete="CASCADE"), index=True)


class RepresentationRow(Base):
    """A patient somebody may act for."""

    __tablename__ = "representation"

    sub: Mapped[str] = mapped_column(ForeignKey("user_account.sub", ondelete="CASCADE"), primary_key=True)
    fhir_server: Mapped[str] = mapped_column(ForeignKey("fhir_server.name", ondelete="CASCADE"), primary_key=True)
    patient: Mapped[str] = mapped_column(String(64), primary_key=True)  # logical id
    relationship: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RepresentationLinksRow(Base):
    """For whom a RelatedPerson or Person acts, as its FHIR server last said; counts while that is not long ago."""

    __tablename__ = "representation_links"

    fhir_server: Mapped[str] = mapped_column(ForeignKey("fhir_server.name", ondelete="CASCADE"), primary_key=True)
    reference: Mapped[str] = mapped_column(String(128), primary_key=True)  # "RelatedPerson/rel-1"
    links: Mapped[list[dict[str, Any]]] = mapped_column(JSON)  # patient, relationship, expires_at
    confirmed_at: Mapped[datetime] = mapped_column(UtcDateTime)  # when it was asked


class RecentPatientRow(Base):
    """A patient whose records somebody has opened in an app before: offered to them first when they choose again."""

    __tablename__ = "recent_patient"

    sub: Mapped[str] = mapped_column(ForeignKey("user_account.sub", ondelete="CASCADE"), primary_key=True)
    fhir_server: Mapped[str] = mapped_column(ForeignKey("fhir_server.name", ondelete="CASCADE"), primary_key=True)
    patient: Mapped[str] = mapped_column(String(64), primary_key=True)  # logical id
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class UpstreamIdentityRow(Base):
    """Who a person is at a sign-in provider; nobody is ever found by anything else (OpenID Connect Core §5.7)."""

    __tablename__ = "upstream_identity"
    __table_args__ = (UniqueConstraint("issuer_digest", "sub"),)

    issuer_digest: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256 of the issuer, hex
    subject: Mapped[str] = mapped_column(String(255), primary_key=True)
    issuer: Mapped[str] = mapped_column(String(2048))
    provider: Mapped[str] = mapped_column(String(64))  # name, at the last sign-in
    sub: Mapped[str] = mapped_column(ForeignKey("user_account.sub", ondelete="CASCADE"), index=True)
    claims: Mapped[dict[str, str]] = mapped_column(JSON)  # by which their FHIR resource is looked for
    told_by: Mapped[str | None] = mapped_column(String(64))  # the FHIR server by whose word alone it is them
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SignInRuleRow(Base):
    """How people sign in for a FHIR server, and how it is found out which resource they are there."""

    __tablename__ = "sign_in_rule"

    fhir_server: Mapped[str] = mapped_column(ForeignKey("fhir_server.name", ondelete="CASCADE"), primary_key=True)
    local_accounts: Mapped[bool] = mapped_column(Boolean)
    map_claim: Mapped[str] = mapped_column(String(255))
    searches: Mapped[list[str]] = mapped_column(JSON)
    person_links: Mapped[bool] = mapped_column(Boolean)


class FhirUserMapRow(Base):
    """Which resource somebody is, by the value of a claim of a provider."""

    __tablename__ = "fhir_user_map"

    fhir_server: Mapped[str] = mapped_column(ForeignKey("fhir_server.name", ondelete="CASCADE"), primary_key=True)
    provider: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(String(255), primary_key=True)
    reference: Mapped[str] = mapped_column(String(128))
