"""``authz user represent --file``: who acts for whom, as a whole file says it; all of it or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authz.audit.event import EventName
from authz.cli.context import record, the_fhir_server
from authz.cli.people import check_known, the_user
from authz.errors import InvalidValue, NotFound, OAuthError
from authz.storage.turns import of_fhir_server, of_user
from authz.users.representatives_file import read

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.orm import Session

    from authz.services import Services
    from authz.tokens.whose import Ended
    from authz.users.representatives_file import RepresentativesFile, Row
    from authz.users.user import Representation

    Stated = dict[tuple[str, str, str], Representation]  # sub, FHIR server, patient

MANY_PEOPLE = 500


@dataclass(frozen=True, slots=True)
class Plan:
    """What the file changes."""

    added: Stated
    changed: Stated
    removed: Stated
    unchanged: int

    def as_record(self) -> dict[str, Any]:
        return {
            "added": lines(self.added),
            "changed": lines(self.changed),
            "removed": lines(self.removed),
            "unchanged": self.unchanged,
        }


def import_file(made: Services, path: Path, *, replace: bool, dry_run: bool) -> dict[str, Any]:
    """Do what the file says, and tell what that was. Raises InvalidValue naming every row that is wrong."""
    wanted = stated(made, read(path.name, path.read_bytes()))
    plan = difference(made, wanted, replace=replace)
    revoked = 0 if dry_run else carry_out(made, plan)
    return {"dry_run": dry_run, **plan.as_record(), "revoked_grants": revoked}


def stated(made: Services, file: RepresentativesFile) -> Stated:
    """What the rows say, about people and FHIR servers that there are."""
    found: Stated = {}
    problems: list[tuple[int, str]] = []
    for row in file.rows:
        try:
            key = (sub_of(made, row), server_of(made, row), row.represented.patient)
            with made.db.read() as session:
                check_known(made, session, *key[:2], named=row.user if row.provider else "")
        except OAuthError as error:
            problems.append((row.number, error.description))
            continue
        if key in found:
            problems.append((row.number, "it is said before that this user acts for this patient"))
        found[key] = row.represented
    file.refuse(problems)
    return found


def sub_of(made: Services, row: Row) -> str:
    if not row.provider:
        return the_user(made, row.user).sub
    federation = made.at_provider.federation
    provider = federation.providers.get(row.provider)
    user = None if provider is None else federation.identities.find(provider.issuer, row.user)
    if user is None:
        raise NotFound(f"{row.user}: nobody is known by this at {row.provider}")
    return user.sub


def server_of(made: Services, row: Row) -> str:
    if not row.fhir_server and len(made.fhir_servers.all()) > 1:
        raise InvalidValue("say which fhir_server: there are several")
    return the_fhir_server(made, row.fhir_server or None).name


def difference(made: Services, wanted: Stated, *, replace: bool) -> Plan:
    """``replace``: who is in the file acts for nobody else, as far as that is recorded by hand or by a file."""
    before: Stated = {
        (sub, server, item.patient): item
        for sub in sorted({sub for sub, _, _ in wanted})
        for server, item in made.users.acting.recorded(sub)
    }
    return Plan(
        added={key: item for key, item in wanted.items() if key not in before},
        changed={key: item for key, item in wanted.items() if key in before and before[key] != item},
        removed={key: item for key, item in before.items() if key not in wanted} if replace else {},
        unchanged=sum(before.get(key) == item for key, item in wanted.items()),
    )


def carry_out(made: Services, plan: Plan) -> int:
    """One transaction writes everything, and revokes what was granted for those who are no longer represented."""
    over = [key for key, item in plan.changed.items() if item.expires_at and item.expires_at <= made.now()]
    ended = [*plan.removed, *over]

    def change(session: Session) -> list[Ended]:
        for (sub, server, patient), item in (plan.added | plan.changed).items():
            made.users.represent(session, sub, server, item)
            told(made, session, "represents", sub, server, patient)
        for sub, server, patient in plan.removed:
            if made.users.stop_representing(session, sub, server, patient):
                told(made, session, "represents_no_more", sub, server, patient)
        return ended

    return made.revocation.revoke_patients(turns_of(ended), "represents_no_more", within=change)


def turns_of(ended: list[Ended]) -> set[str]:
    """Of the people, or of their FHIR servers if they are many: PostgreSQL has room for so many locks, and no more."""
    people = {of_user(sub) for sub, _, _ in ended}
    return people if len(people) <= MANY_PEOPLE else {of_fhir_server(server) for _, server, _ in ended}


def told(made: Services, session: Session, reason: str, sub: str, server: str, patient: str) -> None:
    about = {"sub": sub, "fhir_server": server, "patient": patient, "detail": {"source": "file"}}
    record(made, session, EventName.USER_CHANGED, reason, **about)


def lines(said: Stated) -> list[dict[str, Any]]:
    return [
        {
            "sub": sub,
            "fhir_server": server,
            "patient": patient,
            "relationship": item.relationship,
            "expires_at": item.expires_at.isoformat() if item.expires_at else None,
        }
        for (sub, server, patient), item in said.items()
    ]
