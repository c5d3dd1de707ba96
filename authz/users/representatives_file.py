"""A file that says who acts for whom: CSV with a header, or a JSON array of objects with the same members."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from typing import TYPE_CHECKING, Any

from authz.errors import InvalidValue
from authz.fhir_servers.bundle import FHIR_ID
from authz.strict_json import NotStrictJson
from authz.strict_json import parse as parse_json
from authz.users.user import Representation, relationship

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NEEDED = ("user", "patient", "relationship")
COLUMNS = (*NEEDED, "provider", "fhir_server", "until")
MAX_ROWS = 10_000
MAX_BYTES = 4_000_000
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2})?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?")


@dataclass(frozen=True, slots=True)
class Row:
    """What one line says; whether there is such a user and such a FHIR server, the file can't know."""

    number: int
    user: str  # login name or sub; the subject at the provider, where one is named
    represented: Representation
    provider: str = ""
    fhir_server: str = ""  # empty: the only one there is


@dataclass(frozen=True, slots=True)
class RepresentativesFile:
    """The rows that can be read, and what is wrong with the others."""

    counts: str  # "line" or "entry": what the numbers are of
    rows: tuple[Row, ...] = ()
    problems: tuple[tuple[int, str], ...] = field(default=())

    def refuse(self, found: Iterable[tuple[int, str]]) -> None:
        """Raises InvalidValue with every problem, here and ``found``, in the order of the file."""
        problems = sorted([*self.problems, *found])
        if problems:
            raise InvalidValue("; ".join(f"{self.counts} {number}: {text}" for number, text in problems))


def read(name: str, data: bytes) -> RepresentativesFile:
    """Read a file by the end of its name. Raises InvalidValue for one that is no such file at all."""
    if len(data) > MAX_BYTES:
        raise InvalidValue(f"a file is at most {MAX_BYTES} bytes")
    if name.endswith(".csv"):
        return from_entries("line", csv_entries(data))
    if name.endswith(".json"):
        return from_entries("entry", json_entries(data))
    raise InvalidValue(f"{name}: the name of a file ends with .csv or .json")


def from_entries(counts: str, entries: Iterable[tuple[int, Any]]) -> RepresentativesFile:
    rows: list[Row] = []
    problems: list[tuple[int, str]] = []
    for count, (number, entry) in enumerate(entries):
        if count == MAX_ROWS:
            raise InvalidValue(f"a file has at most {MAX_ROWS} rows")
        row = row_of(number, entry)
        if isinstance(row, Row):
            rows.append(row)
        else:
            problems += [(number, text) for text in row]
    return RepresentativesFile(counts, tuple(rows), tuple(problems))


def csv_entries(data: bytes) -> Iterator[tuple[int, Any]]:
    try:
        reader = csv.reader(StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        header = next(reader, [])
        if len(set(header)) < len(header) or not set(NEEDED) <= set(header) <= set(COLUMNS):
            raise InvalidValue(
                f"line 1: the columns are {', '.join(NEEDED)} and, if wanted, provider, fhir_server, until"
            )
        for fields in reader:
            if fields:
                yield reader.line_num, dict(zip(header, fields, strict=True)) if len(fields) == len(header) else None
    except (UnicodeDecodeError, csv.Error) as cause:
        raise InvalidValue(f"the file can't be read as CSV in UTF-8: {cause}") from cause


def json_entries(data: bytes) -> Iterator[tuple[int, Any]]:
    try:
        found = parse_json(data, max_depth=2, max_nodes=1 + MAX_ROWS * (1 + len(COLUMNS)))
    except NotStrictJson as cause:
        raise InvalidValue(f"the file can't be read: {cause}") from cause
    if not isinstance(found, list):
        raise InvalidValue("the file must hold a JSON array")
    yield from enumerate(found, start=1)


def row_of(number: int, entry: Any) -> Row | list[str]:
    """The row, or everything that is wrong with it."""
    if not isinstance(entry, dict) or not set(entry) <= set(COLUMNS):
        return [f"it does not have the columns {', '.join(COLUMNS)}"]
    if not all(isinstance(value, str) for value in entry.values()):
        return ["every value is text"]
    said = {name: entry.get(name, "").strip() for name in COLUMNS}
    problems = [f"{name} is missing" for name in NEEDED if not said[name]]
    patient, until = said["patient"].removeprefix("Patient/"), None
    if said["patient"] and not FHIR_ID.fullmatch(patient):
        problems.append("a patient's id is 1 to 64 letters, digits, hyphens and dots")
    try:
        as_what = relationship(said["relationship"]) if said["relationship"] else ""
        until = moment(said["until"]) if said["until"] else None
    except InvalidValue as error:
        problems.append(error.description)
    if problems:
        return problems
    return Row(number, said["user"], Representation(patient, as_what, until), said["provider"], said["fhir_server"])


def moment(text: str) -> datetime:
    """A day or a time, in UTC if no zone is said; of a day its beginning. Raises InvalidValue."""
    try:
        if TIME.fullmatch(text):
            found = datetime.fromisoformat(text)
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # no such day
    raise InvalidValue("until looks like 2030-01-31, or 2030-01-31T18:00:00+01:00")
