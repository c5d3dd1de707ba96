"""A browser in words, from what it calls itself: enough to tell one's phone from one's computer."""

from __future__ import annotations

NAMES = (("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
SYSTEMS = (
    ("iPhone", "an iPhone"),
    ("iPad", "an iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "a Mac"),
    ("CrOS", "a Chromebook"),
    ("Linux", "Linux"),
)


def browser_name(user_agent: str | None) -> str:
    """``Firefox on Windows``; the first word that fits counts, for browsers name those they resemble as well."""
    text = user_agent or ""
    name = next((name for mark, name in NAMES if mark in text), "A browser")
    system = next((system for mark, system in SYSTEMS if mark in text), "")
    return f"{name} on {system}" if system else name
