"""``POST /consent``: what a person decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from authz.endpoints.browser import browser, show
from authz.endpoints.current import http_request, services
from authz.endpoints.gate import form_pairs

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

MAX_BOXES = 1000  # two for each of 200 scopes, and the kinds that "all" can be narrowed to

bp = Blueprint("consent", __name__)


@bp.post("/consent")
def decide() -> ResponseReturnValue:
    """Agree to the scopes left ticked, or to none; only the button that says so allows."""
    sent = form_pairs(http_request(), at_most=MAX_BOXES)
    handle = dict(sent).get("interaction", "")
    if ("action", "allow") not in sent:
        return show(services().authorization.cancel(handle, browser()))
    ticked = frozenset(value for name, value in sent if name == "keep")
    return show(services().authorization.decide(handle, ticked, browser()))
