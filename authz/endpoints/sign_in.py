"""``/sign-in``: to the hospital's own provider and back (OpenID Connect Core §3.1.2), and what is asked on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from authz.endpoints.browser import browser, check_is_get, show
from authz.endpoints.current import http_request, services
from authz.endpoints.gate import form, query

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("sign_in", __name__)


@bp.get("/sign-in/<name>")
def leave(name: str) -> ResponseReturnValue:
    """A link and not a form: where a provider sends people on to is no business of our ``form-action``."""
    check_is_get()
    door = query(http_request()).get("door", "")
    return show(services().at_provider.leaving.leave(name, door, browser()))


@bp.get("/sign-in/<name>/callback")
def come_back(name: str) -> ResponseReturnValue:
    """The provider's answer, by way of the browser."""
    check_is_get()
    return show(services().at_provider.coming_back.come_back(name, query(http_request()), browser()))


@bp.post("/sign-in")
def answer() -> ResponseReturnValue:
    """The code of the window beside an EHR's frame, or which of several resources somebody is."""
    sent = form(http_request())
    if "arrival" in sent:
        reference = None if sent.get("action") == "cancel" else sent.get("reference", "")
        return show(services().at_provider.coming_back.choose(sent["arrival"], reference, browser()))
    handle = sent.get("interaction", "")
    if sent.get("action") == "cancel":
        return show(services().authorization.cancel(handle, browser()))
    return show(services().at_provider.beside.collect(handle, sent.get("code", ""), browser()))
