"""What is kept between two steps of a sign-out."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from authz.keyring.seal import Seal
from authz.storage.records import Records

if TYPE_CHECKING:
    from authz.keyring.secrets import Secrets
    from authz.storage.short_lived import Backend

REQUESTS, PAGES = "sealed-logout-request:", "sealed-logout-page:"
SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """What was asked, checked; ``location`` is where to go afterwards: registered, and only for who sent a hint."""

    client_id: str | None = None
    location: str | None = None
    sub: str | None = None  # of the hint
    sid: str | None = None  # of the hint
    ui_locales: str | None = None  # in which languages the pages may be, the best first


@dataclass(frozen=True, slots=True)
class Waiting:
    """A page that asks "sign out?"; good for the session it was shown to."""

    sid: str
    location: str | None
    ui_locales: str | None = None


class LogoutRecords:
    """Each is kept for at most ``SECONDS``."""

    def __init__(self, backend: Backend, secrets: Secrets) -> None:
        seal = Seal(secrets, "logout")
        self.requests: Records[LogoutRequest] = Records(
            backend, REQUESTS, encode, lambda kept: LogoutRequest(*load(kept)), seal
        )
        self.pages: Records[Waiting] = Records(backend, PAGES, encode, lambda kept: Waiting(*load(kept)), seal)


def encode(record: LogoutRequest | Waiting) -> bytes:
    return json.dumps(list(asdict(record).values())).encode()


def load(kept: bytes) -> list[Any]:
    members: list[Any] = json.loads(kept)
    return members
