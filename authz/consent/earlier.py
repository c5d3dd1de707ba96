"""What a person decided last time, so that they read only what is new when they are asked again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from authz.consent.rows import Row
from authz.wording import mark, said

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from authz.consent.choices import Offer, Part
    from authz.consent.rows import Choice
    from authz.scopes import Scope, ScopeSet


class Note(StrEnum):
    """What last time has to do with a line."""

    NOTHING = ""
    NEW = "new"
    LEFT_OUT = "left_out"
    ALLOWED = "allowed"


REMARKS = {Note.NEW: mark("new since last time"), Note.LEFT_OUT: mark("you left this out last time")}


@dataclass(frozen=True, slots=True)
class Earlier:
    """The last decision for the same app, FHIR server and patient that was not taken back."""

    asked: ScopeSet
    granted: ScopeSet

    def left_out(self, wanted: ScopeSet) -> bool:
        """Whether the person was asked for some of this and did not allow it."""
        asked = (piece for scope in self.asked for piece in scope.narrow(wanted.scopes))
        return not all(map(self.granted.covers, asked))

    def note(self, scope: Scope) -> Note:
        """Of what was allowed in part nothing can be said in a word."""
        if self.granted.covers(scope):
            return Note.ALLOWED
        if not self.asked.covers(scope):
            return Note.NEW
        some_of_it = any(one.covered_by((scope,)) for one in self.granted)
        return Note.NOTHING if some_of_it else Note.LEFT_OUT


def noted(entries: Iterable[Row | Choice], notes: Mapping[str, Note]) -> Iterator[Row | Choice]:
    """Lines with their notes; what was left out is not ticked for anybody who would have to leave it out again."""
    for entry in entries:
        if isinstance(entry, Row):
            note = notes.get(entry.box, Note.NOTHING)
            remark = said(REMARKS.get(note, ""))
            yield replace(entry, note=note.value, remark=remark, is_ticked=note is not Note.LEFT_OUT)
        else:
            yield replace(entry, entries=tuple(said_once(tuple(noted(entry.entries, notes)))))


def said_once(entries: tuple[Row | Choice, ...]) -> Iterator[Row | Choice]:
    """Where each part is new the whole is, and the line above says so already."""
    all_new = all(isinstance(entry, Row) and entry.note == Note.NEW for entry in entries)
    for entry in entries:
        yield replace(entry, remark="") if all_new and isinstance(entry, Row) else entry


def is_allowed(entry: Row | Choice) -> bool:
    """Whether nothing in it is new."""
    if isinstance(entry, Row):
        return entry.note == Note.ALLOWED
    return all(map(is_allowed, entry.entries))


def notes_of(offer: Offer, earlier: Earlier) -> dict[str, Note]:
    """For each box."""
    found = {str(scope): earlier.note(scope) for scope in offer.alone}
    for question in offer.questions:
        found |= {box: earlier.note(question.about.data.only(letters)) for box, letters in question.actions}
        found |= {box: earlier.note(data) for box, data in parts_of(question.about)}
    return found


def parts_of(part: Part) -> Iterator[tuple[str, Scope]]:
    """A box with parts before it is the one for the rest: it stands for the whole."""
    for one in part.parts:
        yield from parts_of(one)
    if part.box:
        yield part.box, part.data
