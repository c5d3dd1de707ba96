"""The sign-in page, with the ways there are; whoever shows it, shows it from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authz.authorize.outcome import GoToProvider, ShowLogin
from authz.authorize.show import frame
from authz.authorize.ways_in import Place

if TYPE_CHECKING:
    from authz.authorize.doors import Doors
    from authz.authorize.outcome import BrowserFacts
    from authz.authorize.pending import Pending
    from authz.authorize.request import AuthorizationRequest
    from authz.authorize.ways import Ways


@dataclass(frozen=True, slots=True)
class SignInPage:
    ways: Ways
    doors: Doors

    def first(
        self, request: AuthorizationRequest, pending: Pending, browser: BrowserFacts, handle: str
    ) -> ShowLogin | GoToProvider:
        """The page, or the only provider at once; a provider's pages can't be framed, so a frame shows ours first."""
        only, place = self.ways.of(request.fhir_server.name).only_provider, place_of(pending, browser)
        if only is not None and place is Place.PAGE:
            door = self.doors.make(handle, in_window=False)
            return GoToProvider(handle, frame(request, pending), only.name, door)
        return self.page(request, pending, handle, place, username=request.login_hint or "")

    def page(
        self, request: AuthorizationRequest, pending: Pending, handle: str, place: Place, **more: Any
    ) -> ShowLogin:
        """``more`` are members of ShowLogin, such as the problem there was."""
        ways = self.ways.of(request.fhir_server.name)
        door = self.doors.make(handle, in_window=place is not Place.PAGE) if ways.providers else ""
        shown, app_name = frame(request, pending), request.client.shown_name
        return ShowLogin(handle, shown, app_name, ways=ways, place=place, door=door, **more)


def place_of(pending: Pending, browser: BrowserFacts) -> Place:
    """Of a launch we know only what the browser says; the page for a frame works in a tab as well."""
    return Place.FRAME if pending.launch is not None and not browser.is_top_level else Place.PAGE
