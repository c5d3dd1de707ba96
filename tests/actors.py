"""Actors that do what outsiders can do: an EHR, a SMART app, a FHIR server, a person with a browser."""

from __future__ import annotations

import json
import secrets
from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin, urlsplit

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tests.transport import Reply, Transport

FORM = "application/x-www-form-urlencoded"


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


@dataclass
class Ehr:
    """An EHR's back end with its credential."""

    transport: Transport
    client_id: str
    secret: str
    fhir_server: str

    def post(self, path: str, content: object) -> Reply:
        headers = {**basic(self.client_id, self.secret), "Content-Type": "application/json"}
        return self.transport.send("POST", self.transport.issuer + path, headers, json.dumps(content).encode())

    def launch(self, client_id: str, user: str, **context: Any) -> dict[str, Any]:
        """Put a launch down; returns the answer of ``POST /launch``."""
        record = {"client_id": client_id, "fhir_server": self.fhir_server, "user": user, **context}
        reply = self.post("/launch", record)
        assert reply.status == 201, reply.text
        answer: dict[str, Any] = reply.json()
        return answer

    def look_up(self, launch_id: str) -> Reply:
        return self.transport.send(
            "GET", f"{self.transport.issuer}/launch/{launch_id}", basic(self.client_id, self.secret)
        )

    def withdraw(self, launch_id: str) -> Reply:
        return self.transport.send(
            "DELETE", f"{self.transport.issuer}/launch/{launch_id}", basic(self.client_id, self.secret)
        )

    def end_session(self, session: str) -> Reply:
        return self.post("/ehr-session/end", {"fhir_server": self.fhir_server, "session": session})

    def touch_session(self, session: str) -> Reply:
        return self.post("/ehr-session/touch", {"fhir_server": self.fhir_server, "session": session})


@dataclass
class FhirServer:
    """A resource server with its introspection credential."""

    transport: Transport
    client_id: str
    secret: str

    def ask(self, token: str, **more: str) -> Reply:
        headers = {**basic(self.client_id, self.secret), "Content-Type": FORM}
        body = urlencode({"token": token, **more}).encode()
        return self.transport.send("POST", self.transport.issuer + "/introspect", headers, body)

    def introspect(self, token: str) -> dict[str, Any]:
        reply = self.ask(token)
        assert reply.status == 200, reply.text
        answer: dict[str, Any] = reply.json()
        return answer


class Forms(HTMLParser):
    """The first form of a page whose address ends so: where it goes, what it sends when nothing is touched, and what
    its boxes are called.
    """

    def __init__(self, page: str, to: str = "") -> None:
        super().__init__()
        self.to = to
        self.is_inside = not to
        self.action: str | None = None
        self.fields: list[tuple[str, str]] = []
        self.buttons: list[tuple[str, str]] = []
        self.labels: list[tuple[str, tuple[str, str]]] = []  # text, and the name and value of its box
        self.label: list[str] | None = None
        self.before = 0  # fields there were when the label began: one without a ticked box has none of its own
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form" and self.action is None and found.get("action", "").endswith(self.to):
            self.action, self.is_inside = found.get("action", ""), True
        if not self.is_inside:
            return
        if tag == "label":
            self.label, self.before = [], len(self.fields)
        if tag == "button" and found.get("name"):
            self.buttons.append((found["name"], found.get("value", "")))
        if tag != "input" or not found.get("name"):
            return
        if found.get("type") in {"checkbox", "radio"} and "checked" not in found:
            return
        self.fields.append((found["name"], found.get("value", "")))

    def handle_data(self, data: str) -> None:
        if self.label is not None and data.strip():
            self.label.append(data.strip())

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self.to:
            self.is_inside = False
        if tag == "label" and self.label is not None:
            if len(self.fields) > self.before:
                self.labels.append((" ".join(self.label), self.fields[-1]))
            self.label = None

    def box(self, label: str) -> tuple[str, str]:
        """The one ticked box whose label begins like this."""
        found = [field for text, field in self.labels if text.startswith(label)]
        assert len(found) == 1, f"{label}: {[text for text, _ in self.labels]}"
        return found[0]


@dataclass
class Browser:
    """A person's browser: keeps cookies of the server, follows its redirects, stops where it is sent elsewhere."""

    transport: Transport
    cookies: dict[str, str] = field(default_factory=dict)
    url: str = ""
    languages: str = ""  # what the person has set, as ``Accept-Language``

    def request(self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
        sent = dict(headers or {})
        if self.languages:
            sent["Accept-Language"] = self.languages
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        reply = self.transport.send(method, url, sent, body)
        for line in reply.headers.get("set-cookie", []):
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0" or not morsel.value:
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        self.url = url
        return reply

    def open(self, url: str) -> Reply:
        """Open an address and follow redirects as long as they stay at the server."""
        return self.follow(self.request("GET", url))

    def follow(self, reply: Reply) -> Reply:
        while reply.status in {302, 303} and self.stays(reply.location):
            reply = self.request("GET", urljoin(self.url, reply.location))
        return reply

    def stays(self, location: str) -> bool:
        here, there = urlsplit(self.transport.issuer), urlsplit(urljoin(self.url, location))
        return (here.scheme, here.netloc) == (there.scheme, there.netloc)

    def submit(
        self,
        page: Reply,
        changes: Mapping[str, str] | None = None,
        press: str | None = None,
        untick: Collection[str] = (),
        to: str = "",
    ) -> Reply:
        """Send the page's form: fields filled in, boxes unticked by their labels, a button pressed by its value."""
        form = Forms(page.text, to)
        assert form.action is not None, f"no form in {page.text[:2000]}"
        unticked = [form.box(label) for label in untick]
        fields = [field for field in form.fields if field[0] not in (changes or {}) and field not in unticked]
        fields += list((changes or {}).items())
        if press is not None:
            fields += [button for button in form.buttons if button[1] == press]
        target = urljoin(self.url, form.action)
        return self.follow(self.request("POST", target, urlencode(fields).encode(), {"Content-Type": FORM}))

    def sign_in(self, page: Reply, name: str, password: str) -> Reply:
        return self.submit(page, {"username": name, "password": password})


def new_verifier() -> str:
    return secrets.token_urlsafe(48)


def challenge(verifier: str) -> str:
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass
class SmartApp:
    """An app: public, or confidential with a secret."""

    transport: Transport
    client_id: str
    redirect_uri: str
    aud: str
    secret: str | None = None
    verifier: str = field(default_factory=new_verifier)
    state: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    def authorization_request(self, **changes: str | None) -> dict[str, str]:
        """The parameters of a good request; ``name=None`` leaves one out."""
        parameters = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "state": self.state,
            "aud": self.aud,
            "code_challenge": challenge(self.verifier),
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in parameters.items() if value is not None}

    def authorize_url(self, **changes: str | None) -> str:
        return f"{self.transport.issuer}/authorize?{urlencode(self.authorization_request(**changes))}"

    def launched(self, launch: str, scope: str, **changes: str | None) -> Reply:
        """Open the authorization endpoint for an EHR launch, in a browser without cookies."""
        return Browser(self.transport).open(self.authorize_url(launch=launch, scope=scope, **changes))

    def code(self, launch: str, scope: str, **changes: str | None) -> str:
        """The code of an EHR launch that needs nobody to do anything."""
        reply = self.launched(launch, scope, **changes)
        parameters = reply.location_parameters
        assert parameters.get("state") == self.state, parameters
        assert "code" in parameters, parameters
        return parameters["code"]

    def post(self, path: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Reply:
        sent = {"Content-Type": FORM, **(headers or {})}
        fields = dict(form)
        if self.secret is None:
            fields.setdefault("client_id", self.client_id)
        else:
            sent |= basic(self.client_id, self.secret)
        return self.transport.send("POST", self.transport.issuer + path, sent, urlencode(fields).encode())

    def redeem(self, code: str, **changes: str) -> Reply:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
            **changes,
        }
        return self.post("/token", form)

    def tokens(self, launch: str, scope: str, **changes: str | None) -> dict[str, Any]:
        """The token response of a whole EHR launch."""
        reply = self.redeem(self.code(launch, scope, **changes))
        assert reply.status == 200, reply.text
        answer: dict[str, Any] = reply.json()
        return answer

    def refresh(self, refresh_token: str, **more: str) -> Reply:
        return self.post("/token", {"grant_type": "refresh_token", "refresh_token": refresh_token, **more})

    def revoke(self, token: str) -> Reply:
        return self.post("/revoke", {"token": token})
