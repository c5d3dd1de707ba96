"""Somebody back from a provider, proved, who has still to say which of several resources they are."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from authz.keyring.seal import Seal
from authz.login.federated.id_token import Proof
from authz.storage.records import Records, digest
from authz.users.fhir_user import Candidate

if TYPE_CHECKING:
    from authz.keyring.box import Box
    from authz.storage.short_lived import Backend

PREFIX = "sign-in-arrival:"
SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Arrival:
    provider: str  # name
    interaction: str = field(repr=False)  # handle
    binding: str  # digest of the browser's cookie
    in_window: bool
    proof: Proof
    candidates: tuple[Candidate, ...] = ()  # nobody else can be chosen


class Arrivals:
    def __init__(self, backend: Backend, box: Box) -> None:
        def opened(stored: bytes) -> Arrival | None:
            content = box.open(stored)
            return None if content is None else decode(content)

        def closed(arrival: Arrival | None) -> bytes:
            assert arrival is not None
            return box.close(encode(arrival))

        self.records = Records(backend, PREFIX, closed, opened, Seal(box.secrets, "sign-in arrival"))

    def keep(self, arrival: Arrival) -> str:
        """A handle, which is the CSRF token of the page's form as well."""
        return self.records.put(arrival, SECONDS)

    def take(self, handle: str, browser_binding: str | None) -> Arrival | None:
        """An arrival of this browser, once."""
        arrival = self.records.consume(handle)
        if arrival is None or not secrets.compare_digest(arrival.binding, digest(browser_binding or "")):
            return None
        return arrival


def encode(arrival: Arrival) -> bytes:
    proof = asdict(arrival.proof) | {"auth_time": arrival.proof.auth_time.timestamp()}
    return json.dumps(asdict(arrival) | {"proof": proof}).encode()


def decode(stored: bytes) -> Arrival:
    members: dict[str, Any] = json.loads(stored)
    proof = members["proof"]
    times = {"auth_time": datetime.fromtimestamp(proof["auth_time"], UTC), "amr": tuple(proof["amr"])}
    candidates = tuple(Candidate(one["reference"], one["name"], tuple(one["details"])) for one in members["candidates"])
    return Arrival(**members | {"proof": Proof(**proof | times), "candidates": candidates})
