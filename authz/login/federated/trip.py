"""A person's way to a provider and back: what it was begun with, kept here, encrypted, good once."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from authz.keyring.seal import Seal
from authz.storage.records import Records, digest

if TYPE_CHECKING:
    from authz.keyring.box import Box
    from authz.storage.short_lived import Backend

PREFIX = "sign-in-trip:"
SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """How the person is to sign in there."""

    prompt: str | None = None
    max_age: int | None = None  # seconds since they proved who they are; 0: they must do so now
    login_hint: str | None = None
    ui_locales: str | None = None
    acr_values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trip:
    provider: str  # name: the answer must come in at its address (mix-up, RFC 9700 §4.4.2)
    interaction: str = field(repr=False)  # the handle of the page it was begun from
    binding: str  # digest of the browser's cookie
    began_at: datetime
    max_age: int | None = None
    acr_values: tuple[str, ...] = ()
    in_window: bool = False  # begun from a frame: the interaction goes on there
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)


class Trips:
    def __init__(self, backend: Backend, box: Box) -> None:
        def opened(stored: bytes) -> Trip | None:
            content = box.open(stored)
            return None if content is None else decode(content)

        def closed(trip: Trip | None) -> bytes:
            assert trip is not None
            return box.close(encode(trip))

        self.records = Records(backend, PREFIX, closed, opened, Seal(box.secrets, "sign-in trip"))

    def begin(self, trip: Trip) -> str:
        """The ``state``: unguessable, and good once."""
        return self.records.put(trip, SECONDS)

    def end(self, state: str, provider: str, browser_binding: str | None) -> Trip | None:
        """The trip of this state, once, if it went to this provider and began in this browser."""
        trip = self.records.consume(state)
        if trip is None or trip.provider != provider:
            return None
        return trip if secrets.compare_digest(trip.binding, digest(browser_binding or "")) else None


def encode(trip: Trip) -> bytes:
    return json.dumps(asdict(trip) | {"began_at": trip.began_at.timestamp()}).encode()


def decode(stored: bytes) -> Trip:
    members: dict[str, Any] = json.loads(stored)
    began_at = datetime.fromtimestamp(members["began_at"], UTC)
    return Trip(**members | {"began_at": began_at, "acr_values": tuple(members["acr_values"])})
