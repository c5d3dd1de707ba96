"""What is asked, line by line, in words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from authz.consent import words
from authz.consent.catalogue import Kind
from authz.scopes.encoding import encode
from authz.wording import all_of, alphabetical, any_of, capital, gettext, said

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from authz.consent.catalogue import Catalogue
    from authz.consent.choices import Part, Question
    from authz.scopes import ResourceScope

CHANGES = frozenset("cud")


@dataclass(frozen=True, slots=True)
class Row:
    """A line with a box."""

    box: str
    title: str
    short: str = ""
    meaning: tuple[str, str] = ("", "")  # what it is about, and what that means
    writes: bool = False
    note: str = ""  # what last time has to do with it, see consent.earlier
    remark: str = ""  # the same in words
    is_ticked: bool = True


@dataclass(frozen=True, slots=True)
class Choice:
    """Finer kinds to choose from, behind a summary; ``is_long``: it stays closed at first."""

    title: str
    entries: tuple[Row | Choice, ...]
    is_long: bool = False


def rows_of(entries: Iterable[Row | Choice]) -> Iterator[Row]:
    for entry in entries:
        if isinstance(entry, Row):
            yield entry
        else:
            yield from rows_of(entry.entries)


def without(entries: Iterable[Row | Choice], boxes: Collection[str]) -> Iterator[Row | Choice]:
    """Leave out the lines with these boxes, and choices with nothing left to choose from."""
    for entry in entries:
        if isinstance(entry, Row):
            if entry.box not in boxes:
                yield entry
        elif left := tuple(without(entry.entries, boxes)):
            yield replace(entry, entries=left)


def action_rows(question: Question, catalogue: Catalogue) -> tuple[Row, ...]:
    """``See lab results``, ``Add and change lab results``."""
    kind = kind_of(question.about.data, catalogue)
    level = question.about.data.level
    return tuple(
        Row(box, words.sentence(letters, kind.title, level), kind.short, meaning(kind), writes=bool(letters & CHANGES))
        for box, letters in question.actions
    )


def choice(question: Question) -> Choice | None:
    about = question.about
    return finer(about, is_long=about.data.type == "*") if about.parts else None


def finer(part: Part, *, is_long: bool = False) -> Choice:
    """What is about all kinds is sorted as this language sorts them; finer kinds are in the order of the table."""
    title = said(part.kind.title)
    if part.data.type == "*":
        parts = sorted(part.parts, key=lambda one: alphabetical(said(one.kind.title)))
        which, rest = gettext(words.WHICH_OF_ALL), gettext(words.REST_OF_ALL)
    else:
        parts = list(part.parts)
        which, rest = words.which(title), words.rest(title)
    entries = (finer(one) if one.parts else part_row(one) for one in parts)
    return Choice(which, (*entries, Row(part.box, rest, gettext(words.REST_SHORT))), is_long)


def part_row(part: Part) -> Row:
    kind = part.kind.in_words()
    return Row(part.box, capital(kind.title), kind.short, meaning(kind))


def meaning(kind: Kind) -> tuple[str, str]:
    return capital(kind.title), kind.long


def kind_of(data: ResourceScope, catalogue: Catalogue) -> Kind:
    """The kind that this is, or else its type with what limits it, in the reader's words as far as there are any."""
    whole = catalogue.of_type(data.type).in_words()
    if not data.query:
        return whole
    if found := catalogue.of_data(data):
        return found.in_words()
    limits = all_of([constraint(data.type, *one, catalogue) for one in data.constraints])
    title = words.limited(whole.title, limits)
    return Kind(data.normal_form, title, gettext(words.LIMITED_SHORT), words.limited_long(whole.title))


def constraint(resource_type: str, name: str, values: tuple[str, ...], catalogue: Catalogue) -> str:
    """One search parameter: ``lab results or vital signs``, ``status final``.

    A value without words here is the app's own text: with its spaces encoded it can't be read as words of this page.
    """
    known = {value: catalogue.of_value(resource_type, name, value) for value in values}
    told = [
        kind.in_words().title if kind else encode(value.rpartition("|")[2] or value) for value, kind in known.items()
    ]
    return any_of(told) if all(known.values()) else f"{name} {any_of(told)}"
