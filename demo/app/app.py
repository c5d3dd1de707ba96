"""The sample apps' HTTP side. For Growth Chart it only serves files: the browser does the SMART part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, render_template, request

from demo.app.referral import create_referral
from demo.config import GROWTH_CHART
from demo.design import design
from demo.web_messaging import library

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from flask import Response
    from flask.typing import ResponseReturnValue

    from demo.authorization_server import AuthorizationServer
    from demo.config import Credential, DemoConfig


def create_app(
    config: DemoConfig, server: AuthorizationServer, credential: Credential, now: Callable[[], datetime]
) -> Flask:
    """Build both apps; ``credential`` is Referral Desk's secret. Growth Chart has none."""
    app = Flask("demo.app")
    app.register_blueprint(design)
    app.register_blueprint(library)
    app.register_blueprint(create_referral(config, server, credential, now))
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.context_processor(lambda: {"config": config, "client_id": GROWTH_CHART})

    @app.get("/")
    def index() -> ResponseReturnValue:
        return render_template("index.html")

    @app.get("/launch.html")
    def launch() -> ResponseReturnValue:
        return render_template("launch.html")

    @app.get("/lookalike")
    def lookalike() -> ResponseReturnValue:
        """A page of nobody's, at an origin of its own, that would like the EHR to take it for Growth Chart."""
        return render_template("lookalike.html")

    @app.after_request
    def protect(answer: Response) -> Response:
        """The browser app may talk to two servers only, and may stand in the EHR's frame only."""
        framed_by = config.ehr if request.endpoint in ("index", "launch") else "'none'"
        answer.headers["Content-Security-Policy"] = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            f"connect-src {config.issuer} {config.fhir}/; form-action 'self' {config.issuer}; "
            f"frame-ancestors {framed_by}; base-uri 'none'"
        )
        answer.headers["Referrer-Policy"] = "no-referrer"  # the address of a callback has the code in it
        answer.headers["X-Content-Type-Options"] = "nosniff"
        if request.endpoint not in ("static", "design.static", "web_messaging.static"):
            answer.headers["Cache-Control"] = "no-store"
        return answer

    return app
