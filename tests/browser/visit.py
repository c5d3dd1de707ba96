"""Somebody before the pages of this server, in Chromium."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Frame, Page

    from tests.upstream import FakeProvider
    from tests.world import World


@dataclass
class Visit:
    """A browser without cookies before a server that people, apps and a hospital's provider know."""

    world: World
    provider: FakeProvider
    ehr: str  # the origin of a page that may frame ours
    page: Page

    @property
    def issuer(self) -> str:
        return self.world.issuer

    def open(self, path: str) -> Frame:
        self.page.goto(f"{self.issuer}{path}")
        return self.page.main_frame

    def ask(self, scope: str, **changes: str | None) -> Frame:
        self.page.goto(self.world.public.authorize_url(scope=scope, **changes))
        return self.page.main_frame

    def sign_in(self, user: str, password: str | None = None) -> Frame:
        self.page.fill("[name=username]", user)
        self.page.fill("[name=password]", password or f"{user}-password")
        return self.press("Sign in")

    def press(self, name: str) -> Frame:
        """A button or a link, by what it is called."""
        button = self.page.get_by_role("button", name=name, exact=True)
        (button if button.count() else self.page.get_by_role("link", name=name)).first.click()
        self.page.wait_for_load_state()
        return self.page.main_frame

    def is_at(self, heading: str) -> Frame:
        expect(self.page.locator("h1")).to_contain_text(heading)
        return self.page.main_frame

    def says(self, text: str) -> Frame:
        expect(self.page.locator("main")).to_contain_text(text)
        return self.page.main_frame

    def as_nobody(self) -> None:
        self.page.context.clear_cookies()

    def set_up(self, change: Callable[[Any], object]) -> None:
        """What an administrator does at the command line."""
        with self.world.services.db.write() as session:
            change(session)
