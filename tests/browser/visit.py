"""Somebody before the pages of this server, in Chromium."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from tests.browser.words import Words

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Frame, Page

    from tests.upstream import FakeProvider
    from tests.world import World

PUT = """url => {
  document.body.style.margin = 0;
  const frame = Object.assign(document.createElement("iframe"), { src: url, height: 700, title: "app" });
  frame.style = "display: block; width: 100%; border: 0";
  document.body.append(frame);
}"""


@dataclass
class Visit:
    """A browser without cookies before a server that people, apps and a hospital's provider know.

    A walk names texts in English; ``words`` says what the page says in the language that the browser prefers.
    """

    world: World
    provider: FakeProvider
    ehr: str  # the origin of a page that may frame ours
    page: Page
    words: Words = field(default_factory=Words)
    frame: Frame = field(init=False)  # where our pages are

    def __post_init__(self) -> None:
        self.frame = self.page.main_frame

    @property
    def issuer(self) -> str:
        return self.world.issuer

    def open(self, path: str) -> Frame:
        return self.go(f"{self.issuer}{path}")

    def ask(self, scope: str, **changes: str | None) -> Frame:
        return self.go(self.world.public.authorize_url(scope=scope, **changes))

    def go(self, url: str) -> Frame:
        self.page.goto(url)
        self.frame = self.page.main_frame
        return self.frame

    def ask_in_frame(self, scope: str, **changes: str | None) -> Frame:
        """The EHR shows our page in a frame, as wide as the window."""
        self.page.goto(f"{self.ehr}/")
        self.page.evaluate(PUT, self.world.public.authorize_url(scope=scope, **changes))
        self.page.frame_locator("iframe").locator("h1").wait_for()
        self.frame = self.page.frames[1]
        return self.frame

    def sign_in(self, user: str, password: str | None = None) -> Frame:
        self.frame.fill("[name=username]", user)
        self.frame.fill("[name=password]", password or f"{user}-password")
        return self.press("Sign in")

    def press(self, name: str) -> Frame:
        """A button or a link, by what it is called; by keyboard, which no frame ever loses."""
        button = self.frame.get_by_role("button", name=self.words(name), exact=True)
        (button if button.count() else self.frame.get_by_role("link", name=self.words(name))).first.press("Enter")
        self.frame.wait_for_load_state()
        return self.frame

    def is_at(self, heading: str) -> Frame:
        expect(self.frame.locator("h1")).to_contain_text(self.words(heading))
        return self.frame

    def says(self, text: str) -> Frame:
        expect(self.frame.locator("main")).to_contain_text(self.words(text))
        return self.frame

    def shows(self, selector: str) -> Frame:
        expect(self.frame.locator(selector).first).to_be_visible()
        return self.frame

    def follow(self, part: str, within: str = "main") -> Frame:
        """A link, by a part of where it leads."""
        self.frame.locator(f"{within} a[href*='{part}']").first.press("Enter")
        self.frame.wait_for_load_state()
        return self.frame

    def as_nobody(self) -> None:
        self.page.context.clear_cookies()

    def set_up(self, change: Callable[[Any], object]) -> None:
        """What an administrator does at the command line."""
        with self.world.services.db.write() as session:
            change(session)
