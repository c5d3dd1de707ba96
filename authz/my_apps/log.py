"""What the audit trail says of an app and a person, in that person's words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from authz.audit.event import EventName
from authz.audit.model import AuditEventRow
from authz.wording import gettext, mark

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.my_apps.access import Place

PAGE = 20
WORDS: dict[str, str] = {
    EventName.CONSENT_GRANTED: mark("You allowed it."),
    EventName.CONSENT_SKIPPED: mark("The hospital allowed it for its staff."),
    EventName.CONSENT_DENIED: mark("You did not allow it."),
    EventName.CONSENT_WITHDRAWN: mark("You took it back."),
    EventName.GLASS_BROKEN: mark("You opened protected records, and said why."),
    EventName.TOKEN_ISSUED: mark("The app was opened and got access."),
    EventName.TOKEN_REFRESHED: mark("The app renewed its access by itself."),
    EventName.CODE_REPLAYED: mark("Somebody tried to use the app's ticket a second time."),
    EventName.REFRESH_REPLAYED: mark("A key that was used up came again; the app may have been robbed of it."),
    EventName.FHIR_REFUSED: mark("The app asked for something it may not have, and did not get it."),
}
ENDED = {
    "user": mark("Its access ended, because you took it back."),
    "app": mark("The app gave its access back."),
    "signed_out": mark("Its access ended, because you signed out."),
    "ehr_session_ended": mark("Its access ended with your session."),
}
ENDED_OTHERWISE = mark("Its access was ended.")


@dataclass(frozen=True, slots=True)
class Entry:
    at: datetime
    words: str


def entries(session: Session, sub: str, place: Place, page: int) -> list[Entry]:
    """One page, the last first, and one entry more if there are further pages; this person's own records only."""
    nobody = AuditEventRow.patient.is_(None)
    whose = nobody if place.patient is None else or_(nobody, AuditEventRow.patient == place.patient)
    mine = (
        select(AuditEventRow)
        .where(AuditEventRow.sub == sub, AuditEventRow.client_id == place.client_id)
        .where(AuditEventRow.fhir_server == place.fhir_server, whose)
        .where(AuditEventRow.event.in_([*WORDS, EventName.GRANT_REVOKED.value]))
        .order_by(AuditEventRow.at.desc(), AuditEventRow.id.desc())
    )
    rows = session.scalars(mine.offset(page * PAGE).limit(PAGE + 1))
    return [Entry(row.at, in_words(row)) for row in rows]


def in_words(row: AuditEventRow) -> str:
    if row.event == EventName.GRANT_REVOKED:
        return gettext(ENDED.get(row.reason or "", ENDED_OTHERWISE))
    return gettext(WORDS[row.event])
