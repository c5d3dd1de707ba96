"""One search parameter, taken apart: code, modifier, chain, and the other types it lets the server look into."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.enforcement.url import Undecidable

if TYPE_CHECKING:
    from authz.enforcement.url import Pair

ANY = "*"  # the type can't be told: any
CODE = re.compile(r"_?[A-Za-z][A-Za-z0-9-]*")
TYPE = re.compile(r"[A-Z][A-Za-z]+")
COMMA = re.compile(r"(?<!\\),")
SORT = re.compile(r"-?_?[A-Za-z][A-Za-z0-9-]*(?:,-?_?[A-Za-z][A-Za-z0-9-]*)*")
INCLUDES = ("_include", "_revinclude")
# how many of the matches are shown, in which order and form
CONTROL = frozenset(
    {"_format", "_pretty", "_summary", "_elements", "_count", "_total", "_sort", "_offset", "_page", "_maxresults"}
)
# of the resource itself, so they can only take matches away
OF_THE_RESOURCE = frozenset({"_id", "_lastUpdated", "_tag", "_profile", "_security", "_source", "_language"})
ANYWHERE = frozenset({"_filter", "_contained", "_containedType", "_list", "_text", "_content", "_type", "_in"})
LOCAL_MODIFIERS = frozenset({"", "exact", "contains", "not", "missing", "of-type", "identifier"})


@dataclass(frozen=True, slots=True)
class Parameter:
    """``code:modifier`` or ``code[:Type].chain``, and the alternatives of its value."""

    code: str
    modifier: str
    chain: tuple[str, ...]  # further steps of a chain
    values: tuple[str, ...]
    text: str  # the whole name

    @classmethod
    def parse(cls, pair: Pair) -> Parameter:
        """Raises Undecidable for a name that no search has."""
        name, value = pair
        first, *chain = name.split(".")
        code, _, modifier = first.partition(":")
        if not CODE.fullmatch(code) or (code not in ("_has", *INCLUDES) and modifier.count(":")):
            raise Undecidable(f"{printable(name)} is no search parameter")
        return cls(code, modifier, tuple(chain), tuple(COMMA.split(value)), name)

    @property
    def is_plain(self) -> bool:
        return not self.modifier and not self.chain

    @property
    def is_control(self) -> bool:
        """Whether it only shapes the answer. A chained ``_sort`` would order by what is elsewhere."""
        if self.code not in CONTROL or not self.is_plain:
            return False
        return self.code != "_sort" or bool(SORT.fullmatch(",".join(self.values)))

    def looks_into(self) -> frozenset[str]:
        """Types besides the searched one whose resources decide about the result or come with it; ANY: can't be told.

        Raises Undecidable.
        """
        if self.code in INCLUDES:
            return self.included()
        if self.code == "_has":
            return self.reverse_chained()
        if self.code in ANYWHERE or (self.code == "_sort" and not self.is_control):
            return frozenset({ANY})
        if self.code.startswith("_") and self.code not in OF_THE_RESOURCE | CONTROL:
            raise Undecidable(f"{printable(self.text)} can't be decided about")
        if self.chain:
            steps = [self.modifier, *(step.partition(":")[2] for step in self.chain[:-1])]
            return frozenset(step if TYPE.fullmatch(step) else ANY for step in steps)
        return frozenset() if self.modifier in LOCAL_MODIFIERS or TYPE.fullmatch(self.modifier) else frozenset({ANY})

    def included(self) -> frozenset[str]:
        """``Source:parameter:Target``; what is included without a target may be anything."""
        source, _, rest = ",".join(self.values).partition(":")
        parameter, _, target = rest.partition(":")
        if not TYPE.fullmatch(source) or not CODE.fullmatch(parameter):
            return frozenset({ANY})
        if self.code == "_revinclude":
            return frozenset({source})
        return frozenset({source, target if TYPE.fullmatch(target) else ANY})

    def reverse_chained(self) -> frozenset[str]:
        """``_has:Observation:patient:code``, which may hold another ``_has``."""
        parts = self.modifier.split(":")
        types = frozenset(parts[0::3] if "_has" in parts else parts[:1])
        return types if not self.chain and all(map(TYPE.fullmatch, types)) else frozenset({ANY})


def printable(name: str) -> str:
    """A parameter's name fit to be repeated in a sentence."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-:.") else "?" for c in name[:60])
