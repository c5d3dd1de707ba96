"""What is wrong with a page as it is in Chromium: on a phone and on a screen, by day and by night, and by weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.browser.axe import violations
from tests.browser.pictures import picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Frame

MOST_BYTES = 60_000  # of a page and all that it loads, not compressed (issue 6)
WIDER_THAN_THE_SCREEN = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
UNFOLD = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
UNSEEN_IN_FOCUS = """() => {
  const there = (one) => one.checkVisibility() && !one.disabled && one.type !== "hidden" && one.tabIndex >= 0;
  const all = [...document.querySelectorAll("a[href], button, input, select, summary")].filter(there);
  const unseen = all.filter((one) => {
    one.focus({ focusVisible: true });
    const { outlineStyle, outlineWidth } = getComputedStyle(one), box = one.getBoundingClientRect();
    const is_within = box.left >= 0 && box.right <= document.documentElement.clientWidth;
    return document.activeElement !== one || outlineStyle === "none" || parseFloat(outlineWidth) < 2 || !is_within;
  });
  document.activeElement.blur();
  return unseen.map((one) => `no visible focus: ${one.outerHTML.slice(0, 120)}`);
}"""  # WCAG 2.4.7, 2.4.11
LOADED = """() => {
  const all = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  return {
    bytes: all.reduce((sum, one) => sum + one.decodedBodySize, 0),
    elsewhere: all.map((one) => one.name).filter((name) => new URL(name).origin !== location.origin),
    unheard: all.filter((one) => one.decodedBodySize === 0).map((one) => one.name),
    kinds: all.map((one) => one.initiatorType),
  };
}"""


@dataclass(frozen=True, slots=True)
class Look:
    name: str
    width: int
    scheme: str
    is_unfolded: bool = False
    is_examined: bool = True  # by axe-core: colours do not depend on the width, nor the order on the colours


LOOKS = (
    Look("phone", 320, "light"),
    Look("phone in the dark", 320, "dark", is_examined=False),
    Look("page", 640, "light", is_examined=False),
    Look("screen in the dark", 1280, "dark", is_unfolded=True),
)
IN_ANOTHER_LANGUAGE = (Look("phone", 320, "light"), Look("page", 640, "light", is_examined=False))


def looked_at(frame: Frame, name: str, looks: tuple[Look, ...] = LOOKS) -> Iterator[tuple[str, list[str]]]:
    """What is wrong with the page, by where one looks at it. A picture of each look is kept."""
    frame.wait_for_load_state()  # what it says may be there before its style sheet
    yield "loaded", too_much(frame)
    for look in looks:
        frame.page.set_viewport_size({"width": look.width, "height": 700})
        frame.page.emulate_media(color_scheme="dark" if look.scheme == "dark" else "light")
        if look.is_unfolded:
            frame.evaluate(UNFOLD)
        picture(frame, f"{name}-{look.width}-{look.scheme}")
        wrong = violations(frame) if look.is_examined else []
        if frame.evaluate(WIDER_THAN_THE_SCREEN):
            wrong.append("wider than the screen")
        if look.is_examined:
            wrong += frame.evaluate(UNSEEN_IN_FOCUS)
        yield look.name, wrong


def too_much(frame: Frame) -> list[str]:
    """Bytes, and requests to other origins, of a page whose style sheet has arrived."""
    loaded: dict[str, Any] = frame.evaluate(LOADED)
    assert {"navigation", "link"} <= set(loaded["kinds"]), loaded
    wrong = [f"asks {one}" for one in loaded["elsewhere"]] + [f"no size is known of {one}" for one in loaded["unheard"]]
    return [*wrong, f"{loaded['bytes']} bytes"] if loaded["bytes"] > MOST_BYTES else wrong
