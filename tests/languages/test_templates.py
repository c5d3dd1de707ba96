"""What stands in a page for people is a text that translators get, or a name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jinja2 import Environment, nodes

import authz

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(authz.__file__).parent / "templates"
OF_STAFF = ("admin", "developers", "support")  # decision 53: in English
TEMPLATES = sorted(file.name for file in FOLDER.glob("*.html") if not file.name.startswith(OF_STAFF))
GETTEXT = frozenset({"_", "gettext", "ngettext"})
MARKUP = re.compile(r"<(style|script|svg)\b.*?</\1>|<[^>]*>|&\w+;", re.DOTALL)
WORD = re.compile(r"[A-Za-z]{2,}")
NO_TEXT = re.compile(r"[^A-Za-z]*|.*=.*|/.*|.*\.css| ?(autofocus|checked|disabled|problem|second|wide) ?|[%HM:]*")


def tree(name: str) -> nodes.Template:
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    environment.newstyle_gettext = True  # type: ignore[attr-defined]  # of the extension
    page = environment.parse((FOLDER / name).read_text())
    for one in page.find_all(nodes.If):
        if isinstance(one.test, nodes.Name) and one.test.name == "is_preview":
            one.body = []  # for makers of apps: in English
    return page


def literal(page: nodes.Template) -> str:
    """The template's own text, with a mark where something is filled in."""
    parts = (part for output in page.find_all(nodes.Output) for part in output.nodes)
    return "".join(part.data if isinstance(part, nodes.TemplateData) else "{}" for part in parts)


def constants(found: nodes.Node) -> Iterator[str]:
    """Texts in what is filled in, but for those that go through gettext."""
    for one in found.iter_child_nodes():
        if isinstance(one, nodes.Call) and isinstance(one.node, nodes.Name) and one.node.name in GETTEXT:
            yield from (text for part in one.kwargs for text in constants(part))
        elif isinstance(one, nodes.Const) and isinstance(one.value, str):
            yield one.value
        else:
            yield from constants(one)


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_text_stands_in_a_template_by_itself(name: str) -> None:
    """Issue 6.8, decision 53: in any branch of it."""
    page = tree(name)
    assert WORD.findall(MARKUP.sub(" ", literal(page))) == []
    filled_in = (text for output in page.find_all(nodes.Output) for text in constants(output))
    assert [text for text in filled_in if not NO_TEXT.fullmatch(text)] == []


@pytest.mark.parametrize("text", ["Error: ", "else ", "%(count)s apps", "You are a person", "person"])
def test_a_text_is_told_from_an_attribute(text: str) -> None:
    assert not NO_TEXT.fullmatch(text)
