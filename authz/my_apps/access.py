"""What a person's apps may do, put together as a person thinks of it: this app, with the records of that patient."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import and_, func, or_, select

from authz.consent.model import ConsentRow
from authz.my_apps.holdings import Held, Lasting, holdings
from authz.tokens.model import AccessTokenRow, GrantRow

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from authz.scopes import ScopeSet
    from authz.tokens.refresh import RefreshTokens


@dataclass(frozen=True, slots=True)
class Place:
    """What a person decides about as one: an app, at a FHIR server, with the records of a patient."""

    client_id: str
    fhir_server: str  # name
    patient: str | None  # logical id


@dataclass(frozen=True, slots=True)
class Access:
    """``id`` is that of one of its grants or decisions, and opens the page about all of them."""

    id: str
    place: Place
    lasting: Lasting
    since: datetime
    scopes: tuple[ScopeSet, ...] = ()
    ends_at: datetime | None = None  # at the latest; None: there is none now
    used_at: datetime | None = None  # a token was fetched, or shown to a FHIR server
    remembered_until: datetime | None = None  # before, the app is not asked about again
    consent_id: str | None = None  # the newest decision that is kept
    tokens: tuple[str, ...] = ()  # digests of its access tokens


def accesses(session: Session, tokens: RefreshTokens, sub: str) -> list[Access]:
    """One for each place, the one that began last first."""
    held = holdings(session, tokens, sub)
    kept = {row.id: row for row in decisions(session, sub, {one.grant.consent_id for one in held}, tokens.now())}
    by_place: dict[Place, tuple[list[Held], list[ConsentRow]]] = {}
    for one in held:
        by_place.setdefault(place_of(one.grant, kept.get(one.grant.consent_id or "")), ([], []))[0].append(one)
    for row in kept.values():
        place = Place(row.client_id, row.fhir_server, row.patient)
        if place in by_place or is_remembered(row, tokens.now()):
            by_place.setdefault(place, ([], []))[1].append(row)
    fetched = last_fetched(session, {one.grant.id for one in held})
    found = [access(place, *both, fetched, tokens.now()) for place, both in by_place.items()]
    return sorted(found, key=lambda one: (one.since, one.id), reverse=True)


def decisions(session: Session, sub: str, ids: Iterable[str | None], now: datetime) -> Iterable[ConsentRow]:
    """Those that are remembered, and those by which something was granted that still works."""
    remembered = and_(ConsentRow.withdrawn_at.is_(None), ConsentRow.expires_at > now)
    used = ConsentRow.id.in_([one for one in ids if one is not None])
    mine = select(ConsentRow).where(ConsentRow.sub == sub, or_(remembered, used))
    return session.scalars(mine.order_by(ConsentRow.granted_at))


def is_remembered(row: ConsentRow, now: datetime) -> bool:
    return row.withdrawn_at is None and row.expires_at > now


def place_of(grant: GrantRow, consent: ConsentRow | None) -> Place:
    """Of a grant without any scope about the patient only the decision says who was meant."""
    patient = grant.context.get("patient") if consent is None else consent.patient
    return Place(grant.client_id, grant.fhir_server, patient)


def access(
    place: Place, held: list[Held], consents: list[ConsentRow], fetched: dict[str, datetime], now: datetime
) -> Access:
    remembered = [row for row in consents if is_remembered(row, now)]
    newest = consents[-1] if consents else None
    began = [one.grant.created_at for one in held] or [row.granted_at for row in consents]
    return Access(
        id=max(held, key=lambda one: one.grant.created_at).grant.id if held else consents[-1].id,
        place=place,
        lasting=max((one.lasting for one in held), default=Lasting.NOT),
        since=min(began),
        scopes=tuple({str(one.scope): one.scope for one in held}.values()),
        ends_at=max((one.ends_at for one in held), default=None),
        used_at=max((fetched[one.grant.id] for one in held if one.grant.id in fetched), default=None),
        remembered_until=max((row.expires_at for row in remembered), default=None),
        consent_id=newest.id if newest is not None else None,
        tokens=tuple(one.digest for one in held if one.digest is not None),
    )


def last_fetched(session: Session, grant_ids: set[str]) -> dict[str, datetime]:
    last = func.max(AccessTokenRow.issued_at, type_=AccessTokenRow.issued_at.type)
    found = select(AccessTokenRow.grant_id, last).where(AccessTokenRow.grant_id.in_(grant_ids))
    return {row[0]: row[1] for row in session.execute(found.group_by(AccessTokenRow.grant_id))}


def seen(one: Access, marks: dict[str, datetime]) -> Access:
    """With what the short-lived store knows of the use of its tokens."""
    times = [at for at in (one.used_at, *(marks.get(digest) for digest in one.tokens)) if at is not None]
    return replace(one, used_at=max(times, default=None))


def at_place(session: Session, key: str, sub: str) -> Place | None:
    """The place that one of the person's own grants or decisions is about; nobody else's is found (LC-25)."""
    grant = session.get(GrantRow, key)
    if grant is not None and grant.sub == sub:
        return place_of(grant, session.get(ConsentRow, grant.consent_id) if grant.consent_id else None)
    consent = session.get(ConsentRow, key)
    if consent is not None and consent.sub == sub:
        return Place(consent.client_id, consent.fhir_server, consent.patient)
    return None


def consents_at(sub: str, place: Place) -> ColumnElement[bool]:
    whose = ConsentRow.patient.is_(None) if place.patient is None else ConsentRow.patient == place.patient
    app = (ConsentRow.client_id == place.client_id) & (ConsentRow.fhir_server == place.fhir_server)
    return (ConsentRow.sub == sub) & app & whose


def grants_at(sub: str, place: Place) -> ColumnElement[bool]:
    """Everything the person granted there, also what an app has not fetched yet."""
    named = GrantRow.context["patient"].as_string()
    whose = named.is_(None) if place.patient is None else named == place.patient
    decided = GrantRow.consent_id.in_(select(ConsentRow.id).where(consents_at(sub, place)))
    app = (GrantRow.client_id == place.client_id) & (GrantRow.fhir_server == place.fhir_server)
    return (GrantRow.sub == sub) & app & or_(decided, and_(GrantRow.consent_id.is_(None), whose))
