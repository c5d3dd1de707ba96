"""``GET /developers`` and ``/developers/scopes``: what there is to use, for anybody to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from authz.developers import words
from authz.endpoints.current import services
from authz.endpoints.developers.desk import open_servers, show

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("overview", __name__)


@bp.get("")
def overview() -> ResponseReturnValue:
    """Each FHIR server where apps may register, from its discovery document."""
    return show("developers.html", "", shown=services().developers.overview.of(open_servers()))


@bp.get("/scopes")
def scopes() -> ResponseReturnValue:
    """Every kind of data in the words of the consent page."""
    open_servers()
    return show("developers_scopes.html", "/scopes", shown=words.kinds(services().developers.catalogue))
