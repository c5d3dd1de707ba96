"""Pages for people: server-rendered, without scripts, framed by nobody but the EHR of a launch."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Response, render_template

from authz.endpoints.cookies import SESSION, cookie
from authz.endpoints.headers import page_policy
from authz.policy.sensitive import PURPOSES
from authz.wording import language, moment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Flask

    from authz.settings import Settings

KEEPS_OPENER = {"Cross-Origin-Opener-Policy": "unsafe-none"}  # any other value cuts the app's window.opener


def page(
    template: str,
    *,
    status: int = 200,
    frame_ancestors: Iterable[str] = (),
    form_targets: Iterable[str] = (),
    keep_opener: bool = False,
    **context: Any,
) -> Response:
    """Render a page, never stored by a cache.

    ``keep_opener`` is for the pages of an EHR launch (decision 21), ``csp_nonce`` is there for an inline style.
    Whoever came with the cookie of a session finds a way to sign out; an EHR launch has none (decision 14).
    """
    nonce = secrets.token_urlsafe(16)
    shown = {"may_sign_out": not keep_opener and cookie(SESSION) is not None, **context}
    response = Response(render_template(template, csp_nonce=nonce, **shown), status, mimetype="text/html")
    response.headers["Content-Security-Policy"] = page_policy(nonce, frame_ancestors, form_targets)
    response.headers["Content-Language"] = language()
    if keep_opener:
        response.headers.update(KEEPS_OPENER)
    return response


def see_other(url: str, *, keep_opener: bool = False) -> Response:
    """303, so that a form's content is never sent on (RFC 9700 §4.12); ``keep_opener`` as for a page."""
    response = Response(status=303, headers={"Location": url, "Pragma": "no-cache"})
    if keep_opener:
        response.headers.update(KEEPS_OPENER)
    return response


def init_app(app: Flask, settings: Settings) -> None:
    """Give templates ``organization``, ``public_path`` and ``static_url``, which changes with the file's content."""
    folder = Path(app.static_folder or "")
    versions = {file.name: sha256(file.read_bytes()).hexdigest()[:16] for file in folder.iterdir() if file.is_file()}

    def static_url(name: str) -> str:
        return f"{settings.public_path}/static/{name}?v={versions[name]}"

    app.jinja_env.globals.update(
        purposes=PURPOSES, static_url=static_url, public_path=settings.public_path, organization=settings.organization
    )
    app.jinja_env.autoescape = True


def warm(app: Flask) -> None:
    """Make what each process would make for itself at its first pages: compiled templates, the calendar in English.

    For a server that forks afterwards: made once, and shared.
    """
    for name in app.jinja_env.list_templates():
        app.jinja_env.get_template(name)
    with app.test_request_context():
        moment(datetime.now(UTC))
