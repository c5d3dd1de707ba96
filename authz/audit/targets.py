"""Where the trail is told: a file, standard output, or an address; a record a line, or as FHIR AuditEvents."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from authz.audit.fhir import audit_event
from authz.outbound import FetchFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from authz.outbound import Outbound
    from authz.settings import Settings

STDOUT = "-"


class NotTold(Exception):
    """The second system did not take it."""


class Target(Protocol):
    @property
    def name(self) -> str:
        """What the trail says of it: nothing secret."""

    def send(self, records: Sequence[dict[str, Any]]) -> None:
        """All of them, in order. Raises NotTold."""


@dataclass(frozen=True, slots=True)
class Form:
    """How records are written."""

    content_type: str
    body: Callable[[Sequence[dict[str, Any]]], bytes]


def jsonl() -> Form:
    return Form("application/x-ndjson", lambda records: lines(list(records)))


def fhir(issuer: str) -> Form:
    """A line for each AuditEvent, as FHIR Bulk Data writes resources."""
    return Form("application/fhir+ndjson", lambda records: lines([audit_event(one, issuer) for one in records]))


def fhir_batch(issuer: str) -> Form:
    """A Bundle to be posted to a FHIR server, which makes each AuditEvent (IHE ITI-20, "ATX: FHIR Feed")."""

    def body(records: Sequence[dict[str, Any]]) -> bytes:
        entries = [
            {"resource": audit_event(one, issuer), "request": {"method": "POST", "url": "AuditEvent"}}
            for one in records
        ]
        return json.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries}).encode()

    return Form("application/fhir+json", body)


def lines(objects: Sequence[dict[str, Any]]) -> bytes:
    """JSON in ASCII: whatever an outsider put in, a line is a record (security.md AU-7)."""
    return b"".join(json.dumps(one).encode() + b"\n" for one in objects)


@dataclass(frozen=True, slots=True)
class ToFile:
    path: Path
    form: Form

    @property
    def name(self) -> str:
        return str(self.path)

    def send(self, records: Sequence[dict[str, Any]]) -> None:
        """Appended, and on the disk when this returns. The file is made for its owner alone."""
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "ab") as file:
                file.write(self.form.body(records))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise NotTold(str(error)) from error


@dataclass(frozen=True, slots=True)
class ToStdout:
    form: Form
    name: str = STDOUT

    def send(self, records: Sequence[dict[str, Any]]) -> None:
        try:
            sys.stdout.buffer.write(self.form.body(records))
            sys.stdout.buffer.flush()
        except OSError as error:
            raise NotTold(str(error)) from error


@dataclass(frozen=True, slots=True)
class ToAddress:
    url: str
    form: Form
    outbound: Outbound
    token: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """Without the path, which may hold a key."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname}:{parts.port}" if parts.port else f"{parts.scheme}://{parts.hostname}"

    def send(self, records: Sequence[dict[str, Any]]) -> None:
        headers = {"Content-Type": self.form.content_type}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            answer = self.outbound.post(self.url, self.form.body(records), headers=headers, trusted=True)
        except FetchFailed as failure:
            raise NotTold(str(failure)) from failure
        if answer.status not in range(200, 300):
            raise NotTold(f"it was answered with status {answer.status}")


def target(settings: Settings, outbound: Outbound) -> Target | None:
    """What the settings name; None where nobody is told."""
    where, issuer = settings.audit_export, settings.issuer
    is_fhir = settings.audit_export_format == "fhir"
    if not where:
        return None
    if where.startswith(("https://", "http://")):
        return ToAddress(where, fhir_batch(issuer) if is_fhir else jsonl(), outbound, settings.audit_export_token)
    form = fhir(issuer) if is_fhir else jsonl()
    return ToStdout(form) if where == STDOUT else ToFile(Path(where), form)
