"""May this token do that? One function: everything a request does must be allowed, each by scopes of one level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.enforcement.acting import LEVELS_THAT_WRITE_IT, acting
from authz.enforcement.fhir_request import accesses
from authz.enforcement.level import Level
from authz.enforcement.parameters import ANY
from authz.enforcement.records import Gathering, Sparing
from authz.enforcement.reserved import levels_of_the_site, reserved
from authz.enforcement.routes import Kind
from authz.enforcement.token import LEVELS, Token
from authz.enforcement.url import Undecidable

if TYPE_CHECKING:
    from authz.enforcement.fhir_request import Access, FhirRequest, Server
    from authz.enforcement.records import ManyRecords, Question, Records


@dataclass(frozen=True, slots=True)
class Decision:
    """``why``: a sentence for the app's developer, empty if it is allowed; ``scope``: what would have been needed."""

    why: str = ""
    scope: str = ""

    @property
    def is_allowed(self) -> bool:
        return not self.why


ALLOWED = Decision()


def understood(request: FhirRequest, server: Server) -> tuple[tuple[Access, ...], str]:
    """What the request does; or nothing, and why that can't be told."""
    try:
        return accesses(request, server), ""
    except Undecidable as undecidable:
        return (), undecidable.why


def is_open(found: tuple[Access, ...]) -> bool:
    """Whether anybody may have this without a token: discovery, and a browser's preflight."""
    return bool(found) and all(access.kind is Kind.OPEN for access in found)


def decide(token: Token, request: FhirRequest, server: Server, records: ManyRecords) -> Decision:
    """Allow or refuse a whole request. Raises Unavailable if the FHIR server had to be asked and did not answer."""
    found, why = understood(request, server)
    if not found:
        return Decision(why or "the request does nothing")
    sparing = Sparing(records)
    sparing.foresee(foreseen(token, found, records, server.bases))
    for access in found:
        decision = judge(token, access, sparing, server.bases)
        if not decision.is_allowed:
            return decision
    return ALLOWED


def foreseen(token: Token, found: tuple[Access, ...], records: Records, bases: tuple[str, ...]) -> list[Question]:
    """What will be asked about a request that does several things, if all the answers are yes."""
    gathering = Gathering(records)
    for access in found if len(found) > 1 else ():
        judge(token, access, gathering, bases)
    return list(dict.fromkeys(gathering.questions))


def judge(token: Token, access: Access, records: Records, bases: tuple[str, ...]) -> Decision:
    if access.kind is Kind.OPEN or (access.kind is Kind.READ and token.is_user(f"{access.type}/{access.id}")):
        return ALLOWED
    type_, letters = access.type or ANY, "".join(letter for letter in "cruds" if letter in access.letters)
    why, levels = restriction(token, access)
    why = why or f"no granted scope lets this app do this ({letters}) with {access.type or 'all types'}"
    for level in levels:
        if not all(token.held(level, type_, letter) for letter in letters):
            continue
        try:
            why = Level(token, level, access, records, bases).problem()
        except Undecidable as undecidable:
            why = undecidable.why
        if not why:
            return ALLOWED
    known = {"patient": token.patient, "user": token.fhir_user, "system": ANY}
    wanted = next(level for level in levels if known[level])
    return Decision(why, f"{wanted}/{type_}.{letters}")


def restriction(token: Token, access: Access) -> tuple[str, tuple[str, ...]]:
    """Why only scopes of some levels count, and of which; empty, and all levels, for most."""
    if why := acting(access):
        return why, LEVELS_THAT_WRITE_IT
    why = reserved(token, access)
    return why, levels_of_the_site(token) if why else LEVELS
