from __future__ import annotations

from datetime import datetime  # noqa: TC003  SQLAlchemy reads the annotations
from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, LargeBinary, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from authz.storage.database import Base, UtcDateTime


class FhirServerRow(Base):
    """A FHIR server this server protects: the values ``aud`` may have, and who may introspect for it."""

    __tablename__ = "fhir_server"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    base_url: Mapped[str] = mapped_column(String(2048), unique=True)
    upstream_url: Mapped[str] = mapped_column(String(2048), server_default="")  # see FhirServer; empty: base_url
    aliases: Mapped[list[str]] = mapped_column(JSON)  # further spellings of base_url that apps send as aud
    fhir_versions: Mapped[list[str]] = mapped_column(JSON)  # "4.0.1", "4.3.0", "5.0.0"
    ehr_origins: Mapped[list[str]] = mapped_column(JSON)  # serialised origins that may frame an EHR launch's pages
    introspection_client_id: Mapped[str] = mapped_column(String(64), unique=True)
    introspection_secrets: Mapped[list[dict[str, Any]]] = mapped_column(JSON)  # see keyring.secrets.StoredSecret
    scope_ceilings: Mapped[dict[str, str]] = mapped_column(JSON)  # user type -> scopes such a user may delegate
    reauthenticate: Mapped[bool] = mapped_column(Boolean)  # an EHR launch must be confirmed by signing in
    vouched_users: Mapped[bool] = mapped_column(Boolean)  # people first seen through a launch are created
    vouched_representatives: Mapped[bool] = mapped_column(Boolean, server_default=false())  # its EHR's word is enough
    representation_links: Mapped[bool] = mapped_column(Boolean, server_default=false())  # its RelatedPersons count
    redis_launches: Mapped[bool] = mapped_column(Boolean)  # its EHRs may write launches straight into Redis
    staff_picker: Mapped[bool] = mapped_column(Boolean)  # it enforces what its staff may see, so they may search it
    launch_picker: Mapped[bool] = mapped_column(Boolean)  # what an EHR launch does not say may be chosen
    patient_search: Mapped[dict[str, Any]] = mapped_column(JSON)  # see search_settings
    app_state: Mapped[bool] = mapped_column(Boolean, server_default=false())  # apps keep their state with it
    associated_endpoints: Mapped[list[dict[str, Any]]] = mapped_column(JSON, server_default="[]")
    branding: Mapped[dict[str, str]] = mapped_column(JSON, server_default="{}")  # see branding
    developer_url: Mapped[str] = mapped_column(String(2048), server_default="")  # where developers get help
    without: Mapped[list[str]] = mapped_column(JSON, server_default="[]")  # features that are switched off
    constraints: Mapped[list[str]] = mapped_column(JSON, server_default="[]")  # see FhirServer
    is_sandbox: Mapped[bool] = mapped_column(Boolean, server_default=false())  # holds invented people only
    sandbox_patients: Mapped[list[str]] = mapped_column(JSON, server_default="[]")  # ids of invented people
    sensitive_patients: Mapped[list[str]] = mapped_column(JSON, server_default="[]")  # see sensitive
    sensitive_scopes: Mapped[list[str]] = mapped_column(JSON, server_default="[]")
    sandbox_notes: Mapped[str] = mapped_column(Text, server_default="")  # for makers of apps: test accounts, patients
    registration: Mapped[str] = mapped_column(String(16), server_default="closed")  # see features.AppRegistration
    enabled: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class FhirServerLogoRow(Base):
    """The logo on a FHIR server's pages."""

    __tablename__ = "fhir_server_logo"

    fhir_server: Mapped[str] = mapped_column(ForeignKey("fhir_server.name", ondelete="CASCADE"), primary_key=True)
    png: Mapped[bytes] = mapped_column(LargeBinary)


class EhrRow(Base):
    """An EHR's credential: may create launches, end sessions and check handles at its FHIR servers."""

    __tablename__ = "ehr"

    client_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    secrets: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    jwks: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))  # its keys, to sign launches
    enabled: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class EhrFhirServerRow(Base):
    """Which FHIR servers an EHR's credential is good for."""

    __tablename__ = "ehr_fhir_server"

    ehr: Mapped[str] = mapped_column(ForeignKey("ehr.client_id", ondelete="CASCADE"), primary_key=True)
    fhir_server: Mapped[str] = mapped_column(ForeignKey("fhir_server.name", ondelete="CASCADE"), primary_key=True)
    since: Mapped[datetime | None] = mapped_column(UtcDateTime)  # without a break; its launches of before are over


class StyleDocumentRow(Base):
    """A style document under a URL that names its content; never changed (SMART CTX-20)."""

    __tablename__ = "style_document"

    fhir_server: Mapped[str] = mapped_column(ForeignKey("fhir_server.name", ondelete="CASCADE"), primary_key=True)
    version: Mapped[str] = mapped_column(String(32), primary_key=True)  # SHA-256 of the content, its first half in hex
    content: Mapped[str] = mapped_column(Text)  # JSON
    is_current: Mapped[bool] = mapped_column(Boolean)
    published_at: Mapped[datetime] = mapped_column(UtcDateTime)
