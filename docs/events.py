"""The page of what the audit trail holds: each event with what the code says of it, and who writes it."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

from authz.audit.event import EventName
from authz.audit.fhir import AUTHENTICATION, KINDS

SOURCES = Path(__file__).resolve().parent.parent / "authz"
READERS = {"audit/event.py", "audit/fhir.py", "audit/disclosures.py", "cli/audit_filters.py", "my_apps/log.py"}
READERS |= {"support/case.py", "support/timeline.py"}  # they tell of events, and write none
NAME = re.compile(r"EventName\.([A-Z_]+)")
HEAD = """# What is on the audit trail

Every record also has its outcome (`success` or `refused`), a reason, the time, the address and program that asked, the
request's id, the machine and the version of this server; who acted, for which app, patient and FHIR server, where that
is known. It holds ids only: no token, no secret, no name of a person. How to search, verify, export and keep the
trail: [audit](../how-to/audit.md); what a reason means: [reasons](reasons.md).

| event | what happened | written by | FHIR `AuditEvent.type` |
|---|---|---|---|
"""


def events_page() -> str:
    """A table of every EventName."""
    writers, rows = who_writes(), []
    for name, meaning in meanings().items():
        code, display = KINDS.get(name, AUTHENTICATION)
        written = ", ".join(f"`{module}`" for module in writers[name])
        rows.append(f"| `{name.value}` | {meaning} | {written} | {code} {display} |\n")
    return HEAD + "".join(rows)


def meanings() -> dict[EventName, str]:
    """The string that follows each name."""
    module = ast.parse((SOURCES / "audit" / "event.py").read_text())
    body = next(node.body for node in module.body if isinstance(node, ast.ClassDef) and node.name == "EventName")
    return {
        EventName[name.targets[0].id]: str(text.value.value)
        for name, text in pairwise(body)
        if isinstance(name, ast.Assign)
        and isinstance(name.targets[0], ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
    }


def who_writes() -> dict[EventName, list[str]]:
    """The packages of this server that make each event."""
    found: dict[EventName, set[str]] = defaultdict(set)
    for file in sorted(SOURCES.rglob("*.py")):
        place = file.relative_to(SOURCES)
        if place.as_posix() not in READERS:
            for name in NAME.findall(file.read_text()):
                found[EventName[name]].add(place.parts[0].removesuffix(".py"))
    return {name: sorted(found[name]) for name in EventName}
