"""The demo's sites without a network: an authorization server that says what a test tells it to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from demo.authorization_server import Refused, Unreachable
from demo.config import DemoConfig

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from demo.config import Credential

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


@dataclass
class TalkingServer:
    """Stands in for ``AuthorizationServer``: known tokens, and a record of every call."""

    config: DemoConfig
    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    broken: bool = False
    refuses: Refused | None = None
    handles: dict[str, dict[str, Any]] = field(default_factory=dict)

    def knows(self, token: str, scope: str, **members: Any) -> dict[str, str]:
        """Make a live token for our FHIR server; returns the header that carries it."""
        live = {"active": True, "aud": self.config.fhir, "exp": int(NOW.timestamp()) + 300, "scope": scope}
        self.tokens[token] = live | members
        return {"Authorization": f"Bearer {token}"}

    def introspect(self, token: str, caller: Credential) -> Mapping[str, Any]:
        self._called("introspect", (token, caller.name))
        return self.tokens.get(token, {"active": False})

    def smart_configuration(self) -> bytes:
        self._called("smart_configuration", None)
        return b'{"token_endpoint": "http://as.example/token", "capabilities": []}'

    def oauth_uris(self) -> dict[str, Any]:
        self._called("oauth_uris", None)
        return {"extension": [{"url": "oauth-uris"}], "service": [{"text": "SMART"}]}

    def launch(self, body: Mapping[str, Any], caller: Credential) -> dict[str, Any]:
        self._called("launch", (dict(body), caller.name))
        url = f"{self.config.app}/launch.html?iss={self.config.fhir}&launch=handle-of-this-launch"
        return {"launch": "handle-of-this-launch", "launch_id": "L1", "launch_url": url, "expires_in": 300}

    def end_session(self, session: str, caller: Credential) -> None:
        self._called("end_session", (session, caller.name))

    def touch_session(self, session: str, caller: Credential) -> None:
        self._called("touch_session", (session, caller.name))

    def introspect_handle(self, fields: Mapping[str, str], caller: Credential) -> dict[str, Any]:
        self._called("introspect_handle", (dict(fields), caller.name))
        return self.handles.get(fields["handle"], {"active": False})

    def revoke_handle(self, handle: str, caller: Credential) -> None:
        self._called("revoke_handle", (handle, caller.name))

    def _called(self, name: str, what: Any) -> None:
        self.calls.append((name, what))
        if self.broken:
            raise Unreachable("no answer")
        if self.refuses:
            raise self.refuses


@pytest.fixture
def config(tmp_path: Path) -> DemoConfig:
    return DemoConfig(state_dir=tmp_path)


@pytest.fixture
def server(config: DemoConfig) -> TalkingServer:
    return TalkingServer(config)
