"""Everything secret that a test says to a server or hears from it, held against every line that is logged meanwhile.

security.md 4.2 and 4.3. The loggers of a test run are at DEBUG, and nothing that passed may stand in what they write:
as the log has it, and for this server's own loggers even before the last filter has looked at it. A server that runs
beside the tests has its output read when it stops.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from authz import logs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

NAMES = frozenset(
    re.findall(
        r"\w+",
        "access_token assertion client_assertion client_secret code code_verifier csrf csrf_token ehr_session handle"
        " id_token id_token_hint interaction launch logout_token messagingHandle new_password password recovery_code"
        " refresh_token registration_access_token secret smart_web_messaging_handle software_statement token totp",
    )
)
TYPED = frozenset({"password", "new_password", "client_secret", "secret"})  # of any characters, and short
SHORTEST = 16  # a piece of this length that is random is not met by chance
SHORTEST_TYPED = 10
PIECE = re.compile(rf"[A-Za-z0-9_-]{{{SHORTEST},}}")
PERSON = re.compile(r"MRN-\w+|SSN-\w+|\b(?:Anders|Brandt)\b")  # of the people in tests/fhir
FIELD = re.compile(rb'name="(\w+)"[^>]*value="([^"]*)"')
OURS = "authz"


class Overheard(logging.Handler):
    """What must not be repeated, and what was written; ``pieces`` are runs of characters of a secret."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logs.JsonLines())
        self.pieces: set[str] = set()
        self.typed: set[str] = set()
        self.lines: list[str] = []

    def listen(self) -> None:
        root = logging.getLogger()
        root.addHandler(self)
        root.setLevel(logging.DEBUG)
        logs.quieten()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))
        if record.name.partition(".")[0] == OURS:
            self.lines.append(f"{record.getMessage()} {getattr(record, 'fields', '')}")

    def exchange(
        self, url: str, headers: Mapping[str, str], body: bytes, reply: Mapping[str, list[str]], answer: bytes
    ) -> None:
        """Note what is secret in a request and its answer."""
        for name, value in headers.items():
            if name.lower() == "authorization":
                self.credentials(value)
            elif name.lower() == "cookie":
                self.secrets(pair.partition("=")[2] for pair in value.split("; "))
        self.pairs(parse_qsl(urlsplit(url).query, errors="replace"))
        self.body(body)
        self.secrets(cookie.partition("=")[2].partition(";")[0] for cookie in reply.get("set-cookie", ()))
        for location in reply.get("location", ()):
            self.pairs(parse_qsl(urlsplit(location).query, errors="replace"))
        self.body(answer)
        self.pairs((name.decode(), value.decode(errors="replace")) for name, value in FIELD.findall(answer))

    def credentials(self, header: str) -> None:
        scheme, _, rest = header.partition(" ")
        if scheme.lower() == "basic":
            try:
                self.pairs([("client_secret", base64.b64decode(rest).decode().partition(":")[2])])
            except ValueError:
                return
        self.secrets([rest])

    def body(self, body: bytes) -> None:
        if body[:1] in (b"{", b"["):
            try:
                self.pairs(members(json.loads(body)))
            except (ValueError, RecursionError):
                return
        elif b"<" not in body[:20]:
            self.pairs(parse_qsl(body.decode("latin-1"), errors="replace"))

    def pairs(self, pairs: Iterable[tuple[str, str]]) -> None:
        for name, value in pairs:
            if name in NAMES:
                self.secrets([value])
            if name in TYPED and len(value) >= SHORTEST_TYPED:
                self.typed.add(value)

    def secrets(self, values: Iterable[str]) -> None:
        for value in values:
            found = PIECE.findall(value)
            self.pieces.update(
                found[1:] if value.startswith("eyJ") and len(found) > 1 else found
            )  # a JWT's header isn't

    def leaks(self, lines: Iterable[str]) -> list[str]:
        """The lines in which something is repeated, with what it is."""
        found = []
        for line in lines:
            told = self.pieces.intersection(PIECE.findall(line)) | {one for one in self.typed if one in line}
            if told or (told := set(PERSON.findall(line))):
                found.append(f"{sorted(told)} in {line}")
        return found

    def check(self) -> None:
        """AssertionError if what was written since the last time repeats a secret."""
        lines, self.lines = self.lines, []
        assert not (found := self.leaks(lines)), f"security.md 4.2: a log must not hold this: {found}"

    def check_file(self, log: Path) -> None:
        """The same for the output of a server that has stopped."""
        with log.open(errors="replace") as lines:
            found = self.leaks(lines)
        assert not found, f"security.md 4.2: {log.name} must not hold this: {found}"


def members(value: Any) -> Iterator[tuple[str, str]]:
    """Each text in a JSON document with the name of the member it stands in."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, str):
                yield name, inner
            else:
                yield from members(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from members(inner)


HEARD = Overheard()
