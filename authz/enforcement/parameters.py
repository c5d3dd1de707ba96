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
REVERSE = re.compile(r"_has:(?P<type>[A-Z][A-Za-z]+):[A-Za-z][A-Za-z0-9-]*:")
MAX_NAME = 256  # characters of a parameter's name
COMMA = re.compile(r"(?<!\\),")
SORT = re.compile(r"-?_?[A-Za-z][A-Za-z0-9-]*(?:,-?_?[A-Za-z][A-Za-z0-9-]*)*")
INCLUDES = ("_include", "_revinclude")
# how many of the matches are shown, in which order and form
CONTROL = frozenset(
    {"_format", "_pretty", "_summary", "_elements", "_count", "_total", "_sort", "_offset", "_page", "_maxresults"}
)
# of the resource itself, so they can only take matches away
OF_THE_RESOURCE = frozenset({"_id", "_lastUpdated", "_tag", "_profile", "_security", "_source", "_language"})
# whose way can't be told, those among them that shape an answer and stand elsewhere than alone
ANYWHERE = (
    frozenset({"_has", "_filter", "_contained", "_containedType", "_list", "_text", "_content", "_type", "_in"})
    | CONTROL
    | frozenset(INCLUDES)
)
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
        if self.is_control:
            return frozenset()
        return self.included() if self.code in INCLUDES and not self.chain else stepped_into(self.text)

    def included(self) -> frozenset[str]:
        """``Source:parameter:Target``; what is included without a target may be anything."""
        source, _, rest = ",".join(self.values).partition(":")
        parameter, _, target = rest.partition(":")
        if not TYPE.fullmatch(source) or not CODE.fullmatch(parameter):
            return frozenset({ANY})
        if self.code == "_revinclude" and not target:
            return frozenset({source})
        return frozenset({source, target if TYPE.fullmatch(target) else ANY})


def stepped_into(name: str) -> frozenset[str]:
    """The types whose resources are looked at on the way that a name goes, its last step like its first one.

    ``subject:Patient.name`` goes to Patients, ``_has:Observation:patient:code`` to Observations, and each may follow
    the other (FHIR R5 3.2.1.6.6 "Reverse Chaining"). Whatever is not known to stay where it stands goes anywhere.
    Raises Undecidable for what is no way, or a step of which nobody knows what it does.
    """
    if len(name) > MAX_NAME:
        raise Undecidable("a search parameter with a longer name than anybody needs")
    if reverse := REVERSE.match(name):
        return frozenset({reverse["type"]}) | stepped_into(name[reverse.end() :])
    step, goes_on, rest = name.partition(".")
    code, _, modifier = step.partition(":")
    if code in ANYWHERE:
        return frozenset({ANY})
    if not CODE.fullmatch(code) or (code.startswith("_") and code not in OF_THE_RESOURCE):
        raise Undecidable(f"{printable(name)} can't be decided about")
    if goes_on:
        is_told = TYPE.fullmatch(modifier) and code not in OF_THE_RESOURCE
        return frozenset({modifier if is_told else ANY}) | stepped_into(rest)
    return frozenset() if modifier in LOCAL_MODIFIERS or TYPE.fullmatch(modifier) else frozenset({ANY})


def printable(name: str) -> str:
    """A parameter's name fit to be repeated in a sentence."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-:.") else "?" for c in name[:60])
