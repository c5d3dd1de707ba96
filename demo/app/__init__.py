"""The demo's sample apps: Growth Chart runs in the browser, Referral Desk runs here, on the server."""

from demo.app.app import create_app

__all__ = ["create_app"]
