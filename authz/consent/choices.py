"""What a person may leave out of what an app would get, and what is left then: always valid scopes, never more.

Each question is about some of the data asked for. Seeing and changing are boxes of their own; data with finer kinds
have a box for each, and one for the rest. Data stay whole while all of these boxes are ticked, for no scope says
"all but this"; else they become those of their kinds that are ticked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from authz.scopes import LaunchScope, NamedScope, Reason, ResourceScope, ScopeSet, distinct, fits

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from authz.consent.catalogue import Catalogue, Kind
    from authz.scopes import Judgement, Scope

ACTIONS = (("see", frozenset("rs")), ("change", frozenset("cud")))
OFFLINE, ONLINE = NamedScope("offline_access"), NamedScope("online_access")


@dataclass(frozen=True, slots=True)
class Part:
    """Some data: with a box, or with finer parts and a box for the rest, or whole."""

    kind: Kind
    data: ResourceScope
    box: str = ""
    parts: tuple[Part, ...] = ()

    def boxes(self) -> Iterator[str]:
        for part in self.parts:
            yield from part.boxes()
        if self.box:
            yield self.box

    def kept(self, ticked: Collection[str], letters: frozenset[str]) -> Iterator[ResourceScope]:
        if all(box in ticked for box in self.boxes()):
            yield self.data.only(letters)
        else:
            for part in self.parts:
                yield from part.kept(ticked, letters)

    def finest(self) -> Iterator[ResourceScope]:
        if not self.parts:
            yield self.data
        for part in self.parts:
            yield from part.finest()


@dataclass(frozen=True, slots=True)
class Question:
    """What may be done, and with which data."""

    about: Part

    @property
    def actions(self) -> tuple[tuple[str, frozenset[str]], ...]:
        """A box and its letters for seeing and for changing, as far as that is asked for."""
        data = self.about.data
        asked = ((name, data.interactions & letters) for name, letters in ACTIONS)
        return tuple((f"{data} {name}", letters) for name, letters in asked if letters)

    def boxes(self) -> Iterator[str]:
        yield from (box for box, _ in self.actions)
        yield from self.about.boxes()

    def kept(self, ticked: Collection[str]) -> Iterator[ResourceScope]:
        letters = frozenset[str]().union(*(letters for box, letters in self.actions if box in ticked))
        if letters:
            yield from self.about.kept(ticked, letters)


@dataclass(frozen=True, slots=True)
class Offer:
    """All that a person is asked; ``granted`` is what the app gets if nothing is unticked."""

    granted: ScopeSet
    online_instead: bool  # ``online_access`` was asked for as well, and stands in where ``offline_access`` is refused
    required: ScopeSet  # of what is granted, what the app does not work without
    questions: tuple[Question, ...]

    @property
    def alone(self) -> tuple[Scope, ...]:
        """Scopes that are all or nothing, each with its spelling as its box; those of sign-in and launch have none."""
        others = (scope for scope in self.granted if not isinstance(scope, ResourceScope))
        return tuple(scope for scope in others if scope == OFFLINE or not isinstance(scope, LaunchScope | NamedScope))

    @property
    def boxes(self) -> tuple[str, ...]:
        asked = (box for question in self.questions for box in question.boxes())
        return (*asked, *map(str, self.alone))

    def fingerprint(self, patient: str | None) -> str:
        """Another one if anything else is asked, or of somebody else's data."""
        asked = (patient or "", str(self.granted), str(self.required), *self.boxes)
        return sha256("\n".join(asked).encode()).hexdigest()

    def is_whole(self, ticked: Collection[str]) -> bool:
        return all(box in ticked for box in self.boxes)

    def agreed(self, ticked: Collection[str]) -> ScopeSet:
        """The most the app may get when only these boxes are ticked; what is no box of this offer changes nothing.

        What belongs to the sign-in and the launch has no box. Raises InvalidScope if that takes too much to say.
        """
        unasked = (s for s in self.granted if not isinstance(s, ResourceScope) and s not in self.alone)
        alone = (scope for scope in self.alone if str(scope) in ticked)
        data = (scope for question in self.questions for scope in question.kept(ticked))
        online = (ONLINE,) if self.online_instead else ()
        return ScopeSet.of(*unasked, *online, *alone, *data)

    def is_enough(self, ticked: Collection[str]) -> bool:
        """Whether the app can work with it."""
        return not self.required or self.agreed(ticked).covers(self.required)

    def needed(self) -> frozenset[str]:
        """The boxes that can't be unticked without stopping the app from working."""
        everything = frozenset(self.boxes)
        near = (question for question in self.questions if self.is_about_required(question))
        boxes = (*map(str, self.alone), *(box for question in near for box in question.boxes()))
        return frozenset(box for box in boxes if not self.is_enough(everything - {box}))

    def is_about_required(self, question: Question) -> bool:
        return any(scope.narrow((question.about.data,)) for scope in self.required)


def offer(judgement: Judgement, required: ScopeSet, catalogue: Catalogue, types: Collection[str]) -> Offer:
    """What is asked about a grant; of ``types`` are the kinds that ``*`` can be narrowed to.

    Finer kinds are left out where the whole is required, and all of them if the result could become too long to say.
    """
    granted = judgement.granted
    needed = required.narrow_to(granted)
    whole = [Question(Part(catalogue.of_type(data.type), data)) for data in distinct(granted)]
    finer = [question if is_required(question, needed) else split(question, catalogue, types) for question in whole]
    if not fits(granted, [data for question in finer for data in question.about.finest()]):
        finer = whole
    online = any(verdict.reason is Reason.SUPERSEDED for verdict in judgement.verdicts)
    return Offer(granted, online, needed, tuple(finer))


def is_required(question: Question, required: ScopeSet) -> bool:
    """Whether the app needs to see, or to change, all of it."""
    return any(required.covers(question.about.data.only(letters)) for _, letters in question.actions)


def split(question: Question, catalogue: Catalogue, types: Collection[str]) -> Question:
    about = question.about
    if about.data.query:
        return question
    if about.data.type != "*":
        return Question(finer_part(about, about.kind, catalogue))
    parts = (finer_part(about, kind, catalogue) for kind in catalogue.types if kind.type in types)
    return Question(replace(about, parts=tuple(parts), box=f"{about.data} rest"))


def finer_part(whole: Part, kind: Kind, catalogue: Catalogue) -> Part:
    """The data of one type, by its categories if there are any."""
    parts = tuple(leaf(whole, category) for category in catalogue.categories(kind.type))
    if not parts:
        return whole if kind == whole.kind else leaf(whole, kind)
    data = leaf(whole, kind).data
    return Part(kind, data, f"{whole.data} rest of {kind.id}", parts)


def leaf(whole: Part, kind: Kind) -> Part:
    data = whole.data
    (piece,) = ScopeSet((data,)).narrow_to(ScopeSet((kind.within(data.level),))).resources
    return Part(kind, piece.only(data.interactions), f"{data} {kind.id}")
