"""A browser in words, from what it calls itself: enough to tell one's phone from one's computer."""

from __future__ import annotations

from authz.wording import gettext, mark

NAMES = (("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
SYSTEMS = (
    ("iPhone", mark("an iPhone")),
    ("iPad", mark("an iPad")),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", mark("a Mac")),
    ("CrOS", mark("a Chromebook")),
    ("Linux", "Linux"),
)


def browser_name(user_agent: str | None) -> str:
    """``Firefox on Windows``; the first word that fits counts, for browsers name those they resemble as well."""
    text = user_agent or ""
    name = next((name for sign, name in NAMES if sign in text), gettext("A browser"))
    system = next((system for sign, system in SYSTEMS if sign in text), "")
    return gettext("%(browser)s on %(system)s", browser=name, system=gettext(system)) if system else name
