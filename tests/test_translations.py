"""Every text that people read is there in every language, with the same places to fill in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from docs import translations

if TYPE_CHECKING:
    from pathlib import Path

    from babel.messages.catalog import Catalog, Message

PLACE = re.compile(r"%\((\w+)\)[sd]|\{(\w*)\}|</?(\w+)[^>]*>")
FILES = {file.parts[-3]: file for file in translations.files()}


@pytest.fixture(scope="module")
def said() -> Catalog:
    return translations.said()


def texts(message: Message) -> list[tuple[tuple[str, ...], str]]:
    """Original and translation; of a plural each form, and both originals."""
    if isinstance(message.id, tuple):
        return [(message.id, form) for form in message.string or ()]
    return [((str(message.id),), str(message.string))]


def places(text: str) -> list[object]:
    return sorted(PLACE.findall(text))


def test_french_and_spanish_are_there() -> None:
    assert set(FILES) == {"fr_CA", "es"}


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_a_catalogue_is_complete(file: Path, said: Catalog) -> None:
    catalog = translations.read(file)
    assert {message.id for message in catalog} == {message.id for message in said}, "make translations"
    assert [message.id for message in catalog if message.id and not all(form for _, form in texts(message))] == []


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_what_is_filled_in_is_the_same_in_every_language(file: Path) -> None:
    """A name that is left out would be hidden from the person; one that does not exist would be an error.

    A number may be left out as it is in English: "this app" for one, "these 2 apps" for two.
    """
    for message in translations.read(file):
        for originals, translation in texts(message) if message.id else []:
            assert places(translation) in [places(original) for original in originals], originals


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_the_compiled_catalogue_is_that_of_its_source(file: Path) -> None:
    assert file.with_suffix(".mo").read_bytes() == translations.as_mo(translations.read(file)), "make translations"
