from __future__ import annotations

from datetime import datetime  # noqa: TC003  SQLAlchemy reads the annotations
from typing import Any

from sqlalchemy import JSON, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from authz.storage.database import Base, UtcDateTime


class BrandRow(Base):
    """A brand as an administrator wrote it; people see it once it is published."""

    __tablename__ = "brand"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    content: Mapped[dict[str, Any]] = mapped_column(JSON)  # see brand.BrandSchema
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class BrandBundleRow(Base):
    """The bundle as it was published last; one row, or none."""

    __tablename__ = "brand_bundle"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)  # always 1
    bundle: Mapped[str] = mapped_column(Text)  # JSON, as it is served
    identifiers: Mapped[dict[str, Any]] = mapped_column(JSON)  # base URL of a FHIR server -> Identifier of its brand
    published_at: Mapped[datetime] = mapped_column(UtcDateTime)
