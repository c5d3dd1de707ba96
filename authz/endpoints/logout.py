"""``GET`` and ``POST /logout``: the end_session_endpoint, and where "Sign out" on our own pages leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from authz.authorize.logout import AskToSignOut, SignedOut, StillSignedIn
from authz.endpoints.browser import browser, forget_session
from authz.endpoints.current import http_request, services
from authz.endpoints.gate import form, query
from authz.endpoints.pages import page, see_other

if TYPE_CHECKING:
    from flask import Response
    from flask.typing import ResponseReturnValue

    from authz.authorize.logout import LogoutOutcome

bp = Blueprint("logout", __name__)


@bp.get("/logout")
def begin() -> ResponseReturnValue:
    """OpenID Connect RP-Initiated Logout §2; without parameters a person asks for it."""
    sent, logout = query(http_request()), services().logout
    request = logout.kept(sent["request"]) if "request" in sent else logout.parse(sent)
    return show(logout.begin(request, browser()))


@bp.post("/logout")
def answer_or_begin() -> ResponseReturnValue:
    """The answer to "Sign out?", or an app's request as a form: another site's form comes without our cookies."""
    sent, logout = form(http_request()), services().logout
    if "logout" in sent:
        return show(logout.answer(sent["logout"], browser(), agreed=sent.get("action") == "sign_out"))
    peer = http_request().peer
    services().limits.signing_out(peer)
    handle = logout.keep(logout.parse(sent), peer)
    return see_other(services().settings.url(f"/logout?request={handle}"))


def show(outcome: LogoutOutcome) -> Response:
    match outcome:
        case AskToSignOut():
            targets = [outcome.location] if outcome.location else []
            return page("logout.html", form_targets=targets, shown=outcome, may_sign_out=False)
        case StillSignedIn():
            return page("still_signed_in.html", shown=outcome)
        case SignedOut(None):
            return forget_session(page("signed_out.html", may_sign_out=False, shown=outcome))
        case SignedOut(location):
            return forget_session(see_other(str(location)))
