"""The maker of an app before the pages of ``/developers``, with nothing but a browser."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import update

from authz.users.model import UserRow
from tests.actors import Browser, SmartApp
from tests.world import FHIR

if TYPE_CHECKING:
    from tests.transport import Reply
    from tests.world import World

APP = "https://app.example"
NOTES = "Sign in as alice, with the password alice-password."
SHOWN = re.compile(r"<dt>(client_id|client_secret|registration_access_token)</dt><dd><code>([^<]+)</code>")
TAGS = re.compile(r"<[^>]+>")


def open_registration(world: World, mode: str = "open") -> None:
    """The hospital lets apps register at "main", and has a doctor and a patient who are nobody."""
    sandbox = {"registration": mode, "sandbox_patients": ("p1", "A"), "sandbox_notes": NOTES, "staff_picker": True}
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", sandbox)
        session.execute(update(UserRow).where(UserRow.name.in_(["doctor", "alice"])).values(is_sandbox=True))


def words(page: Reply) -> str:
    """What is on a page to read, on one line."""
    body = page.text.partition("<main>")[2].partition("</main>")[0]
    return " ".join(html.unescape(TAGS.sub(" ", body)).split())


@dataclass
class Maker:
    world: World
    browser: Browser = field(init=False)
    credentials: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.browser = self.world.browser()

    def open(self, path: str = "") -> Reply:
        return self.browser.open(f"{self.world.issuer}/developers{path}")

    def fill_in(self, kind: str, **changes: str) -> Reply:
        """The form for a kind of app, up to the page that shows what will be sent."""
        answers = {"client_name": "Heart Diary", "redirect_uri": f"{APP}/cb", **changes}
        page = self.open(f"/register?kind={kind}&fhir_server=main")
        return self.browser.submit(page, answers, press="review")

    def register(self, kind: str, **changes: str) -> Reply:
        page = self.browser.submit(self.fill_in(kind, **changes), press="send")
        self.credentials = dict(SHOWN.findall(page.text))
        return page

    def sign_in(self, client_id: str, token: str) -> Reply:
        sent = {"client_id": client_id, "registration_access_token": token}
        return self.browser.submit(self.open("/sign-in"), sent, to="/sign-in")

    def press(self, path: str, to: str, changes: dict[str, str] | None = None, press: str | None = None) -> Reply:
        """Open a page and send its form that goes to this address."""
        return self.browser.submit(self.open(path), changes, press=press, to=to)

    @property
    def client_id(self) -> str:
        return self.credentials["client_id"]

    def app(self) -> SmartApp:
        """The app itself, as it was registered."""
        secret = self.credentials.get("client_secret")
        return SmartApp(self.world.transport, self.client_id, f"{APP}/cb", FHIR, secret)
