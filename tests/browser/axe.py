"""What axe-core finds on a page as it is in Chromium: WCAG 2.2 A and AA, and its best practices."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Frame

SOURCE = Path(__file__).resolve().parent.parent / "clients" / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]
OPTIONS = {
    "runOnly": {"type": "tag", "values": TAGS},
    "rules": {"target-size": {"enabled": True}},  # WCAG 2.2 §2.5.8: off unless one asks
    "resultTypes": ["violations"],
}
RUN = """async (options) => (await axe.run(document, options)).violations.map(
  (rule) => `${rule.id}: ${rule.help}: ${rule.nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`)"""


@cache
def source() -> str:
    return SOURCE.read_text()


def violations(frame: Frame) -> list[str]:
    """Rule, meaning and the elements that break it.

    The source comes by the debugger, as everything that is evaluated: the page's Content-Security-Policy, which allows
    no script at all, has no say in that and stays as it is.
    """
    if frame.evaluate("typeof axe") == "undefined":
        frame.evaluate(source())
    found: list[Any] = frame.evaluate(RUN, OPTIONS)
    return [str(one) for one in found]
