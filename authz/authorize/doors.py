"""What the address of "Sign in with …" holds: it leads to the provider for one interaction, and does nothing else.

The handle of an interaction in a frame is not tied to a browser, so it must not stand in an address: those are kept in
histories and logs.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from authz.keyring.seal import Seal
from authz.storage.records import Records

if TYPE_CHECKING:
    from authz.keyring.box import Box
    from authz.storage.short_lived import Backend

PREFIX = "sign-in-door:"


@dataclass(frozen=True, slots=True)
class Door:
    interaction: str = field(repr=False)  # handle
    in_window: bool  # it was shown in a frame: the interaction goes on there


class Doors:
    def __init__(self, backend: Backend, box: Box, seconds: int) -> None:
        def opened(stored: bytes) -> Door | None:
            content = box.open(stored)
            return None if content is None else Door(**json.loads(content))

        def closed(door: Door | None) -> bytes:
            assert door is not None
            return box.close(json.dumps(asdict(door)).encode())

        self.records = Records(backend, PREFIX, closed, opened, Seal(box.secrets, "sign-in door"))
        self.seconds = seconds

    def make(self, interaction: str, *, in_window: bool) -> str:
        return self.records.put(Door(interaction, in_window), self.seconds)

    def behind(self, name: str) -> Door | None:
        """It stays: a person may leave for a provider, come back by the browser's button, and leave again."""
        return self.records.peek(name)
