"""One opening of an app from beginning to end, put together from the audit trail and the grants it led to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select

from authz.audit.event import EventName
from authz.audit.model import AuditEventRow
from authz.audit.support_code import read_support_code
from authz.errors import NotFound
from authz.launch.model import SpentLaunchRow
from authz.tokens.model import AccessTokenRow, GrantRow, RefreshTokenRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.orm import Session

MOST = 2_000  # records; an app that refreshes for a year has more, the first ones are shown
NEAR = timedelta(seconds=60)  # records of one request
WORDS = {
    EventName.LAUNCH_CREATED: "the launch was made",
    EventName.LAUNCH_USED: "the launch was used",
    EventName.LAUNCH_REFUSED: "the launch was refused",
    EventName.LAUNCH_WITHDRAWN: "the EHR took the launch back",
    EventName.PAGE_SHOWN: "a page was shown",
    EventName.LOGIN: "somebody signed in",
    EventName.LOGIN_FAILED: "a sign-in failed",
    EventName.USER_UNIDENTIFIED: "nobody in the records is who signed in",
    EventName.RATE_LIMITED: "too many tries to sign in",
    EventName.RECORDS_SEARCHED: "patients or visits were searched",
    EventName.PATIENT_CHOSEN: "a patient was chosen",
    EventName.ENCOUNTER_CHOSEN: "a visit was chosen",
    EventName.CONSENT_GRANTED: "the person agreed",
    EventName.CONSENT_SKIPPED: "the hospital agreed for its staff",
    EventName.CONSENT_DENIED: "the person did not agree",
    EventName.CONSENT_WITHDRAWN: "the consent was withdrawn",
    EventName.LEGACY_USED: "an older app was forgiven something",
    EventName.GLASS_BROKEN: "the user said why protected records are needed",
    EventName.CODE_ISSUED: "the app got its code",
    EventName.CODE_REPLAYED: "the code came a second time",
    EventName.AUTHORIZE_REFUSED: "the request was refused",
    EventName.TOKEN_ISSUED: "the code was redeemed, a token issued",
    EventName.HANDLE_ISSUED: "the app may send messages to the EHR",
    EventName.TOKEN_REFRESHED: "the token was refreshed",
    EventName.TOKEN_REFUSED: "a token request was refused",
    EventName.FHIR_REFUSED: "a request to the FHIR server was refused",
    EventName.TOKEN_REVOKED: "an access token was revoked",
    EventName.REFRESH_REPLAYED: "a used refresh token came again",
    EventName.GRANT_REVOKED: "everything was revoked",
    EventName.HANDLE_REVOKED: "the messages to the EHR were ended",
    EventName.LOGOUT_NOTICE: "the app was told of the sign-out",
}
PLAIN_DETAIL = ("ehr", "written_by", "amr", "auth_time", "description", "cause", "problem", "grant_type", "provider")


@dataclass(frozen=True, slots=True)
class Story:
    """The records of one opening, oldest first, and what it led to."""

    launch_ids: tuple[str, ...]
    records: Sequence[AuditEventRow]
    grants: Sequence[GrantRow]
    access_tokens: Sequence[AccessTokenRow]
    refresh_tokens: Sequence[RefreshTokenRow]
    launch_state: str | None  # "used" or "withdrawn"; None: waiting, expired, or no launch of an EHR


def tell(session: Session, asked: str) -> Story:
    """By a launch id, a grant id or a support code. Raises NotFound."""
    records = anchors(session, asked)
    launches = {row.launch_id for row in records if row.launch_id}
    grants = grants_of(records)
    for _ in range(2):  # from launch to grant and back
        grants |= set(session.scalars(select(GrantRow.id).where(GrantRow.launch_id.in_(launches))))
        tokens = select(AccessTokenRow.jti).where(AccessTokenRow.grant_id.in_(grants))
        linked = or_(
            AuditEventRow.launch_id.in_(launches),
            AuditEventRow.grant_id.in_(grants),
            AuditEventRow.token_id.in_(tokens),  # of requests that the proxy before a FHIR server asked about
        )
        ordered = select(AuditEventRow).where(linked).order_by(AuditEventRow.at, AuditEventRow.id).limit(MOST)
        found = session.scalars(ordered).all()
        launches |= {row.launch_id for row in found if row.launch_id}
        grants |= grants_of(found)
    everything = {row.id: row for row in (*found, *records)}
    spent = select(SpentLaunchRow.state).where(SpentLaunchRow.launch_id.in_(launches))
    return Story(
        launch_ids=tuple(sorted(launches)),
        records=sorted(everything.values(), key=lambda row: (row.at, ORDER.get(row.event, 0), row.id)),
        grants=session.scalars(select(GrantRow).where(GrantRow.id.in_(grants)).order_by(GrantRow.created_at)).all(),
        access_tokens=session.scalars(
            select(AccessTokenRow).where(AccessTokenRow.grant_id.in_(grants)).order_by(AccessTokenRow.issued_at)
        ).all(),
        refresh_tokens=session.scalars(
            select(RefreshTokenRow).where(RefreshTokenRow.grant_id.in_(grants)).order_by(RefreshTokenRow.issued_at)
        ).all(),
        launch_state=session.scalars(spent).first(),
    )


def grants_of(records: Iterable[AuditEventRow]) -> set[str]:
    """What the app was granted; a search for a page has a grant of its own, which is over with it."""
    return {row.grant_id for row in records if row.grant_id and row.event != EventName.RECORDS_SEARCHED}


ORDER = {name.value: number for number, name in enumerate(WORDS)}  # of what was written in one transaction


def anchors(session: Session, asked: str) -> Sequence[AuditEventRow]:
    """The records that the word names itself: by launch id, by grant id, or by support code with its whole request."""
    named = or_(AuditEventRow.launch_id == asked, AuditEventRow.grant_id == asked)
    found = session.scalars(select(AuditEventRow).where(named).limit(MOST)).all()
    code = read_support_code(asked)
    if not found and code is not None:
        found = session.scalars(select(AuditEventRow).where(AuditEventRow.support_code == code)).all()
        found = [*found, *(row for one in found for row in same_request(session, one) if row.id != one.id)]
    if not found:
        raise NotFound("nothing is known under this launch id, grant id or support code")
    return found


def same_request(session: Session, row: AuditEventRow) -> Sequence[AuditEventRow]:
    if row.request_id is None:
        return ()
    near = AuditEventRow.at.between(row.at - NEAR, row.at + NEAR)
    return session.scalars(select(AuditEventRow).where(near, AuditEventRow.request_id == row.request_id)).all()


def step(row: AuditEventRow, *, with_people: bool) -> dict[str, Any]:
    """One record as a line of the story; ``with_people`` shows the patient, which other readers need not see."""
    detail = row.detail
    about = {name: detail[name] for name in PLAIN_DETAIL if detail.get(name)}
    return {
        "at": row.at.isoformat(timespec="milliseconds"),
        "event": row.event,
        "what": WORDS.get(EventName(row.event), row.event) if row.event in KNOWN else row.event,
        "outcome": row.outcome,
        "reason": row.reason,
        "client_id": row.client_id,
        "sub": row.sub,
        "patient": row.patient if with_people else hidden(row.patient),
        "scope": row.scope,
        "grant_id": row.grant_id,
        "token_id": row.token_id,
        "support_code": row.support_code,
        "detail": about,
    }


KNOWN = frozenset(name.value for name in EventName)


def hidden(value: str | None) -> str | None:
    return None if value is None else "(hidden)"
