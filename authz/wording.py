"""What people read, in their language; the one home of flask-babel.

Texts stand in the code in English: ``gettext("…")`` where they are said, ``mark("…")`` in a table that is made when the
program starts, and then ``gettext(text)`` where it is said. The catalogues are in ``translations/``, which
``make translations`` brings up to date. Outside a request, as in the command line, everything is English.

What programs read (error codes, ``error_description``, the audit trail, logs) is English, always.
"""

from __future__ import annotations

import re
import unicodedata
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import flask_babel
from babel import Locale
from babel.dates import format_datetime
from babel.lists import format_list

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

__all__ = [
    "all_of",
    "alphabetical",
    "any_of",
    "capital",
    "choose",
    "day",
    "folders",
    "gettext",
    "language",
    "mark",
    "moment",
    "ngettext",
    "offered",
    "prefer",
    "said",
    "wishes",
    "written",
]

ENGLISH = "en"
APOSTROPHE = "\N{RIGHT SINGLE QUOTATION MARK}"  # no space after it
LISTS = {ENGLISH: "en_001"}  # "a, b and c", as outside the United States
OURS = Path(__file__).resolve().parent / "translations"
PLACE = re.compile(r"(?<!\")%\(\w+\)[sd]")  # but in an attribute
FIRST_STRONG_ISOLATE = "\u2068\\g<0>\u2069"
MOST_WISHES = 20  # read of what a request wishes; each costs a look at all that is offered
WISHES: ContextVar[tuple[str, ...]] = ContextVar("wishes", default=())


def mark(text: str) -> str:
    """A text to be translated, where it is only kept."""
    return text


def gettext(text: str, **values: object) -> str:
    """In the language of the page, with its ``%(name)s`` filled in."""
    said = translated(text)
    return said % values if values else said


def ngettext(one: str, many: str, num: int, **values: object) -> str:
    """The same for a number of things, which is ``%(num)s``."""
    return translated_plural(one, many, num) % {"num": num, **values}


def translated(text: str) -> str:
    """As ``gettext``, with nothing filled in: templates do that themselves."""
    return isolated(str(flask_babel.get_translations().ugettext(text)))


def translated_plural(one: str, many: str, num: int) -> str:
    return isolated(str(flask_babel.get_translations().ungettext(one, many, num)))


def isolated(text: str) -> str:
    """From right to left, what is filled in keeps a direction of its own and turns nothing around it (UAX 9 §2.3)."""
    return PLACE.sub(FIRST_STRONG_ISOLATE, text) if "%(" in text and direction() == "rtl" else text


def said(text: str) -> str:
    """A text of a table, where an installation's own, which no catalogue has, stays as it is."""
    return gettext(text) if text else ""


def folders(of_site: str) -> list[Path]:
    """Where catalogues are, later ones before earlier ones: an installation may say things otherwise than we do."""
    return [OURS, *([Path(of_site).resolve()] if of_site else [])]


def offered(of_site: str) -> dict[str, str]:
    """Language tags, each with the name of its catalogue's folder: ``fr-CA`` is in ``fr_CA``."""
    found = {file.parts[-3] for folder in folders(of_site) for file in folder.glob("*/LC_MESSAGES/messages.mo")}
    return {name.replace("_", "-"): name for name in (ENGLISH, *sorted(found - {ENGLISH}))}


def prefer(languages: str | None) -> None:
    """The person's languages as ``ui_locales`` says them: the best first, with spaces between (OIDC Core §3.1.2.1)."""
    WISHES.set(tuple((languages or "").split()[:MOST_WISHES]))
    flask_babel.refresh()


def wishes() -> tuple[str, ...]:
    """What was preferred in this request, before what the browser says."""
    return WISHES.get()


def choose(wished: Iterable[str], offered: Collection[str]) -> str | None:
    """The first wish that can be met: a tag as it is, or without what follows its language, or a sister of it.

    ``fr`` and ``fr-FR`` are met by ``fr-CA`` where there is no nearer one (RFC 4647 §3.4, and beyond it).
    """
    by_tag = {tag.lower(): tag for tag in offered}
    for wish in wished:
        tag = wish.lower().replace("_", "-")
        main = tag.partition("-")[0]
        sisters = sorted(one for one in by_tag if one.partition("-")[0] == main)
        for candidate in (tag, main, *sisters):
            if candidate in by_tag:
                return by_tag[candidate]
    return None


def language() -> str:
    """The tag of this page's language, such as ``fr-CA`` (BCP 47)."""
    return str(locale()).replace("_", "-")


def direction() -> str:
    """``ltr`` or ``rtl``."""
    return str(locale().text_direction)


def locale() -> Locale:
    return flask_babel.get_locale() or Locale(ENGLISH)


def all_of(texts: Sequence[str]) -> str:
    """``a, b and c``."""
    return format_list(texts, locale=LISTS.get(language(), locale()))


def any_of(texts: Sequence[str]) -> str:
    """``a, b or c``."""
    return format_list(texts, style="or", locale=LISTS.get(language(), locale()))


def capital(text: str) -> str:
    """The first letter large, the others as they are: ``HIV results`` stays so."""
    return text[:1].upper() + text[1:]


def alphabetical(text: str) -> str:
    """What a text is sorted by: nobody looks for ``the care team`` under T."""
    plain = bare(text)
    # for translators: your articles, which do not count in an alphabet, with spaces between
    for article in map(bare, gettext("the").split()):
        start = article if article.endswith(APOSTROPHE) else f"{article} "
        if plain.startswith(start):
            return plain.removeprefix(start)
    return plain


@lru_cache(maxsize=1000)  # the same titles, at every page
def bare(text: str) -> str:
    """Without accents and capitals."""
    return "".join(one for one in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(one))


def written(at: datetime, pattern: str) -> str:
    """A date or time as its own time zone has it; the pattern is of Unicode CLDR, such as ``d MMM y, HH:mm``."""
    return format_datetime(at, pattern, tzinfo=at.tzinfo, locale=locale())


def day(at: datetime) -> str:
    """``3 May 2026``."""
    # for translators: d day, MMMM month, y year (Unicode CLDR); other words between ' '
    return str(flask_babel.format_date(at, gettext("d MMMM y")))


def moment(at: datetime) -> str:
    """``3 May 2026, 14:05 UTC``."""
    # for translators: d day, MMMM month, y year, HH hour, mm minute (Unicode CLDR); other words between ' '
    return str(flask_babel.format_datetime(at, gettext("d MMMM y, HH:mm 'UTC'")))
