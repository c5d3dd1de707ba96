"""``POST /select-patient`` and ``POST /select-encounter``: for whom, and for which visit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from authz.endpoints.browser import browser, show
from authz.endpoints.current import http_request, services
from authz.endpoints.gate import form

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("pick", __name__)


@bp.post("/select-patient")
def select_patient() -> ResponseReturnValue:
    sent = form(http_request())
    handle = sent.get("interaction", "")
    if sent.get("action") == "cancel":
        return show(services().authorization.cancel(handle, browser()))
    return show(services().choosing.patient(handle, sent, browser()))


@bp.post("/select-encounter")
def select_encounter() -> ResponseReturnValue:
    sent = form(http_request())
    handle = sent.get("interaction", "")
    if sent.get("action") == "cancel":
        return show(services().authorization.cancel(handle, browser()))
    return show(services().choosing.encounter(handle, sent, browser()))
