"""What only this server does, or does in a way that no peer has: its own operations beside those that all have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from benchmarks.lanes import Lane, Question
from benchmarks.load import END_OF_HEADERS
from benchmarks.questions import LANES, SECRET, always
from tests.actors import FORM, Browser, Ehr, SmartApp, basic
from tests.messaging import MESSAGES, Window
from tests.transport import OverHttp
from tests.world import EVERYTHING, actors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from benchmarks.questions import Code
    from tests.transport import Transport

LAUNCH_SCOPE = "launch openid fhirUser patient/*.rs offline_access"
PORTAL_SCOPE = "launch/patient openid fhirUser patient/Observation.rs patient/Condition.rs offline_access"
APP_SCOPE = f"{EVERYTHING} {MESSAGES}"
REDIRECT, CONSENT, HANDLE, LAUNCH = "authorize redirect", "consent page", "message handle", "launch"
OPERATIONS = (REDIRECT, CONSENT, HANDLE, LAUNCH)


@dataclass(frozen=True)
class Asked:
    """The actors at a running server."""

    issuer: str
    ehr: Ehr
    app: SmartApp

    @classmethod
    def at(cls, issuer: str, transport: Transport | None = None) -> Asked:
        """Over HTTP, if nothing else is said."""
        who: Mapping[str, Any] = actors(transport or OverHttp(issuer))
        app: SmartApp = who["confidential"]
        app.client_id, app.secret = "app", SECRET
        return cls(issuer, who["ehr"], app)

    def launch(self) -> str:
        launch: str = self.ehr.launch(self.app.client_id, "Practitioner/dr", patient="A")["launch"]
        return launch

    def tokens(self) -> dict[str, Any]:
        return self.app.tokens(self.launch(), LAUNCH_SCOPE)

    def mint(self, count: int) -> list[Code]:
        """Codes of EHR launches."""
        return [(self.app.code(self.launch(), LAUNCH_SCOPE), self.app.verifier) for _ in range(count)]

    def lanes(self) -> dict[str, list[Lane]]:
        browser = self.signed_in()
        made = {
            REDIRECT: self.get(self.app.authorize_url(scope=PORTAL_SCOPE), browser, b"code=", b"303"),
            CONSENT: self.get(
                self.app.authorize_url(scope=PORTAL_SCOPE, prompt="consent"), browser, b"Share health records with"
            ),
            HANDLE: self.handle(),
            LAUNCH: self.launching(),
        }
        return {name: [Lane(always(question)) for _ in range(LANES)] for name, question in made.items()}

    def signed_in(self) -> Browser:
        """Alice has agreed once, and is signed in."""
        browser = Browser(self.app.transport)
        page = browser.sign_in(browser.open(self.app.authorize_url(scope=PORTAL_SCOPE)), "alice", "alice-password")
        assert "code" in browser.submit(page, press="allow").location_parameters
        return browser

    def get(self, url: str, browser: Browser, expected: bytes, status: bytes = b"200") -> Question:
        parts = urlsplit(url)
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        lines = [f"GET {parts.path}?{parts.query} HTTP/1.1", f"Host: {parts.netloc}", f"Cookie: {cookies}"]
        return Question("\r\n".join(lines).encode() + END_OF_HEADERS, expected, status)

    def handle(self) -> Question:
        """The check of a web messaging handle by the EHR."""
        _, tokens = Window(self.ehr, self.app).opened()
        body = urlencode({"handle": tokens["smart_web_messaging_handle"]}).encode()
        return Question(self.by_the_ehr("/web-messaging/introspect", body, FORM), b'"active":true')

    def launching(self) -> Question:
        body = b'{"client_id":"app","fhir_server":"%s","user":"Practitioner/dr","patient":"A"}'
        whole = body % self.ehr.fhir_server.encode()
        return Question(self.by_the_ehr("/launch", whole, "application/json"), b'"launch":', b"201")

    def by_the_ehr(self, path: str, body: bytes, content_type: str) -> bytes:
        headers = {
            "Host": urlsplit(self.issuer).netloc,
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            **basic(self.ehr.client_id, self.ehr.secret),
        }
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join(lines).encode() + END_OF_HEADERS + body
