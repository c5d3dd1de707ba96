"""The names of our cookies, and whether a browser has one."""

from __future__ import annotations

import re

from flask import request

from authz.endpoints.current import services

BINDING, SESSION, DEVICE = "browser", "session", "device"
DEVELOPER, DEVELOPER_FORM = "developer", "developer_form"
ADMIN = "admin"
OURS = re.compile(r"[A-Za-z0-9_.-]{43,128}")  # a handle has 43 characters, the mark of a device about 115


def cookie_name(name: str) -> str:
    """``__Host-`` binds a cookie to this host over https (RFC 6265bis §4.1.3.2); on loopback http it can't be used."""
    return f"__Host-authz_{name}" if services().settings.is_https else f"authz_{name}"


def cookie(name: str) -> str | None:
    """Its value; one that can't be from here is none, and is not sent back either."""
    value = request.cookies.get(cookie_name(name), "")
    return value if OURS.fullmatch(value) else None
