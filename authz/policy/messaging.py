"""Who may exchange messages with the window of an EHR (SMART Web Messaging "Scopes", "Limitations")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz.scopes import Limit, MessagingScope, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.clients.registry import Client
    from authz.fhir_servers.registry import FhirServer
    from authz.scopes.scope import Scope

GROUPS = frozenset({"ui", "scratchpad", "fhir"})  # whoever may send any message may shake hands: status is no scope


def only_with_a_window(client: Client, server: FhirServer, origin: str | None) -> list[Limit]:
    """Messages are for web apps that an EHR opened from a window whose ``origin`` it told, and that is still its own.

    A standalone app has no such window, and a native one none that could send a message.
    """
    is_web = client.application_type == "web"
    has_window = origin is not None and origin in server.ehr_origins
    return [
        Limit(Reason.UNSUPPORTED, messages_if(possible=server.has_web_messaging), "web messaging is not offered here"),
        Limit(Reason.UNSUPPORTED, is_a_group, "shaking hands needs no scope of its own: ask for what is to follow"),
        Limit(Reason.UNSUPPORTED, messages_if(possible=is_web), "messages are for apps in a browser"),
        Limit(Reason.NO_EHR_WINDOW, messages_if(possible=has_window), "the EHR must name its window in the launch"),
    ]


def messages_if(*, possible: bool) -> Callable[[Scope], bool]:
    return lambda scope: possible or not isinstance(scope, MessagingScope)


def is_a_group(scope: Scope) -> bool:
    return not isinstance(scope, MessagingScope) or scope.group in GROUPS
