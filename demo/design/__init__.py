"""The look that the demo's sites share, served by each from its own origin."""

from pathlib import Path

from flask import Blueprint

design = Blueprint("design", __name__, static_folder=str(Path(__file__).parent / "static"), static_url_path="/design")

__all__ = ["design"]
