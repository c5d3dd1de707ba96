"""What was decided about each scope of a request, as the administrator may read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from authz.audit.model import AuditEventRow
from authz.audit.support_code import read_support_code
from authz.errors import NotFound
from authz.support.explanations import of_refusal, of_scope
from authz.tokens.model import GrantRow
from authz.tokens.store import OWN_CLIENT_ID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Wanted:
    """What grants must be like; None asks nothing."""

    client_id: str | None = None
    sub: str | None = None
    fhir_server: str | None = None
    live: bool = False


def authorizations(session: Session, wanted: Wanted, limit: int) -> Sequence[GrantRow]:
    """The newest grants of apps first; the searches of our own pages are none."""
    statement = select(GrantRow).where(GrantRow.client_id != OWN_CLIENT_ID)
    for name in ("client_id", "sub", "fhir_server"):
        value = getattr(wanted, name)
        if value is not None:
            statement = statement.where(getattr(GrantRow, name) == value)
    if wanted.live:
        statement = statement.where(GrantRow.revoked_at.is_(None))
    return session.scalars(statement.order_by(GrantRow.created_at.desc(), GrantRow.id).limit(limit)).all()


def decision(session: Session, asked: str) -> dict[str, Any]:
    """What became of a request, by its grant id or by the support code of its refusal. Raises NotFound."""
    grant = session.get(GrantRow, asked)
    if grant is not None:
        return granted(grant)
    code = read_support_code(asked)
    if code is not None:
        found = select(AuditEventRow).where(AuditEventRow.support_code == code).order_by(AuditEventRow.at)
        row = session.scalars(found).first()
        if row is not None:
            return refused(row)
    raise NotFound("there is no authorization of this id, and no refusal with this support code")


def granted(grant: GrantRow) -> dict[str, Any]:
    return {
        "grant_id": grant.id,
        "outcome": "granted",
        "client_id": grant.client_id,
        "sub": grant.sub,
        "fhir_server": grant.fhir_server,
        "launch_id": grant.launch_id,
        "scope": grant.scope,
        "at": stamp(grant.created_at),
        "revoked_at": stamp(grant.revoked_at) if grant.revoked_at else None,
        "revoked_reason": grant.revoked_reason,
        "verdicts": [explained(verdict) for verdict in grant.verdicts],
    }


def refused(row: AuditEventRow) -> dict[str, Any]:
    """A refusal; ``cause`` is told to the administrator only."""
    why = of_refusal(row.reason, row.detail.get("cause"))
    return {
        "support_code": row.support_code,
        "outcome": "refused",
        "event": row.event,
        "reason": row.reason,
        "description": row.detail.get("description") or row.detail.get("problem"),
        "cause": row.detail.get("cause"),
        "meaning": why.meaning,
        "advice": why.advice,
        "client_id": row.client_id,
        "sub": row.sub,
        "fhir_server": row.fhir_server,
        "launch_id": row.launch_id,
        "grant_id": row.grant_id,
        "asked": row.detail.get("asked"),
        "at": stamp(row.at),
        "verdicts": [explained(verdict) for verdict in row.detail.get("verdicts", ())],
    }


def explained(verdict: dict[str, Any]) -> dict[str, Any]:
    """A verdict with what its reason means; one without a reason stays as it is."""
    reason = verdict["reason"]
    if reason is None:
        return verdict
    why = of_scope(reason)
    return verdict | {"meaning": why.meaning, "advice": why.advice}


def stamp(time: datetime) -> str:
    return time.isoformat(timespec="seconds")
