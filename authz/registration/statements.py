"""Whose software statements are believed, and what they are good for (RFC 7591 §2.3, security.md RG-18).

One statement may be used by many instances of an app, as RFC 7591 means it, so it is no secret and no ticket: it only
ever approves what it says itself. A ``software_id`` belongs to the issuer that stated it first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from authz.clients import statement as statements
from authz.clients.assertion import BadAssertion
from authz.clients.metadata import ClientMetadata, InvalidClientMetadata
from authz.clients.redirect_uri import problems as uri_problems
from authz.clients.statement import BadStatement
from authz.errors import AlreadyExists, InvalidScope, InvalidValue, NotFound, OAuthError
from authz.keyring.public_keys import jwks_problems
from authz.registration.changes import KEYS, needs_review, snapshot
from authz.registration.lanes import Lane, in_lane
from authz.registration.model import RegistrationRow, StatementIssuerRow
from authz.scopes import ScopeSet
from authz.storage.database import insert_once

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.clients.key_sets import KeySets
    from authz.storage.database import Database

MAX_ISS = 2048


class InvalidSoftwareStatement(OAuthError):
    """RFC 7591 §3.2.2: it can't be believed."""

    code = "invalid_software_statement"


class UnapprovedSoftwareStatement(OAuthError):
    """RFC 7591 §3.2.2: its issuer is not trusted here, or not for this."""

    code = "unapproved_software_statement"


@dataclass(frozen=True, slots=True)
class NewIssuer:
    """Whom the hospital trusts; one of ``jwks`` and ``jwks_uri``."""

    iss: str
    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None
    lanes: tuple[Lane, ...] = tuple(Lane)
    approves: bool = False  # what it states needs no review
    scope: str = ""  # the most its apps may ask for; empty: what their lane allows


@dataclass(frozen=True, slots=True)
class Proved:
    """A statement that its issuer signed."""

    token: str
    iss: str
    members: dict[str, Any]
    over_since: str = ""  # its time; empty: it is good now


@dataclass(frozen=True, slots=True)
class Statements:
    db: Database
    key_sets: KeySets
    issuer: str
    now: Callable[[], datetime]

    def prove(self, token: str, kept: str | None = None) -> Proved:
        """Who signed it, for us and for now; may ask for keys. Raises what is wrong with it, and Unavailable.

        The one that is ``kept`` with the app was proved when it came; when its time is over it still says what it says,
        and approves nothing.
        """
        try:
            read = statements.read(token)
            trusted = self.trusted(read.claims["iss"])
            statements.check(read, self.issuer, self.now(), is_kept=token == kept)
            if statements.is_over(read, self.now()):
                return Proved(token, trusted.iss, read.members, statements.until(read))
            sets = self.key_sets.held(trusted.iss, trusted.jwks, trusted.jwks_uri)
            is_signed = any(statements.is_signed_by(read, jwks) for jwks in sets)
        except BadStatement as error:
            raise InvalidSoftwareStatement(f"software_statement: {error}") from error
        except BadAssertion as error:
            raise InvalidSoftwareStatement("software_statement: its issuer's keys can't be had now") from error
        if not is_signed:
            raise InvalidSoftwareStatement("software_statement: its signature is not by a key of its issuer")
        return Proved(token, trusted.iss, read.members)

    def trusted(self, iss: str) -> StatementIssuerRow:
        with self.db.read() as session:
            row = session.get(StatementIssuerRow, iss)
        if row is None or not row.enabled:
            raise UnapprovedSoftwareStatement("software_statement: its issuer is not trusted here")
        return row

    def approves(self, session: Session, iss: str, members: dict[str, Any], lane: Lane, asked: ClientMetadata) -> bool:
        """Whether the app needs no review. Raises UnapprovedSoftwareStatement for what its issuer may not state."""
        row = session.get(StatementIssuerRow, iss)
        if row is None or not row.enabled or lane not in row.lanes:
            raise UnapprovedSoftwareStatement(f"software_statement: its issuer is not trusted for {lane} apps")
        if row.scope and not ScopeSet.parse(row.scope).covers(ScopeSet.parse(asked.scope)):
            raise UnapprovedSoftwareStatement("software_statement: its issuer may not speak for this much scope")
        return row.approves and says_it_all(members, asked, lane)

    def check_software_id(self, session: Session, software_id: str | None, iss: str | None) -> None:
        """Nobody takes the ``software_id`` of another issuer's app. Raises the error of whoever tried."""
        if software_id is None:
            return
        owners = set(
            session.scalars(select(RegistrationRow.source_id).where(RegistrationRow.software_id == software_id))
        )
        if owners - {iss}:
            told = "software_id: it belongs to an app with a software statement by somebody else"
            raise InvalidSoftwareStatement(told) if iss is not None else InvalidClientMetadata(told)

    def add(self, session: Session, new: NewIssuer) -> StatementIssuerRow:
        """Trust an issuer. Raises InvalidValue and AlreadyExists."""
        check_new(new)
        values = {"jwks": new.jwks, "jwks_uri": new.jwks_uri, "approves": new.approves, "scope": new.scope}
        lanes = [lane.value for lane in new.lanes]
        made = {"iss": new.iss, "lanes": lanes, "enabled": True, "created_at": self.now(), **values}
        if not insert_once(session, StatementIssuerRow, **made):
            raise AlreadyExists(f"{new.iss}: this issuer is trusted already")
        return session.get_one(StatementIssuerRow, new.iss)

    def all(self, session: Session) -> Sequence[StatementIssuerRow]:
        return session.scalars(select(StatementIssuerRow).order_by(StatementIssuerRow.iss)).all()

    def remove(self, session: Session, iss: str) -> None:
        """Believe nothing more of it; the apps it stated stay as they are. Raises NotFound."""
        row = session.get(StatementIssuerRow, iss, with_for_update=True)
        if row is None:
            raise NotFound(f"{iss}: no issuer of this name is trusted")
        session.delete(row)


def says_it_all(members: dict[str, Any], asked: ClientMetadata, lane: Lane) -> bool:
    """Whether all that a reviewer would look at is signed: a statement is public, its holder may be anybody."""
    try:
        signed = snapshot(in_lane(ClientMetadata.load(members), lane))
    except OAuthError:
        return False
    registered = snapshot(in_lane(asked, lane))
    return not needs_review(signed, registered) and all(signed.get(name) == registered.get(name) for name in KEYS)


def check_new(new: NewIssuer) -> None:
    if not 0 < len(new.iss) <= MAX_ISS or not new.iss.isprintable() or " " in new.iss:
        raise InvalidValue("iss: as it stands in the statements")
    if (new.jwks is None) is (new.jwks_uri is None):
        raise InvalidValue("give either the issuer's keys or where it publishes them")
    if new.jwks is not None and (problems := jwks_problems(new.jwks)):
        raise InvalidValue("; ".join(problems))
    if new.jwks_uri is not None and (problems := uri_problems(new.jwks_uri, "web", ())):
        raise InvalidValue(f"{new.jwks_uri}: {'; '.join(problems)}")
    try:
        ScopeSet.parse(new.scope)
    except InvalidScope as error:
        raise InvalidValue(error.description) from error
    if not new.lanes:
        raise InvalidValue("an issuer is trusted for at least one lane")
