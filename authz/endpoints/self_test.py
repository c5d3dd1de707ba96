"""``POST /self-test``: how this server sees a request of ``authz doctor``."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from flask import Blueprint, request

from authz.endpoints.current import answer, services
from authz.endpoints.exchange import HttpAnswer, HttpRequest, json_answer
from authz.endpoints.gate import form
from authz.errors import NotFound

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("self_test", __name__)


def self_test(asked: HttpRequest) -> HttpAnswer:
    """Tell the bearer of a ticket what arrived; for anybody else there is nothing here."""
    if not services().self_tests.admits(form(asked).get("ticket", "")):
        raise NotFound("there is nothing at this address")
    return json_answer(
        {
            "version": version("authz"),
            "at": services().now().timestamp(),
            "peer": asked.peer.address,
            "remote": request.environ.get("REMOTE_ADDR"),
            "forwarded_for": asked.headers.get("x-forwarded-for"),
        }
    )


@bp.post("/self-test")
def view() -> ResponseReturnValue:
    return answer(self_test)
