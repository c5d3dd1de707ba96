"""Dates and times of FHIR as people read them: in their language, as exact as the record, in its own time zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from authz.wording import gettext, mark, written

DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d:\d\d).*)?)?)?")
# for translators: MMM short month, y year (Unicode CLDR)
MONTH = mark("MMM y")
# for translators: d day, MMM short month, y year (Unicode CLDR)
DAY = mark("d MMM y")
# for translators: HH hour, mm minute (Unicode CLDR); other words between ' '
MINUTE = mark("d MMM y, HH:mm")
EARLIEST = datetime.min.replace(tzinfo=UTC)


def stretch(start: Any, end: Any, *, is_over: bool) -> str:
    """``3 Jan 2026, 09:00 to 11:15``."""
    began, ended = in_words(start), in_words(end)
    if not began:
        return gettext("until %(end)s", end=ended) if ended else ""
    if not ended:
        return began if is_over else gettext("since %(start)s", start=began)
    if ended == began:
        return began
    if "T" in start and "T" in end and start.partition("T")[0] == end.partition("T")[0]:
        # for translators: HH hour, mm minute (Unicode CLDR); other words between ' '
        ended = written(moment(end), gettext("HH:mm"))
    return gettext("%(start)s to %(end)s", start=began, end=ended)


def in_words(value: Any) -> str:
    """A FHIR date or dateTime that nobody misreads: "5 Mar 2019", "5 Mar 2019, 09:30", "Mar 2019"; else nothing."""
    match = DATE.fullmatch(value) if isinstance(value, str) else None
    at = moment(value)
    if match is None or at is EARLIEST:
        return ""
    year, month, day, clock = match.groups()
    if not month:
        return str(year)
    pattern = MINUTE if clock else DAY if day else MONTH
    return written(at, gettext(pattern))


def moment(value: Any) -> datetime:
    """EARLIEST for what is no date; one without a time zone counts as UTC."""
    match = DATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return EARLIEST
    try:
        read = datetime.fromisoformat(value if match[3] else f"{match[1]}-{match[2] or '01'}-01")
    except ValueError:
        return EARLIEST
    return read if read.tzinfo else read.replace(tzinfo=UTC)
