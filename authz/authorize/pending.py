"""An interaction in progress: kept here, not in the browser, under a handle that each step replaces (decision 14)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from authz.launch.launch import Launch
from authz.login.method import SignIn
from authz.storage.records import Records

if TYPE_CHECKING:
    from authz.storage.short_lived import Backend

PREFIX = "interaction:"


@dataclass(frozen=True, slots=True)
class Pending:
    """The request, checked anew at each step, and what the person has done so far."""

    parameters: dict[str, str] = field(repr=False)
    launch: Launch | None = None  # of an EHR launch
    binding: str | None = None  # digest of the browser's cookie; None in an EHR launch
    sign_in: SignIn | None = None  # made within this interaction
    sid: str | None = None
    patient: str | None = None
    shown_to: str | None = None  # sub of the person whose records the page that waits for an answer is about


def records(backend: Backend) -> Records[Pending]:
    return Records(backend, PREFIX, encode, decode)


def encode(pending: Pending) -> bytes:
    sign_in = pending.sign_in
    members: dict[str, Any] = {
        "parameters": pending.parameters,
        "launch": pending.launch.as_dict() if pending.launch else None,
        "binding": pending.binding,
        "sign_in": asdict(sign_in) | {"auth_time": sign_in.auth_time.timestamp()} if sign_in else None,
        "sid": pending.sid,
        "patient": pending.patient,
        "shown_to": pending.shown_to,
    }
    return json.dumps(members).encode()


def decode(stored: bytes) -> Pending:
    members = json.loads(stored)
    launch, sign_in = members["launch"], members["sign_in"]
    if sign_in is not None:
        auth_time = datetime.fromtimestamp(sign_in["auth_time"], UTC)
        sign_in = SignIn(sign_in["sub"], auth_time, tuple(sign_in["amr"]), sign_in["acr"])
    return Pending(
        parameters=members["parameters"],
        launch=Launch.from_dict(launch) if launch is not None else None,
        binding=members["binding"],
        sign_in=sign_in,
        sid=members["sid"],
        patient=members["patient"],
        shown_to=members["shown_to"],
    )
