"""Signed in as the makers of an app: by its client_id and registration access token, for an hour, with one browser."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.audit.event import Event, EventName
from authz.keyring.seal import Seal
from authz.registration.holder import Holder, held
from authz.storage.records import Records, digest, plausible

if TYPE_CHECKING:
    from authz.audit.event import Peer
    from authz.audit.trail import Trail
    from authz.clients.registry import Client, Clients
    from authz.keyring.secrets import Secrets
    from authz.storage.database import Database
    from authz.storage.short_lived import Backend

PREFIX = "sealed-developer:"
SECONDS = 3600
MEANS = "registration_access_token"  # by which somebody signed in, as the trail has it


@dataclass(frozen=True, slots=True)
class Maker:
    """Whoever holds the token of an app, and the app, enabled or not."""

    client: Client
    holder: Holder


class DeveloperSessions:
    """The record is short-lived and signs nobody in by itself: the registration is looked at with every page."""

    def __init__(self, db: Database, backend: Backend, secrets: Secrets, clients: Clients, trail: Trail) -> None:
        self.db = db
        self.clients = clients
        self.trail = trail
        self.records = Records(backend, PREFIX, encode, decode, Seal(secrets, "developer"))

    def begin(self, client_id: str, token: str, peer: Peer) -> str | None:
        """The handle of a new session; None for a wrong token, an unknown app, and one that has no token: all alike."""
        holder = Holder(client_id, digest(token) if plausible(token) else "")
        if not self.is_good(holder):
            self.trail.refused(Event(EventName.LOGIN_FAILED, "refused", MEANS, peer=peer))
            return None
        with self.db.write() as session:
            self.trail.record(session, Event(EventName.LOGIN, reason=MEANS, client_id=client_id, peer=peer))
        return self.records.put(holder, SECONDS)

    def current(self, handle: str | None) -> Maker | None:
        holder = None if handle is None else self.records.peek(handle)
        client = self.clients.find(holder.client_id) if holder is not None and self.is_good(holder) else None
        return Maker(client, holder) if client is not None and holder is not None else None

    def end(self, handle: str) -> None:
        self.records.forget(handle)

    def is_good(self, holder: Holder) -> bool:
        """As long as this is the app's token."""
        with self.db.read() as session:
            return held(session, holder) is not None


def encode(holder: Holder) -> bytes:
    return json.dumps([holder.client_id, holder.token_digest]).encode()


def decode(stored: bytes) -> Holder:
    return Holder(*json.loads(stored))
