"""Referral Desk's pages. The browser holds a cookie and nothing else; tokens stay on the server."""

from __future__ import annotations

import json
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

from flask import Blueprint, current_app, redirect, render_template, request

from demo.app.id_token import NotTrusted
from demo.app.letter import Letter, Reader, write_letter
from demo.app.referral_flow import SCOPE, Pending, ReferralFlow, SignedIn, Stopped
from demo.authorization_server import Refused, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from flask.typing import ResponseReturnValue

    from demo.authorization_server import AuthorizationServer
    from demo.config import Credential, DemoConfig

COOKIE = "demo_referral_session"
MAX_DESKS, MAX_ITEMS = 500, 20


@dataclass(frozen=True, slots=True)
class View:
    """A finished letter, and how it came about."""

    letter: Letter
    signed_in: SignedIn
    reads: list[str]

    @property
    def response_text(self) -> str:
        """The token response as the server saw it, secrets shortened."""
        hidden = {
            name: shortened(str(self.signed_in.response[name])) for name in SECRET if name in self.signed_in.response
        }
        return json.dumps({**self.signed_in.response, **hidden}, indent=2, ensure_ascii=False)

    @property
    def claims_text(self) -> str:
        return json.dumps(dict(self.signed_in.claims), indent=2, ensure_ascii=False)


SECRET = ("access_token", "refresh_token", "id_token")


@dataclass
class Desk:
    """What one browser has under way (by ``state``) and has finished (by a random name)."""

    pending: OrderedDict[str, Pending] = field(default_factory=OrderedDict)
    views: OrderedDict[str, View] = field(default_factory=OrderedDict)


class Desks:
    """One Desk for each cookie; the oldest are forgotten."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._desks: OrderedDict[str, Desk] = OrderedDict()

    def remember(self, cookie: str, state: str, pending: Pending) -> str:
        """Returns the cookie to set: the same one, or a new one if it is not known."""
        with self._lock:
            if cookie not in self._desks:
                cookie = secrets.token_urlsafe(32)
                _keep(self._desks, cookie, Desk(), MAX_DESKS)
            _keep(self._desks[cookie].pending, state, pending, MAX_ITEMS)
        return cookie

    def take(self, cookie: str, state: str) -> Pending | None:
        """Once only: a second answer with the same ``state`` finds nothing."""
        with self._lock:
            desk = self._desks.get(cookie)
            return desk.pending.pop(state, None) if desk else None

    def show(self, cookie: str, view: View) -> str:
        name = secrets.token_urlsafe(12)
        with self._lock:
            _keep(self._desks.setdefault(cookie, Desk()).views, name, view, MAX_ITEMS)
        return name

    def view(self, cookie: str, name: str) -> View | None:
        with self._lock:
            desk = self._desks.get(cookie)
            return desk.views.get(name) if desk else None


def _keep(book: OrderedDict[str, Any], key: str, value: Any, limit: int) -> None:
    book[key] = value
    while len(book) > limit:
        book.popitem(last=False)


def shortened(secret: str) -> str:
    return f"{secret[:6]}…{secret[-4:]}"


def create_referral(
    config: DemoConfig, server: AuthorizationServer, credential: Credential, now: Callable[[], datetime]
) -> Blueprint:
    pages = Blueprint("referral", __name__)
    flow = ReferralFlow(config, server, credential, now)
    desks = Desks()

    @pages.get("/referral/launch")
    def launch() -> ResponseReturnValue:
        """SMART 2.2 "EHR launch": the browser arrives with ``iss`` and ``launch``."""
        state, pending, address = flow.begin(request.args.get("iss", ""), request.args.get("launch", ""))
        answer = redirect(address, 303)
        cookie = desks.remember(request.cookies.get(COOKIE, ""), state, pending)
        answer.set_cookie(COOKIE, cookie, httponly=True, samesite="Lax", path="/referral")
        return answer

    @pages.get("/referral")
    def referral() -> ResponseReturnValue:
        """The redirect address, and the page that shows a letter."""
        cookie = request.cookies.get(COOKIE, "")
        if "state" in request.args:
            pending = desks.take(cookie, request.args["state"])
            if pending is None:
                raise Stopped("This answer belongs to no sign-in of this browser, or was used already.")
            signed_in = flow.finish(pending, request.args)
            reads: list[str] = []
            letter = write_letter(Reader(server, config.fhir, signed_in, reads))
            name = desks.show(cookie, View(letter, signed_in, reads))
            return redirect(f"/referral?view={name}", 303)  # an address without the code
        view = desks.view(cookie, request.args.get("view", ""))
        return render_template("referral.html", view=view, scope=SCOPE)

    @pages.errorhandler(Stopped)
    @pages.errorhandler(NotTrusted)
    @pages.errorhandler(Refused)
    @pages.errorhandler(Unreachable)
    def stopped(error: Stopped | NotTrusted | Refused | Unreachable) -> ResponseReturnValue:
        current_app.logger.warning("referral desk stopped: %s", error)
        if isinstance(error, Unreachable):
            return render_template("referral.html", problem="A server of the demo does not answer. Is it running?"), 503
        words = error.description if isinstance(error, Refused) else str(error)
        return render_template("referral.html", problem=words), 400

    return pages
