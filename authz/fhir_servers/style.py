"""The style document of a FHIR server's EHR: colours, sizes and fonts that apps may follow (SMART CTX-20)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from authz.errors import InvalidValue, NotFound
from authz.fhir_servers.model import FhirServerRow, StyleDocumentRow
from authz.fhir_servers.server import NAME
from authz.storage.database import changed, insert_once

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.storage.database import Database

VERSION = re.compile(r"[0-9a-f]{32}")
COLOR = (re.compile(r"#(?:[0-9A-Fa-f]{3,4}|[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})"), "must be a colour such as #0a5f7c")
DIMENSION = (re.compile(r"0|[0-9]{1,4}(?:\.[0-9]{1,3})?(?:px|em|rem|pt|%)"), "must be a size such as 16px or 1.2rem")
FONT = (re.compile(r"[A-Za-z0-9 ,'\"_-]{1,200}"), "must be names of fonts, separated by commas")
MEMBERS = {
    "color_background": COLOR,
    "color_error": COLOR,
    "color_highlight": COLOR,
    "color_modal_backdrop": COLOR,
    "color_success": COLOR,
    "color_text": COLOR,
    "dim_border_radius": DIMENSION,
    "dim_font_size": DIMENSION,
    "dim_spacing_size": DIMENSION,
    "font_family_body": FONT,
    "font_family_heading": FONT,
}


@dataclass(frozen=True, slots=True)
class Style:
    version: str  # of the content: other content has another URL
    url: str
    content: str  # JSON
    is_current: bool  # what launches get that say none themselves


@dataclass(frozen=True, slots=True)
class Styles:
    """Publishes style documents; one that was ever published stays under its URL, for the apps that have it."""

    db: Database
    url: Callable[[str], str]  # of a path of this server
    now: Callable[[], datetime]

    def publish(self, session: Session, fhir_server: str, members: object) -> Style:
        """Make this the style of a FHIR server's launches. Raises InvalidValue for all that is wrong, and NotFound."""
        if problems := style_problems(members):
            raise InvalidValue("; ".join(problems))
        if session.get(FhirServerRow, fhir_server) is None:
            raise NotFound(f"{fhir_server}: there is no FHIR server of this name")
        content = json.dumps(members, sort_keys=True, separators=(",", ":"))
        version = sha256(content.encode()).hexdigest()[:32]
        self.withdraw(session, fhir_server)
        values = {"content": content, "is_current": True, "published_at": self.now()}
        if not insert_once(session, StyleDocumentRow, fhir_server=fhir_server, version=version, **values):
            this = (StyleDocumentRow.fhir_server == fhir_server) & (StyleDocumentRow.version == version)
            session.execute(update(StyleDocumentRow).where(this).values(is_current=True))
        return Style(version, self.url_of(fhir_server, version), content, is_current=True)

    def withdraw(self, session: Session, fhir_server: str) -> bool:
        """Give launches no style any more; the documents stay. False if there was none."""
        current = (StyleDocumentRow.fhir_server == fhir_server) & StyleDocumentRow.is_current
        return changed(session, update(StyleDocumentRow).where(current).values(is_current=False)) > 0

    def current(self, fhir_server: str) -> Style | None:
        mine = (StyleDocumentRow.fhir_server == fhir_server) & StyleDocumentRow.is_current
        with self.db.read() as session:
            row = session.scalar(select(StyleDocumentRow).where(mine))
        return None if row is None else self.style(row)

    def find(self, fhir_server: str, version: str) -> Style | None:
        """A version that was ever published."""
        if not NAME.fullmatch(fhir_server) or not VERSION.fullmatch(version):
            return None
        with self.db.read() as session:
            row = session.get(StyleDocumentRow, (fhir_server, version))
        return None if row is None else self.style(row)

    def style(self, row: StyleDocumentRow) -> Style:
        return Style(row.version, self.url_of(row.fhir_server, row.version), row.content, row.is_current)

    def url_of(self, fhir_server: str, version: str) -> str:
        return self.url(f"/fhir-servers/{fhir_server}/styles/{version}.json")


def style_problems(members: object) -> list[str]:
    """Every reason why an app should not be given this; its values end in the app's style sheet."""
    if not isinstance(members, dict) or not members:
        return ["a style document is a JSON object with at least one member"]
    return [problem for name, value in members.items() if (problem := member_problem(name, value))]


def member_problem(name: str, value: Any) -> str | None:
    if name not in MEMBERS:
        return f"{name}: not one of {', '.join(MEMBERS)}"
    pattern, rule = MEMBERS[name]
    return None if isinstance(value, str) and pattern.fullmatch(value) else f"{name}: {rule}"
