"""The browser library of ``packages/smart-web-messaging``, served by each site that uses it from its own origin."""

from pathlib import Path

from flask import Blueprint

LIBRARY = Path(__file__).resolve().parent.parent / "packages" / "smart-web-messaging" / "src"

library = Blueprint("web_messaging", __name__, static_folder=str(LIBRARY), static_url_path="/web-messaging")

__all__ = ["library"]
