"""``GET /fhir-servers/{name}/styles/{version}.json``: what ``smart_style_url`` names (SMART CTX-20)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from flask import Blueprint

from authz.endpoints.current import answer, services
from authz.endpoints.exchange import HttpAnswer
from authz.errors import NotFound

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from authz.endpoints.exchange import HttpRequest

bp = Blueprint("style", __name__)
FOR_EVER = "public, max-age=31536000, immutable"  # other content has another URL


def style(_request: HttpRequest, name: str, version: str) -> HttpAnswer:
    """A document that was ever published, at a FHIR server that is in use; pages of any origin may read it."""
    server = services().fhir_servers.get(name)
    found = services().styles.find(name, version) if server is not None and server.enabled else None
    if found is None:
        raise NotFound("no such style document")
    headers = {"Content-Type": "application/json", "Cache-Control": FOR_EVER, "ETag": f'"{found.version}"'}
    return HttpAnswer(200, headers, found.content.encode())


@bp.get("/fhir-servers/<name>/styles/<version>.json")
def view(name: str, version: str) -> ResponseReturnValue:
    return answer(partial(style, name=name, version=version))
