"""A language with every text in brackets: what a page says outside of them was never given to a translator."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from docs import translations
from tests.actors import Browser

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.transport import Reply

TAG = "eo"  # nobody would take its months or its "and" for English
OPEN, CLOSE = "⟦", "⟧"
ITS_OWN = frozenset({"kaj", "aŭ"})  # "and", "or" between the parts of a list
WORD = re.compile(r"[^\W\d_]{2,}")
READ_ALOUD = ("alt", "aria-label", "placeholder", "title")
UNREAD = frozenset({"code", "script", "style", "svg"})
VOID = frozenset({"br", "hr", "img", "input", "link", "meta", "path"})


def lay_down(folder: Path) -> Path:
    """Put a catalogue of every text there is into ``folder``."""
    made = Catalog(locale=TAG, charset="utf-8")
    for message in translations.said():
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        marked = tuple(f"{OPEN}{one}{CLOSE}" for one in ids)
        if message.id:
            made.add(message.id, marked if isinstance(message.id, tuple) else marked[0])
    file = folder / TAG / "LC_MESSAGES" / "messages.mo"
    file.parent.mkdir(parents=True)
    with file.open("wb") as stream:
        write_mo(stream, made)
    return folder


class Page(HTMLParser):
    """The words of a page that stand outside of all brackets, but for those that are marked as English."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.depth = 0
        self.unread: list[bool] = []  # of the elements that are open
        self.outside: list[str] = []
        self.feed(text)
        assert self.depth == 0, "brackets without an end"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag not in VOID:
            self.unread.append(tag in UNREAD or (tag != "html" and found.get("lang") == "en"))
        for name in READ_ALOUD:
            self.handle_data(found.get(name) or "")

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            self.unread.pop()

    def handle_data(self, data: str) -> None:
        if any(self.unread):
            return
        for part in re.split(f"([{OPEN}{CLOSE}])", data):
            self.depth += (part == OPEN) - (part == CLOSE)
            if not self.depth and part != CLOSE and part.strip():
                self.outside.append(part.strip())


def left_over(text: str, data: frozenset[str]) -> list[str]:
    """What of a page is neither in brackets nor one of these names of people, apps and places."""
    found = []
    for part in Page(text).outside:
        for one in sorted(data, key=len, reverse=True):
            part = part.replace(one, "")  # noqa: PLW2901  name after name
        found += [part.strip()] if set(WORD.findall(part)) - ITS_OWN else []
    return found


@dataclass
class Reader(Browser):
    """A person who reads every page they come to, and notes what is in no language of theirs."""

    languages: str = TAG
    data: frozenset[str] = frozenset()
    headers: dict[str, str] = field(default_factory=dict)  # what the browser adds to each request
    titles: list[str] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)

    def request(self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
        reply = super().request(method, url, body, {**(headers or {}), **self.headers})
        if "<html" in reply.text:
            assert reply.header("Content-Language") == TAG, url
            heading = re.search(r"<h1>(.*?)</h1>", reply.text, re.DOTALL)
            self.titles.append(heading[1] if heading else "")
            self.left += [(self.titles[-1], one) for one in left_over(reply.text, self.data)]
        return reply
