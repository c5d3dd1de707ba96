"""Pictures to look at, kept whenever a test looks at a page: in build/pictures, which is not under version control."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Frame

FOLDER = Path(__file__).resolve().parents[2] / "build" / "pictures"
GROW = "(element, height) => { element.height = height; }"
PAINTED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def picture(frame: Frame, name: str) -> None:
    """The whole page; of a frame as much as there is in it, which Chromium paints only where the window shows it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / f"{re.sub(r'[^A-Za-z0-9-]+', '-', name).strip('-')}.png"
    if frame.parent_frame is not None:
        height: int = frame.evaluate("document.documentElement.scrollHeight")
        frame.frame_element().evaluate(GROW, height)
        frame.page.set_viewport_size({"width": frame.page.viewport_size["width"], "height": height})  # type: ignore[index]  # it has one
        frame.evaluate(PAINTED)
    frame.page.screenshot(path=file, full_page=True)
