"""Counts the steps by which a backtracking engine, such as ``re``, decides on a text, on any machine the same.

It reads the tree that ``re`` itself makes of a pattern, and tries what ``re`` tries, in the same order.
"""

from __future__ import annotations

import re
from itertools import product
from re import _constants as sre  # type: ignore[attr-defined]  # the tree's own names; there are no others
from re import _parser as parser  # type: ignore[attr-defined]  # the only way to that tree
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Tree = list[tuple[Any, Any]]
ENOUGH = 200_000  # steps: whatever needs more for a short text is caught
SAMPLES = "a0A-_.:/ " + "".join(map(chr, range(0x250)))
MOST_SAMPLES = 6
TAIL = "\n\0"  # fits hardly anything


class TooManySteps(Exception):
    pass


class Steps:
    """Of one pattern over one text."""

    def __init__(self, pattern: re.Pattern[Any], text: str) -> None:
        source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
        self.tree: Tree = list(parser.parse(source, pattern.flags & ~re.UNICODE))
        self.text = text.lower() if pattern.flags & re.IGNORECASE else text
        self.count = 0

    def of_fullmatch(self) -> int:
        next(self.ends([*self.tree, (sre.AT, sre.AT_END_STRING)], 0), None)
        return self.count

    def of_search(self) -> int:
        """All matches one after the other, as ``sub`` and ``findall`` look for them."""
        position = 0
        while position <= len(self.text):
            end = next(self.ends(self.tree, position), None)
            position = position + 1 if end is None or end == position else end
        return self.count

    def ends(self, tree: Tree, position: int) -> Iterator[int]:
        """Where a match of the tree may end, in the order in which they are tried."""
        if not tree:
            yield position
            return
        for end in self.one(*tree[0], position):
            yield from self.ends(tree[1:], end)

    def one(self, kind: Any, what: Any, position: int) -> Iterator[int]:
        self.count += 1
        if self.count > ENOUGH:
            raise TooManySteps
        match kind:
            case sre.SUBPATTERN:
                yield from self.ends(list(what[3]), position)
            case sre.BRANCH:
                for branch in what[1]:
                    yield from self.ends(list(branch), position)
            case sre.MAX_REPEAT | sre.MIN_REPEAT:
                yield from self.repeat(kind is sre.MAX_REPEAT, what, 0, position)
            case sre.POSSESSIVE_REPEAT:
                yield from self.first(self.repeat(True, what, 0, position))
            case sre.ATOMIC_GROUP:
                yield from self.first(self.ends(list(what), position))
            case sre.ASSERT | sre.ASSERT_NOT:
                yield from self.look(kind is sre.ASSERT, what, position)
            case _:
                yield from self.single(kind, what, position)

    def single(self, kind: Any, what: Any, position: int) -> Iterator[int]:
        """A place between characters, or one character."""
        if kind is sre.AT:
            if self.is_at(what, position):
                yield position
        elif position < len(self.text) and fits(kind, what, self.text[position]):
            yield position + 1

    def look(self, wanted: bool, what: Any, position: int) -> Iterator[int]:  # noqa: FBT001  as in ``re``
        """Ahead or behind."""
        begin = position - (what[1].getwidth()[1] if what[0] < 0 else 0)
        found = begin >= 0 and next(self.ends(list(what[1]), begin), None) is not None
        if found is wanted:
            yield position

    def repeat(self, greedy: bool, what: Any, done: int, position: int) -> Iterator[int]:  # noqa: FBT001  as in ``re``
        least, most, body = what
        if not greedy and done >= least:
            yield position
        if done < most:
            for end in self.ends(list(body), position):
                if end > position or done < least:
                    yield from self.repeat(greedy, what, done + 1, end)
        if greedy and done >= least:
            yield position

    def first(self, found: Iterator[int]) -> Iterator[int]:
        end = next(found, None)
        if end is not None:
            yield end

    def is_at(self, what: Any, position: int) -> bool:
        match what:
            case sre.AT_BEGINNING | sre.AT_BEGINNING_STRING:
                return position == 0
            case sre.AT_END | sre.AT_END_STRING:
                return position == len(self.text)
            case _:
                return True  # a border of words: the more is tried, the better


def fits(kind: Any, what: Any, character: str) -> bool:
    """Whether a part that stands for one character stands for this one."""
    match kind:
        case sre.LITERAL:
            return bool(ord(character) == what)
        case sre.NOT_LITERAL:
            return bool(ord(character) != what)
        case sre.ANY:
            return True
        case sre.RANGE:
            return bool(what[0] <= ord(character) <= what[1])
        case sre.CATEGORY:
            name = str(what).rpartition("_")[2]
            is_in = {"SPACE": character.isspace(), "DIGIT": character.isdigit(), "WORD": character.isalnum()}[name]
            return is_in is ("NOT" not in str(what))
        case sre.IN:
            is_negated = what[0][0] is sre.NEGATE
            return any(fits(part, of, character) for part, of in what[is_negated:]) is not is_negated
    raise AssertionError(f"{kind} is not known here")


def example(tree: Tree) -> str:
    """A short text that the tree matches."""
    return "".join(shortest(*part) for part in tree)


def shortest(kind: Any, what: Any) -> str:  # noqa: PLR0911  one line for each kind
    match kind:
        case sre.SUBPATTERN:
            return example(list(what[3]))
        case sre.BRANCH:
            return min((example(list(branch)) for branch in what[1]), key=len)
        case sre.MAX_REPEAT | sre.MIN_REPEAT | sre.POSSESSIVE_REPEAT:
            return example(list(what[2])) * int(what[0])
        case sre.ATOMIC_GROUP:
            return example(list(what))
        case sre.AT | sre.ASSERT | sre.ASSERT_NOT:
            return ""
        case sre.LITERAL:
            return chr(what)
    return next(character for character in SAMPLES if fits(kind, what, character))


def inside(tree: Tree, before: str = "") -> Iterator[tuple[str, Tree]]:
    """Every repeat's body, and a text that leads there."""
    for kind, what in tree:
        match kind:
            case sre.MAX_REPEAT | sre.MIN_REPEAT | sre.POSSESSIVE_REPEAT:
                yield before, list(what[2])
                yield from inside(list(what[2]), before)
            case sre.SUBPATTERN:
                yield from inside(list(what[3]), before)
            case sre.BRANCH:
                for branch in what[1]:
                    yield from inside(list(branch), before)
            case sre.ATOMIC_GROUP:
                yield from inside(list(what), before)
        before += shortest(kind, what)


def characters(tree: Tree) -> Iterator[str]:
    """Some that its parts stand for."""
    for kind, what in tree:
        match kind:
            case sre.MAX_REPEAT | sre.MIN_REPEAT | sre.POSSESSIVE_REPEAT:
                yield from characters(list(what[2]))
            case sre.SUBPATTERN:
                yield from characters(list(what[3]))
            case sre.BRANCH:
                for branch in what[1]:
                    yield from characters(list(branch))
            case sre.AT | sre.ASSERT | sre.ASSERT_NOT | sre.ATOMIC_GROUP:
                pass
            case _:
                yield from [one for one in SAMPLES if fits(kind, what, one)][:2]
                yield from [chr(what)] if kind is sre.LITERAL else []


def worst(pattern: re.Pattern[Any], times: int) -> list[str]:
    """Texts that lead into each repeat, go on there for so long, and fit in the end or do not."""
    tree = Steps(pattern, "").tree
    marks = [one for one in dict.fromkeys(characters(tree)) if not one.isalnum()][:MOST_SAMPLES]
    found = []
    for before, body in inside(tree):
        known = dict.fromkeys([*list(dict.fromkeys(characters(body)))[:MOST_SAMPLES], *marks])
        units = [*map("".join, product(known, repeat=2)), example(body)]
        found += [before + unit * times + tail for unit in units for tail in ("", TAIL)]
    return found
