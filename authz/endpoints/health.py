"""``GET /healthz`` and ``/readyz``, at the root whatever the issuer's path is, for orchestrators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from authz.endpoints.current import services
from authz.endpoints.exchange import json_answer, to_flask
from authz.errors import Unavailable
from authz.settings import ConfigurationError
from authz.storage import revisions

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from authz.services import Services

bp = Blueprint("health", __name__)


@bp.get("/healthz")
def healthz() -> ResponseReturnValue:
    """The process answers; nothing else is asked."""
    return to_flask(json_answer({"status": "ok"}))


@bp.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Whether requests can be answered: 200, or 503 with what is wrong."""
    found = database_problems(services()) + key_problems(services()) + store_problems(services())
    if found:
        return to_flask(json_answer({"status": "unavailable", "problems": found}, 503, {"Retry-After": "2"}))
    return to_flask(json_answer({"status": "ok"}))


def database_problems(services: Services) -> list[str]:
    try:
        found = revisions.misfit(services.db.engine)
    except Unavailable:
        return ["the database does not answer"]
    return [found] if found else []


def key_problems(services: Services) -> list[str]:
    try:
        services.keyring.check()
    except ConfigurationError as error:
        return error.problems
    except Unavailable:
        return ["the signing keys can't be looked up"]
    return []


def store_problems(services: Services) -> list[str]:
    try:
        services.backend.ping()
        return services.backend.problems()
    except Unavailable:
        return ["the short-lived store does not answer"]
