"""An EHR whose window listens to the messages of an app, and an app that is registered to send them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from tests.actors import FORM, basic
from tests.world import EHR_ORIGIN, EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.actors import Ehr, SmartApp
    from tests.transport import Reply
    from tests.world import World

MESSAGES = "messaging/ui messaging/scratchpad messaging/fhir"
SCOPE = "launch patient/Observation.rs online_access messaging/ui messaging/scratchpad"


@dataclass
class Window:
    """The EHR's window and the back end behind it; ``app`` is what it opens."""

    ehr: Ehr
    app: SmartApp
    origin: str | None = EHR_ORIGIN

    def opened(self, scope: str = SCOPE, user: str = "Practitioner/dr", **context: Any) -> tuple[Any, Any]:
        """The answer of ``POST /launch``, and what the app got."""
        named = {} if self.origin is None else {"web_messaging_origin": self.origin}
        made = self.ehr.launch(self.app.client_id, user, **{"patient": "A", **named, **context})
        return made, self.app.tokens(made["launch"], scope)

    def handle(self, scope: str = SCOPE, **context: Any) -> str:
        handle: str = self.opened(scope, **context)[1]["smart_web_messaging_handle"]
        return handle

    def post(self, path: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Reply:
        sent = basic(self.ehr.client_id, self.ehr.secret) if headers is None else headers
        transport = self.ehr.transport
        body = urlencode(form).encode()
        return transport.send("POST", f"{transport.issuer}/web-messaging/{path}", {"Content-Type": FORM, **sent}, body)

    def ask(self, handle: str, **more: str) -> Reply:
        return self.post("introspect", {"handle": handle, **more})

    def check(self, handle: str, **more: str) -> Any:
        reply = self.ask(handle, **more)
        assert reply.status == 200, reply.text
        return reply.json()

    def is_active(self, handle: str, **more: str) -> bool:
        """Whatever is not active says nothing else."""
        answer = self.check(handle, **more)
        assert answer == {"active": False} or answer["active"] is True
        return bool(answer["active"])

    def revoke(self, **which: str) -> Reply:
        return self.post("revoke", which)


def messaging_world(world: World) -> Window:
    """The world's EHR, and its public app registered for messages."""
    with world.services.db.write() as session:
        for client_id in ("public", "confidential"):
            world.services.clients.update(session, client_id, {"scope": f"{EVERYTHING} {MESSAGES}"}, {})
    return Window(world.ehr, world.public)
