from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


class Level(StrEnum):
    """How much a finding matters; the gravest first."""

    ERROR = "error"  # stops the approval that comes by itself
    WARNING = "warning"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    subject: str  # the member of the metadata that it is about
    words: str  # for the vendor and the reviewer alike


@dataclass(frozen=True, slots=True)
class Report:
    """What the automatic checks found, the gravest first."""

    made_at: datetime
    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, made_at: datetime, findings: Iterable[Finding]) -> Report:
        order = list(Level)
        return cls(made_at, tuple(sorted(findings, key=lambda finding: order.index(finding.level))))

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.level is Level.ERROR)

    def as_dict(self) -> dict[str, Any]:
        return {"made_at": self.made_at.isoformat(), "findings": [asdict(finding) for finding in self.findings]}


def findings_from(stored: Iterable[dict[str, str]]) -> tuple[Finding, ...]:
    return tuple(Finding(Level(one["level"]), one["subject"], one["words"]) for one in stored)
