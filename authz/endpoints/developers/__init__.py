"""``/developers``: pages for the makers of apps."""

from __future__ import annotations

from flask import Blueprint

from authz.endpoints.developers import app, change, keys, overview, register, session, trials

PARTS = (app, change, keys, overview, register, session, trials)
bp = Blueprint("developers", __name__)
for part in PARTS:
    bp.register_blueprint(part.bp, url_prefix="/developers")
