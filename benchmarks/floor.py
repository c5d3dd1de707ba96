"""The floor: a constant answer on the same HTTP server, bare and through Flask. Nothing behind it can be cheaper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, Response

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

ANSWER = b'{"active":true,"scope":"patient/*.rs","client_id":"app","token_type":"Bearer","exp":1800000000}'

through_flask = Flask(__name__)


@through_flask.route("/", methods=["GET", "POST"])
def constant() -> Response:
    return Response(ANSWER, mimetype="application/json")


def bare(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(ANSWER)))])
    return [ANSWER]
