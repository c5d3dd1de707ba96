"""An interaction in progress: kept here, not in the browser, under a handle that each step replaces (decision 14).

In the store it is encrypted, for it may hold names of patients (security.md 4.2).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, Self

from authz.audit.event import Event
from authz.authorize.flow import launch_id
from authz.authorize.picking import Choice, Picking
from authz.keyring.seal import Seal
from authz.launch.launch import Launch
from authz.login.federated.id_token import Origin
from authz.login.method import BrokenGlass, HalfSignIn, SignIn
from authz.storage.records import Records, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from authz.audit.event import EventName, Peer
    from authz.keyring.box import Box
    from authz.storage.short_lived import Backend

PREFIX = "sealed-interaction:"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A sign-in in a window beside the EHR's frame; whoever sits there reads a code, and types it here."""

    sign_in: SignIn
    code_digest: str
    tries_left: int = 3
    origin: Origin | None = None  # None: of the version before

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "sign_in": self.sign_in.as_dict()}

    @classmethod
    def from_dict(cls, members: Mapping[str, Any]) -> Self:
        origin = Origin(**members["origin"]) if members.get("origin") else None
        return cls(**{**members, "sign_in": SignIn.from_dict(members["sign_in"]), "origin": origin})


@dataclass(frozen=True, slots=True)
class Pending:
    """The request, checked anew at each step, and what the person has done so far."""

    parameters: dict[str, str] = field(repr=False)
    launch: Launch | None = None  # of an EHR launch
    binding: str | None = None  # digest of the browser's cookie; None in an EHR launch
    sign_in: SignIn | None = None  # made within this interaction
    origin: Origin | None = None  # of that sign-in, if it confirms a launch by a provider's word
    half: HalfSignIn | None = None  # the password was right, the code is still to come
    elsewhere: Elsewhere | None = None  # made in another window, and not yet shown to be the same person's
    glass: BrokenGlass | None = None  # a reason given in this interaction
    patient: Choice | None = None  # chosen in this interaction
    encounter: str | None = None
    without_encounter: bool = False  # the person goes on without
    picking: Picking = field(default_factory=Picking)
    shown_to: str | None = None  # sub of the person whose records the page that waits for an answer is about
    asked: str | None = None  # fingerprint of what the consent page asks: nothing else can be agreed to
    fhir_server: str | None = None  # by name, when it began: its address may become another one's
    ends_at: float | None = None  # nobody keeps it for longer by answering; None in an EHR launch

    @property
    def launch_id(self) -> str:
        """The name by which the audit trail knows this opening of the app."""
        return launch_id(self.parameters) if self.launch is None else self.launch.launch_id

    @property
    def size(self) -> int:
        """Bytes of what is kept."""
        return len(encode(self))

    def by(self, sign_in: SignIn, origin: Origin | None = None) -> Pending:
        """Somebody has signed in: what was chosen and said before may be another person's, and is forgotten (LC-09)."""
        of_request = (self.parameters, self.launch, self.binding)
        return Pending(*of_request, sign_in, origin, fhir_server=self.fhir_server, ends_at=self.ends_at)

    def event(self, name: EventName, peer: Peer) -> Event:
        """What the audit trail is to say of a refusal: about whom, as far as that is known."""
        if self.launch is not None:
            return self.launch.event(name, peer)
        sub = self.sign_in.sub if self.sign_in else self.shown_to
        patient = self.patient.id if self.patient else None
        return Event(name, sub=sub, patient=patient, launch_id=self.launch_id, peer=peer)


class Interactions:
    """Those waiting for somebody to answer a page, each for at most ``seconds``.

    In an EHR launch that is for each page; whoever opens an app by themselves has it for all of them, as has the cookie
    that ties them to it.
    """

    def __init__(self, backend: Backend, box: Box, seconds: int, now: Callable[[], datetime]) -> None:
        def opened(stored: bytes) -> Pending | None:
            content = box.open(stored)
            return None if content is None else decode(content)

        def closed(pending: Pending | None) -> bytes:
            assert pending is not None
            return box.close(encode(pending))

        self.records = Records(backend, PREFIX, closed, opened, Seal(box.secrets, "interaction"))
        self.seconds = seconds
        self.now = now

    def keep(self, pending: Pending) -> str:
        """A new handle, which is the CSRF token of the page's form as well."""
        ending = self.ending(pending)
        return self.records.put(ending, self.left(ending))

    def show(self, before: Pending, shown: Pending, handle: str | None) -> str:
        """The handle of a page; a page that is reloaded keeps its own, with what it shows now."""
        if handle is None:
            return self.keep(shown)
        if shown != before:
            self.records.replace(handle, shown, self.left(shown))
        return handle

    def ending(self, pending: Pending) -> Pending:
        if pending.launch is not None or pending.ends_at is not None:
            return pending
        return replace(pending, ends_at=self.now().timestamp() + self.seconds)

    def left(self, pending: Pending) -> float:
        """Seconds."""
        return self.seconds if pending.ends_at is None else max(0.0, pending.ends_at - self.now().timestamp())

    def look(self, handle: str, binding: str | None) -> Pending | None:
        """An interaction of this browser; it stays."""
        return of_browser(self.records.peek(handle), binding)

    def take(self, handle: str, binding: str | None) -> Pending | None:
        """An interaction of this browser, once."""
        return of_browser(self.records.consume(handle), binding)


def of_browser(pending: Pending | None, binding: str | None) -> Pending | None:
    """An interaction with cookies belongs to the browser that began it (security.md LC-26)."""
    if pending is None or pending.binding is None or compare_digest(pending.binding, digest(binding or "")):
        return pending
    return None


def encode(pending: Pending) -> bytes:
    sign_in, half = pending.sign_in, pending.half
    members: dict[str, Any] = {
        "parameters": pending.parameters,
        "launch": pending.launch.as_dict() if pending.launch else None,
        "binding": pending.binding,
        "sign_in": sign_in.as_dict() if sign_in else None,
        "origin": asdict(pending.origin) if pending.origin else None,
        "half_sign_in": half.as_dict() if half else None,
        "elsewhere": pending.elsewhere.as_dict() if pending.elsewhere else None,
        "glass": asdict(pending.glass) if pending.glass else None,
        "patient": asdict(pending.patient) if pending.patient else None,
        "encounter": pending.encounter,
        "without_encounter": pending.without_encounter,
        "picking": pending.picking.as_dict(),
        "shown_to": pending.shown_to,
        "asked": pending.asked,
        "fhir_server": pending.fhir_server,
        "ends_at": pending.ends_at,
    }
    return json.dumps(members).encode()


def decode(stored: bytes) -> Pending:
    members = json.loads(stored)
    launch, sign_in, elsewhere = members["launch"], members["sign_in"], members.get("elsewhere")
    half = members.get("half_sign_in")
    return Pending(
        parameters=members["parameters"],
        launch=Launch.from_dict(launch) if launch is not None else None,
        binding=members["binding"],
        sign_in=SignIn.from_dict(sign_in) if sign_in else None,
        origin=Origin(**members["origin"]) if members.get("origin") else None,
        half=HalfSignIn.from_dict(half) if half else None,
        elsewhere=Elsewhere.from_dict(elsewhere) if elsewhere else None,
        glass=BrokenGlass(**members["glass"]) if members.get("glass") else None,
        patient=Choice.from_dict(members["patient"]) if members["patient"] is not None else None,
        encounter=members["encounter"],
        without_encounter=members["without_encounter"],
        picking=Picking.from_dict(members["picking"]),
        shown_to=members["shown_to"],
        asked=members.get("asked"),
        fhir_server=members.get("fhir_server"),
        ends_at=members.get("ends_at"),
    )
