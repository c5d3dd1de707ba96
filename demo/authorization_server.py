"""How the demo's back ends talk to the authorization server, and an app to the FHIR server: over HTTP only."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from urllib3 import PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError
from urllib3.util import make_headers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from urllib3 import BaseHTTPResponse

    from demo.config import Credential, DemoConfig

MAX_ANSWER = 1_000_000  # bytes


class Unreachable(Exception):
    """The authorization server did not answer, or not in a usable way."""


class Refused(Exception):
    """The authorization server answered with an error; ``error`` and ``description`` are its words."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(f"{status} {error}: {description}")
        self.status, self.error, self.description = status, error, description


def connection_pool() -> PoolManager:
    """One pool per process: short time-outs, no retries, no redirects."""
    return PoolManager(timeout=Timeout(connect=1.0, read=4.0), retries=Retry(0, redirect=0), maxsize=16)


def basic(credential: Credential) -> dict[str, str]:
    """RFC 6749 §2.3.1: name and secret are form-encoded before they are joined."""
    pair = f"{quote(credential.name, safe='')}:{quote(credential.secret, safe='')}"
    return dict(make_headers(basic_auth=pair))


@dataclass(frozen=True)
class AuthorizationServer:
    """The calls the demo makes. Raises Unreachable or Refused."""

    config: DemoConfig
    pool: PoolManager = field(default_factory=connection_pool)

    def introspect(self, token: str, caller: Credential) -> dict[str, Any]:
        """RFC 7662 §2.1; never cached, so that a revocation bites at the next request."""
        return self.post_form(f"{self.config.issuer}/introspect", {"token": token}, caller)

    def smart_configuration(self) -> bytes:
        """The ready document for our FHIR server, byte for byte."""
        return self._get(f"{self.config.fhir_server}/.well-known/smart-configuration")

    def oauth_uris(self) -> dict[str, Any]:
        """The ``rest.security`` part of the CapabilityStatement."""
        return self.get_json(f"{self.config.fhir_server}/oauth-uris")

    def launch(self, body: Mapping[str, Any], caller: Credential) -> dict[str, Any]:
        return self._post_json(f"{self.config.issuer}/launch", body, caller)

    def end_session(self, session: str, caller: Credential) -> None:
        body = {"fhir_server": self.config.fhir, "session": session}
        self._post_json(f"{self.config.issuer}/ehr-session/end", body, caller)

    def touch_session(self, session: str, caller: Credential) -> None:
        body = {"fhir_server": self.config.fhir, "session": session}
        self._post_json(f"{self.config.issuer}/ehr-session/touch", body, caller)

    def introspect_handle(self, fields: Mapping[str, str], caller: Credential) -> dict[str, Any]:
        """Whose a web messaging handle is, and whether this message may come with it."""
        return self.post_form(f"{self.config.issuer}/web-messaging/introspect", fields, caller)

    def revoke_handle(self, handle: str, caller: Credential) -> None:
        self.post_form(f"{self.config.issuer}/web-messaging/revoke", {"handle": handle}, caller)

    def post_form(self, url: str, fields: Mapping[str, str], caller: Credential | None = None) -> dict[str, Any]:
        headers = {"Accept": "application/json", **(basic(caller) if caller else {})}
        return _json(self._send("POST", url, headers=headers, fields=dict(fields), encode_multipart=False))

    def get_json(self, url: str, token: str | None = None) -> dict[str, Any]:
        return _parsed(self._get(url, token))

    def _get(self, url: str, token: str | None = None) -> bytes:
        headers = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        answer = self._send("GET", url, headers=headers)
        if answer.status != 200:
            raise _refusal(answer)
        return answer.data

    def _post_json(self, url: str, body: Mapping[str, Any], caller: Credential) -> dict[str, Any]:
        headers = {"Accept": "application/json", "Content-Type": "application/json", **basic(caller)}
        return _json(self._send("POST", url, headers=headers, body=json.dumps(body).encode()))

    def _send(self, method: str, url: str, **arguments: Any) -> BaseHTTPResponse:
        try:
            return self.pool.request(method, url, redirect=False, **arguments)
        except HTTPError as error:
            raise Unreachable(f"no answer from {url.split('?', maxsplit=1)[0]}") from error


def _json(answer: BaseHTTPResponse) -> dict[str, Any]:
    if not 200 <= answer.status < 300:
        raise _refusal(answer)
    return _parsed(answer.data) if answer.data else {}


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data[:MAX_ANSWER])
    except ValueError as error:
        raise Unreachable("the answer is not JSON") from error
    if not isinstance(value, dict):
        raise Unreachable("the answer is not a JSON object")
    return value


def _refusal(answer: BaseHTTPResponse) -> Refused | Unreachable:
    """Any 5xx is an outage; any other status is a refusal in the server's own words, if it gave some."""
    if answer.status >= 500:
        return Unreachable(f"answered {answer.status}")
    try:
        body = _parsed(answer.data)
    except Unreachable:
        body = {}
    error, description = body.get("error"), body.get("error_description")
    if body.get("resourceType") == "OperationOutcome":  # from the FHIR server
        error, description = "refused", next(iter(body.get("issue") or [{}])).get("diagnostics")
    return Refused(
        answer.status,
        error if isinstance(error, str) else "error",
        description if isinstance(description, str) else "no explanation was given",
    )
