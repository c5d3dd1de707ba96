"""What the address of "Sign in with …" holds: it leads to the provider for one interaction, and does nothing else.

The handle of an interaction in a frame is not tied to a browser, so it must not be read in an address: those are
kept in histories and logs. It stands there closed, and nothing is kept for it, however often a page is shown.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authz.keyring.box import Box

MAX_LENGTH = 512  # ours have about 160 characters


@dataclass(frozen=True, slots=True)
class Door:
    interaction: str = field(repr=False)  # handle
    in_window: bool  # it was shown in a frame: the interaction goes on there


@dataclass(frozen=True, slots=True)
class Doors:
    box: Box

    def make(self, interaction: str, *, in_window: bool) -> str:
        door = Door(interaction, in_window)
        return urlsafe_b64encode(self.box.close(json.dumps(asdict(door)).encode())).decode().rstrip("=")

    def behind(self, name: str) -> Door | None:
        """It stays: a person may leave for a provider, come back by the browser's button, and leave again."""
        if len(name) > MAX_LENGTH or not name.isascii():
            return None
        try:
            closed = urlsafe_b64decode(name + "=" * (-len(name) % 4))
        except NotBase64:
            return None
        content = self.box.open(closed)
        return None if content is None else Door(**json.loads(content))
