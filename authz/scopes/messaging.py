from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authz.scopes.reason import Reason
from authz.scopes.scope import Scope
from authz.scopes.unknown import UnknownScope

if TYPE_CHECKING:
    from collections.abc import Sequence

# ui and scratchpad are of SMART Web Messaging 1.0.0; fhir and status are ours
MESSAGES = {
    "ui": ("done", "launchActivity"),
    "scratchpad": ("create", "read", "update", "delete"),
    "fhir": ("http",),
    "status": ("handshake",),
}


@dataclass(frozen=True, slots=True)
class MessagingScope(Scope):
    """``messaging/ui``, or one message of a group: ``messaging/ui.launchActivity`` (SMART Web Messaging "Scopes").

    The IG has no read-only form: a group covers all of its messages.
    """

    group: str
    message: str | None = None
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.text or self.normal_form

    @property
    def normal_form(self) -> str:
        return f"messaging/{self.group}" + (f".{self.message}" if self.message else "")

    def covered_by(self, held: Sequence[Scope]) -> bool:
        return any(
            isinstance(h, MessagingScope) and h.group == self.group and h.message in (None, self.message) for h in held
        )

    def narrow(self, allowed: Sequence[Scope]) -> tuple[Scope, ...]:
        if self.covered_by(allowed):
            return (self,)
        return tuple(a for a in allowed if self.covers(a))


def parse_messaging(text: str) -> Scope | None:
    kind, slash, rest = text.partition("/")
    if kind.lower() != "messaging":
        return None
    if kind != "messaging" or not slash:
        return UnknownScope(text, "write messaging/ and a group, such as messaging/ui")
    group, dot, message = rest.partition(".")
    if group not in MESSAGES:
        return UnknownScope(text, "the groups of messages are ui, scratchpad, fhir and status", Reason.UNSUPPORTED)
    if not dot:
        return MessagingScope(group, None, text)
    if message not in MESSAGES[group]:
        known = ", ".join(MESSAGES[group])
        return UnknownScope(text, f"the messages of {group} are: {known}", Reason.UNSUPPORTED)
    return MessagingScope(group, message, text)


def message_scope(message_type: str) -> MessagingScope | None:
    """The narrowest scope for a message such as ``ui.launchActivity``; None for one that no scope is for."""
    scope = parse_messaging(f"messaging/{message_type}")
    return scope if isinstance(scope, MessagingScope) and scope.message is not None else None
