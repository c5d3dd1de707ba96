"""The smallest SMART app with a server of its own: opened by an EHR or by itself, it says what it got."""

from __future__ import annotations

import secrets
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

import urllib3
from werkzeug.serving import make_server

from tests.actors import basic, challenge, new_verifier
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIEnvironment


@dataclass
class SmallApp:
    issuer: str
    fhir: str
    port: int = field(default_factory=free_port)
    client_id: str = ""
    secret: str = ""
    verifier: str = field(default_factory=new_verifier)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        sent = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
        path = environ["PATH_INFO"]
        if path == "/callback":
            start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
            return [f"<h1>Small App</h1><p id=told>{escape(self.told(sent))}</p>".encode()]
        if path not in {"/launch", "/start"}:  # a browser asks for an icon by itself
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return []
        scope = f"{'launch ' if 'launch' in sent else ''}openid fhirUser patient/Observation.rs"
        launch = {"launch": sent["launch"]} if "launch" in sent else {}
        start_response("303 See Other", [("Location", self.authorize_url(scope=scope, **launch))])
        return []

    def authorize_url(self, **more: str) -> str:
        self.verifier = new_verifier()
        parameters = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": f"{self.origin}/callback",
            "aud": self.fhir,
            "state": secrets.token_urlsafe(16),
            "code_challenge": challenge(self.verifier),
            "code_challenge_method": "S256",
            **more,
        }
        return f"{self.issuer}/authorize?{urlencode(parameters)}"

    def told(self, sent: dict[str, str]) -> str:
        if "error" in sent:
            return f"{sent['error']}: {sent['error_description']}"
        form = {"code": sent["code"], "redirect_uri": f"{self.origin}/callback", "code_verifier": self.verifier}
        answer: dict[str, Any] = urllib3.request(
            "POST",
            f"{self.issuer}/token",
            body=urlencode({"grant_type": "authorization_code", **form}),
            headers={**basic(self.client_id, self.secret), "Content-Type": "application/x-www-form-urlencoded"},
        ).json()
        return f"patient {answer.get('patient')}, scope {answer.get('scope')}"


@contextmanager
def running(app: SmallApp) -> Iterator[SmallApp]:
    server = make_server("127.0.0.1", app.port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield app
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
