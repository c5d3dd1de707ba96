"""An app's developer, who knows this server's address and nothing else: registers, and looks after that."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.actors import SmartApp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.transport import Reply, Transport

METADATA: dict[str, Any] = {
    "client_name": "Vendor App",
    "token_endpoint_auth_method": "none",
    "grant_types": ["authorization_code", "refresh_token"],
    "redirect_uris": ["https://vendor.example/cb"],
    "launch_uris": ["https://vendor.example/launch"],
    "scope": "launch launch/patient openid fhirUser patient/*.rs offline_access",
}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@dataclass
class Vendor:
    transport: Transport
    endpoint: str = "/register"

    def send(self, content: object, headers: Mapping[str, str] | None = None) -> Reply:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        sent = {"Content-Type": "application/json", **(headers or {})}
        return self.transport.send("POST", self.transport.issuer + self.endpoint, sent, body)

    def register(self, token: str | None = None, **changes: Any) -> dict[str, Any]:
        """The answer to a good registration; ``name=None`` leaves a member out."""
        reply = self.send(without_nones({**METADATA, **changes}), bearer(token) if token else None)
        assert reply.status == 201, reply.text
        answer: dict[str, Any] = reply.json()
        return answer

    def manage(self, method: str, registered: Mapping[str, Any], content: object = None) -> Reply:
        """A request to the registration's own address, with its token."""
        sent = {"Content-Type": "application/json", **bearer(registered["registration_access_token"])}
        body = b"" if content is None else json.dumps(content).encode()
        return self.transport.send(method, registered["registration_client_uri"], sent, body)

    def read(self, registered: Mapping[str, Any]) -> Reply:
        return self.manage("GET", registered)

    def replace(self, registered: Mapping[str, Any], **changes: Any) -> Reply:
        """Send what was registered, but for the changes; what is ours to say is left out."""
        return self.manage("PUT", registered, without_nones({**said(registered), **changes}))

    def delete(self, registered: Mapping[str, Any]) -> Reply:
        return self.manage("DELETE", registered)

    def app(self, registered: Mapping[str, Any], aud: str) -> SmartApp:
        """The app that was registered."""
        return SmartApp(
            self.transport,
            registered["client_id"],
            registered["redirect_uris"][0],
            aud,
            registered.get("client_secret"),
        )


def said(registered: Mapping[str, Any]) -> dict[str, Any]:
    """What an update repeats of an answer (RFC 7592 §2.2)."""
    ours = {
        "registration_access_token",
        "registration_client_uri",
        "client_secret_expires_at",
        "client_id_issued_at",
        "registration_state",
    }
    return {name: value for name, value in registered.items() if name not in ours}


def without_nones(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
