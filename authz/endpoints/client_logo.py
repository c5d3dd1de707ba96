"""``GET /clients/{client_id}/logo/{version}``: the logo of an app on the consent page, served by us."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from flask import Blueprint

from authz.clients.logo import address
from authz.endpoints.current import answer, services
from authz.endpoints.exchange import HttpAnswer
from authz.errors import NotFound
from authz.fhir_servers.server import CLIENT_ID

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from authz.endpoints.exchange import HttpRequest

bp = Blueprint("client_logo", __name__)
HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",  # another picture has another address
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def logo(_request: HttpRequest, client_id: str, version: str) -> HttpAnswer:
    """The picture as an image of its kind, and as nothing else."""
    is_one = CLIENT_ID.fullmatch(client_id) and version.isalnum()
    found = services().client_logos.find(client_id, version) if is_one else None
    if found is None:
        raise NotFound("no such logo")
    return HttpAnswer(200, {"Content-Type": found.media_type, **HEADERS}, found.content)


@bp.get(address("<client_id>", "<version>"))
def view(client_id: str, version: str) -> ResponseReturnValue:
    return answer(partial(logo, client_id=client_id, version=version))
