"""The accounting of disclosures: which app got access to a patient's records, when, through whom and why.

Security.md AU-11; 45 CFR 164.528. Told by the tokens that were issued for this patient. What an app with ``user/`` or
``system/`` scopes, which are nobody's in particular, then read is in the log of the FHIR server, under the token's id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from authz.audit.event import EventName
from authz.audit.model import AuditEventRow
from authz.audit.search import Query, search

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy.orm import Session

WHO = ("at", "fhir_server", "patient", "client_id", "sub", "role")
COLUMNS = (*WHO, "scope", "purpose", "why", "grant_id", "token_id")
DISCLOSING = frozenset({EventName.TOKEN_ISSUED.value, EventName.TOKEN_REFRESHED.value})
BASES = {
    EventName.GLASS_BROKEN.value: "emergency access by staff",
    EventName.CONSENT_GRANTED.value: "the person agreed",
    EventName.CONSENT_SKIPPED.value: "agreed for its staff by the hospital",
}
REMEMBERED = "the person had agreed before"
BY_ITSELF = "a service by its own right"
PAGE = 500


def disclosures(session: Session, query: Query) -> Iterator[dict[str, Any]]:
    """One entry for each token, oldest first; ``query`` names the patient, and may name more."""
    page: list[dict[str, Any]] = []
    for record in search(session, query):
        if record["event"] in DISCLOSING and record["outcome"] == "success":
            page.append(record)
        if len(page) == PAGE:
            yield from explained(session, page)
            page = []
    yield from explained(session, page)


def explained(session: Session, page: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    bases = bases_of(session, {record["grant_id"] for record in page if record["grant_id"]})
    for record in page:
        why, code = bases.get(record["grant_id"], (REMEMBERED if record["sub"] else BY_ITSELF, None))
        purpose = record["detail"].get("purpose_of_use") or code
        yield {name: record.get(name) for name in COLUMNS} | {"purpose": purpose, "why": why}


def bases_of(session: Session, grant_ids: Iterable[str]) -> dict[str, tuple[str, str | None]]:
    """What each grant rests on, with the code of its reason; an emergency says more than a consent."""
    asked = select(AuditEventRow).where(AuditEventRow.grant_id.in_(grant_ids), AuditEventRow.event.in_(BASES))
    order = list(BASES)
    rows = sorted(session.scalars(asked), key=lambda row: order.index(row.event), reverse=True)
    return {row.grant_id or "": (in_words(row), reason_of(row)) for row in rows}


def in_words(row: AuditEventRow) -> str:
    text = row.detail.get("text")
    return f"{BASES[row.event]}: {text}" if text else BASES[row.event]


def reason_of(row: AuditEventRow) -> str | None:
    return row.reason if row.event == EventName.GLASS_BROKEN.value else None
