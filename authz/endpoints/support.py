"""``GET /support``: what a support code stands for, and what every reason means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from authz.audit.support_code import read_support_code
from authz.endpoints.current import http_request, services
from authz.endpoints.gate import query
from authz.endpoints.pages import page, see_other
from authz.support.explanations import REFUSALS, SCOPES

if TYPE_CHECKING:
    from flask import Response
    from flask.typing import ResponseReturnValue

bp = Blueprint("support", __name__)
NOT_FOR_SEARCH_ENGINES = {"X-Robots-Tag": "noindex, nofollow"}


@bp.get("/support")
def reasons() -> ResponseReturnValue:
    """All reasons with their explanations; a code that was typed in leads to its page."""
    typed = query(http_request()).get("code", "")
    code = read_support_code(typed) if typed else None
    if typed and code is None:
        return unlisted(page("support_unknown.html", status=404))
    if code is not None:
        return see_other(services().settings.url(f"/support/{code}"))
    return unlisted(page("support_reasons.html", scopes=SCOPES, refusals=REFUSALS))


@bp.get("/support/<code>")
def case(code: str) -> ResponseReturnValue:
    """One refusal, without anybody's data; one answer for every code that stands for nothing (any more)."""
    services().limits.looking_up(http_request().peer)
    found = services().cases.look_up(code)
    if found is None:
        return unlisted(page("support_unknown.html", status=404))
    return unlisted(page("support_case.html", case=found))


def unlisted(response: Response) -> Response:
    response.headers.update(NOT_FOR_SEARCH_ENGINES)
    return response
