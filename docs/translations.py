"""Brings ``authz/translations`` up to date: new texts are added, empty, those no longer said go, all is compiled."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(__file__).resolve().parent.parent / "authz"
CATALOGUES = SOURCE / "translations"
METHODS = [("templates/**.html", "jinja2"), ("**.py", "python")]
OPTIONS = {"templates/**.html": {"silent": "false"}}
ALWAYS = datetime(2026, 1, 1, tzinfo=UTC)  # a compiled file is the same whenever it is made
KEYWORDS = {"gettext": None, "_": None, "mark": None, "ngettext": (1, 2)}


def said() -> Catalog:
    """Every text that people read, as it stands in the code."""
    catalog = Catalog(charset="utf-8")
    found = extract_from_dir(
        SOURCE, METHODS, OPTIONS, KEYWORDS, comment_tags=("for translators:",), strip_comment_tags=True
    )
    for _file, _line, message, comments, context in found:
        catalog.add(message, None, auto_comments=comments, context=context)
    return catalog


def files() -> Iterator[Path]:
    yield from sorted(CATALOGUES.glob("*/LC_MESSAGES/messages.po"))


def read(file: Path) -> Catalog:
    with file.open("rb") as stream:
        catalog = read_po(stream, locale=file.parts[-3])
    catalog.creation_date = catalog.revision_date = ALWAYS
    return catalog


def updated(before: Catalog, template: Catalog) -> Catalog:
    """Nothing is guessed: a text that was changed is to be translated anew."""
    before.update(template, no_fuzzy_matching=True, update_creation_date=False)
    before.obsolete.clear()
    return before


def as_po(catalog: Catalog) -> bytes:
    made = BytesIO()
    write_po(made, catalog, width=0, no_location=True, omit_header=True, sort_output=True, include_previous=False)
    return made.getvalue()


def as_mo(catalog: Catalog) -> bytes:
    made = BytesIO()
    write_mo(made, catalog)
    return made.getvalue()


def main() -> None:
    template = said()
    for file in files():
        catalog = updated(read(file), template)
        file.write_bytes(as_po(catalog))
        file.with_suffix(".mo").write_bytes(as_mo(catalog))
        left = [message for message in catalog if message.id and not message.string]
        print(f"{file.parts[-3]}: {len(catalog)} texts, {len(left)} to translate")  # noqa: T201  this is its output


if __name__ == "__main__":
    main()
