"""Which grants go with a client, with an EHR's credential, or with a session; and what the trail says of their end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import aliased

from authz.audit.event import Event, EventName, role_of
from authz.clients.speakers import ehr_name
from authz.launch.model import SpentLaunchRow
from authz.tokens.model import AccessTokenRow, GrantRow, RefreshTokenRow

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.orm import Session

    from authz.audit.event import Peer

    Where = ColumnElement[bool]
    Ended = tuple[str, str, str]  # sub, FHIR server, and a patient there for whom they act no more
    Change = Callable[[Session], None]
    Ending = Callable[[Session], Collection[Ended]]  # a change, and what it ended

PAGE = 1_000
TOLD = (  # what the trail says of a grant that ends
    GrantRow.id,
    GrantRow.sub,
    GrantRow.fhir_user,
    GrantRow.client_id,
    GrantRow.fhir_server,
    GrantRow.context,
    GrantRow.launch_id,
)


def of_client(client_id: str) -> Where:
    """What it was granted, and what came of the launches that it made for an EHR (decision 17).

    Each half is found by an index of its own, which an OR would not be.
    """
    its_own = aliased(GrantRow)
    of_its_launches = select(SpentLaunchRow.grant_id).where(SpentLaunchRow.ehr == ehr_name(client_id))
    return GrantRow.id.in_(select(its_own.id).where(its_own.client_id == client_id).union(of_its_launches))


def of_ehr(client_id: str) -> Where:
    """What came of the launches that it made by its credential."""
    return GrantRow.id.in_(select(SpentLaunchRow.grant_id).where(SpentLaunchRow.ehr == client_id))


def for_patients(session: Session, ended: Iterable[Ended]) -> list[Where]:
    """What people were granted for patients, so many at once, in the order in which everybody locks grants."""
    ids: list[str] = []
    for sub, fhir_server, patient in ended:
        its_patient = GrantRow.context["patient"].as_string() == patient
        theirs = (GrantRow.sub == sub) & (GrantRow.fhir_server == fhir_server) & its_patient
        ids += session.scalars(select(GrantRow.id).where(theirs, GrantRow.revoked_at.is_(None)))
    ids.sort()
    return [GrantRow.id.in_(ids[first : first + PAGE]) for first in range(0, len(ids), PAGE)]


def has_offline_access() -> Where:
    """Grants that do not end with the session they came from."""
    return GrantRow.id.in_(select(RefreshTokenRow.grant_id).where(RefreshTokenRow.kind == "offline"))


def access_tokens(session: Session, grant_ids: list[str]) -> dict[str, datetime]:
    """Also those that are over by this clock: it may be wrong, and be put right."""
    columns = (AccessTokenRow.digest, AccessTokenRow.expires_at)
    rows = session.execute(select(*columns).where(AccessTokenRow.grant_id.in_(grant_ids)))
    return {row.digest: row.expires_at for row in rows}


def pages(session: Session, where: Where, outlives: Where) -> Iterator[Sequence[Row[Any]]]:
    """What matches of the grants that live, locked, so many at once: there may be a hundred thousand."""
    last = ""
    matching = select(*TOLD, outlives.label("outlives")).where(where, GrantRow.revoked_at.is_(None))
    while True:
        following = matching.where(GrantRow.id > last).order_by(GrantRow.id).limit(PAGE)
        page = session.execute(following.with_for_update(of=GrantRow)).all()
        if page:
            yield page
        if len(page) < PAGE:
            return
        last = page[-1].id


def revoked_event(grant: GrantRow | Row[Any], reason: str, peer: Peer | None, token_id: str | None = None) -> Event:
    return Event(
        event=EventName.TOKEN_REVOKED if token_id else EventName.GRANT_REVOKED,
        reason=reason,
        sub=grant.sub,
        role=role_of(grant.fhir_user, grant.sub),
        client_id=grant.client_id,
        fhir_server=grant.fhir_server,
        patient=grant.context.get("patient"),
        grant_id=grant.id,
        token_id=token_id,
        launch_id=grant.launch_id,
        peer=peer,
    )
