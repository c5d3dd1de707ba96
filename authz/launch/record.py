"""A launch as it lies in the short-lived store: a JSON object, sealed if this server wrote it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from authz.keyring import seal as keyring
from authz.launch.launch import EARLIEST, Origin
from authz.strict_json import NotStrictJson, parse

if TYPE_CHECKING:
    from authz.keyring.secrets import Secrets

PURPOSE = "launch"
IDS = "launch-id:"
TRIAL = "makers of the app"  # in the place of an EHR's name, and no name that an EHR can have
MAX_BYTES = 262_144  # as for the body of POST /launch


@dataclass(frozen=True, slots=True)
class Seal:
    """What this server found out when it made the launch; whoever writes into the store can't make one."""

    sub: str
    ehr: str | None  # TRIAL, or None: an operator
    at: datetime  # when the launch was made

    @property
    def origin(self) -> Origin:
        return {None: Origin.OPERATOR, TRIAL: Origin.TRIAL}.get(self.ehr, Origin.EHR)


def sealed(members: dict[str, Any], digest: str, seal: Seal, secrets: Secrets) -> bytes:
    """The bytes to store for a launch made here; ``digest`` is that of its handle, so a record can't be moved.

    Raises NotStrictJson if it could not be read again.
    """
    record = members | {"sub": seal.sub, "by": seal.ehr, "at": seal.at.timestamp()}
    stored = canonical(record | {"mac": secrets.mac(PURPOSE, digest + canonical(record).decode())})
    parse(stored)
    return stored


def unsealed(stored: bytes, digest: str, secrets: Secrets) -> tuple[dict[str, Any], Seal | None]:
    """The members, and the seal; without a valid one the record is as somebody else wrote it.

    Raises NotStrictJson if it is no JSON object within bounds.
    """
    record = parse(stored) if len(stored) <= MAX_BYTES else None
    if not isinstance(record, dict):
        raise NotStrictJson(f"not a JSON object of at most {MAX_BYTES} bytes")
    mac = record.get("mac")
    rest = {name: value for name, value in record.items() if name != "mac"}
    if not isinstance(mac, str) or not secrets.matches(PURPOSE, digest + canonical(rest).decode(), mac):
        return record, None
    at = rest.pop("at", rest["exp"] - EARLIEST.total_seconds())  # the version before did not say it
    seal = Seal(rest.pop("sub"), rest.pop("by"), datetime.fromtimestamp(at, UTC))
    return rest, seal


def by_id(launch_id: str, digest: str, secrets: Secrets) -> dict[str, bytes]:
    """What leads from a launch's id to the digest of its handle."""
    key = IDS + launch_id
    return {key: keyring.Seal(secrets, "launch id").close(key, digest.encode())}


def named(launch_id: str, stored: bytes | None, secrets: Secrets) -> str | None:
    """The digest that lies under a launch's id; None if there is none, or somebody else wrote it."""
    found = None if stored is None else keyring.Seal(secrets, "launch id").open(IDS + launch_id, stored)
    return None if found is None else found.decode()


def canonical(record: dict[str, Any]) -> bytes:
    return json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
