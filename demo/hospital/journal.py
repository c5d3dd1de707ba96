"""What was written to the records since the hospital opened.

The FHIR server writes it and the EHR reads it: in a hospital both stand on one database.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from demo.hospital.build import Resource


@dataclass(frozen=True)
class Journal:
    """One line of JSON for each change; a deleted resource is ``null``."""

    path: Path

    def begin(self) -> None:
        """Forget the past: the demo starts with the same records each time."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("", encoding="utf-8")

    def append(self, type_: str, key: str, resource: Resource | None) -> None:
        line = json.dumps({"type": type_, "id": key, "resource": resource})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def over(self, records: Iterable[Resource]) -> dict[tuple[str, str], Resource]:
        """The records with every change applied; a line that is still being written is not there yet."""
        current = {(record["resourceType"], record["id"]): record for record in records}
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        for line in text.splitlines(keepends=True):
            if not line.endswith("\n"):
                break
            change = json.loads(line)
            key = (change["type"], change["id"])
            if change["resource"] is None:
                current.pop(key, None)
            else:
                current[key] = change["resource"]
        return current
