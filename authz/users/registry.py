from __future__ import annotations

import secrets as random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from authz.audit.event import Event, EventName
from authz.errors import AlreadyExists, InvalidValue, NotFound
from authz.storage.database import insert_once
from authz.users.model import FhirIdentityRow, UserRow
from authz.users.representations import Representations, recorded
from authz.users.sign_ins import end_sign_ins
from authz.users.user import MAX_NAME, Representation, User, display_name, from_row, login_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from authz.audit.trail import Trail
    from authz.storage.database import Database

__all__ = ["Representation", "User", "Users"]

NO_SIGN_IN_ENDED = datetime.fromtimestamp(0, UTC)  # an EHR's sign-in may be older than the person's row here
LINK_GRACE = timedelta(days=1)


class Users:
    """The people, and which FHIR resource each is at which FHIR server (decisions 15 and 19)."""

    def __init__(
        self, db: Database, now: Callable[[], datetime], trail: Trail, link_grace: timedelta = LINK_GRACE
    ) -> None:
        self.db = db
        self.now = now
        self.trail = trail
        self.acting = Representations(db, now, link_grace)

    def by_name(self, name: str) -> User | None:
        normal = login_name(name)
        if normal is None:
            return None
        with self.db.read() as session:
            row = session.scalar(select(UserRow).where(UserRow.name == normal))
            return None if row is None else from_row(row)

    def by_sub(self, sub: str) -> User | None:
        with self.db.look() as session:
            row = session.get(UserRow, sub)
            return None if row is None else from_row(row)

    def by_fhir_user(self, fhir_server: str, reference: str) -> User | None:
        """The person who is this resource, such as ``Practitioner/prac-1``, at this FHIR server."""
        with self.db.read() as session:
            return find_by_fhir_user(session, fhir_server, reference)

    def all(self) -> list[User]:
        with self.db.read() as session:
            return [from_row(row) for row in session.scalars(select(UserRow).order_by(UserRow.name, UserRow.sub))]

    def fhir_user(self, sub: str, fhir_server: str) -> str | None:
        """Which resource the person is at this FHIR server, as a relative reference."""
        return self.fhir_users(sub).get(fhir_server)

    def fhir_users(self, sub: str) -> dict[str, str]:
        """FHIR server -> relative reference."""
        with self.db.look() as session:
            rows = session.scalars(
                select(FhirIdentityRow).where(FhirIdentityRow.sub == sub).order_by(FhirIdentityRow.fhir_server)
            )
            return {row.fhir_server: row.reference for row in rows}

    def somebody_at(self, sub: str) -> frozenset[str]:
        """The FHIR servers at which the person is a resource, or acts for a patient by an operator's word."""
        with self.db.look() as session:
            return frozenset(self.fhir_users(sub)) | {fhir_server for fhir_server, _ in recorded(session, sub)}

    def represented(self, sub: str, fhir_server: str) -> tuple[str, ...]:
        """Logical ids of the patients the person may act for today, in order."""
        return tuple(item.patient for item in self.representations(sub, fhir_server))

    def representations(self, sub: str, fhir_server: str) -> tuple[Representation, ...]:
        return self.acting.in_force(sub, fhir_server)

    def vouch(self, session: Session, fhir_server: str, reference: str) -> User:
        """The person an EHR or a hospital's sign-in speaks of, created and audited when first seen.

        In the caller's transaction; of two at once both get the same person. The caller has checked that the FHIR
        server allows it and that ``reference`` is one of its people; a disabled user comes back disabled.
        """
        known = find_by_fhir_user(session, fhir_server, reference)
        if known is not None:
            return known
        user = self.insert(session, None, reference)
        if not insert_once(session, FhirIdentityRow, fhir_server=fhir_server, reference=reference, sub=user.sub):
            self.remove(session, user.sub)
            known = find_by_fhir_user(session, fhir_server, reference)
            assert known is not None  # it was there when ours could not be written
            return known
        created = Event(EventName.USER_CREATED, reason="vouched", sub=user.sub, fhir_server=fhir_server)
        self.trail.record(session, created)
        return user

    def add(self, session: Session, name: str, display: str = "") -> User:
        """A person with a login name, in the caller's transaction. Raises InvalidValue and AlreadyExists."""
        normal = login_name(name)
        if normal is None:
            raise InvalidValue(f"a login name is 1 to {MAX_NAME} visible characters")
        return self.insert(session, normal, display or name)

    def rename(self, session: Session, sub: str, display: str) -> User:
        row = self.row(session, sub)
        row.display_name = display_name(display)
        return from_row(row)

    def set_role(self, session: Session, sub: str, role: str | None) -> User:
        row = self.row(session, sub)
        row.role = role
        return from_row(row)

    def set_sandbox(self, session: Session, sub: str, *, is_sandbox: bool) -> User:
        """Say whether this is a test account, by which apps are tried that nobody has approved."""
        row = self.row(session, sub)
        row.is_sandbox = is_sandbox
        return from_row(row)

    def link(self, session: Session, sub: str, fhir_server: str, reference: str) -> None:
        """Say which resource the person is at a FHIR server. Raises AlreadyExists if somebody else is that.

        Whoever makes another of somebody revokes in the same transaction what they granted as the one before. A grant
        that is on its way waits for it, and then finds that it is another's.
        """
        self.row(session, sub)
        mine = (FhirIdentityRow.sub == sub) & (FhirIdentityRow.fhir_server == fhir_server)
        session.execute(delete(FhirIdentityRow).where(mine))
        if not insert_once(session, FhirIdentityRow, fhir_server=fhir_server, reference=reference, sub=sub):
            raise AlreadyExists(f"{reference}: somebody else is this at {fhir_server}")

    def represent(self, session: Session, sub: str, fhir_server: str, represented: Representation) -> None:
        """Let the person act for a patient; said again, it replaces the relationship and its end."""
        self.acting.put(session, sub, fhir_server, represented)

    def stop_representing(self, session: Session, sub: str, fhir_server: str, patient: str) -> bool:
        """Whether there was something to stop."""
        return self.acting.remove(session, sub, fhir_server, patient)

    def set_enabled(self, session: Session, sub: str, *, enabled: bool) -> User:
        """Switch a person off or on; sign-ins of before do not come back. Who is so already keeps what he has."""
        row = self.row(session, sub)
        if row.enabled is not enabled:
            row.enabled = enabled
            end_sign_ins(session, sub, self.now())
        return from_row(row)

    def remove(self, session: Session, sub: str) -> None:
        """Forget the person; the ``sub`` is never given again, whoever gets the name."""
        self.row(session, sub)
        session.execute(delete(UserRow).where(UserRow.sub == sub))

    def row(self, session: Session, sub: str) -> UserRow:
        row = session.get(UserRow, sub, with_for_update=True)
        if row is None:
            raise NotFound(f"{sub}: there is no user of this sub")
        return row

    def insert(self, session: Session, name: str | None, display: str) -> User:
        sub = random.token_hex(16)
        if not insert_once(
            session,
            UserRow,
            sub=sub,
            name=name,
            display_name=display_name(display),
            enabled=True,
            sessions_valid_from=NO_SIGN_IN_ENDED,
            created_at=self.now(),
        ):
            raise AlreadyExists(f"{name}: there is a user of this name")
        return from_row(self.row(session, sub))


def find_by_fhir_user(session: Session, fhir_server: str, reference: str) -> User | None:
    row = session.scalar(
        select(UserRow)
        .join(FhirIdentityRow, FhirIdentityRow.sub == UserRow.sub)
        .where(FhirIdentityRow.fhir_server == fhir_server, FhirIdentityRow.reference == reference)
    )
    return None if row is None else from_row(row)
