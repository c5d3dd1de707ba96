"""By which ways one can sign in, and where the page that offers them is shown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authz.login.method import SignIn


class Place(Enum):
    """Where a sign-in page is shown: providers can't be framed, so from a frame a window is opened for them."""

    PAGE = auto()
    FRAME = auto()
    WINDOW = auto()  # that one


@dataclass(frozen=True, slots=True)
class Way:
    """A provider at which one can sign in."""

    name: str
    label: str
    acr_values: tuple[str, ...] = ()  # one of which is demanded; empty: any will do

    def accepts(self, acr: str | None) -> bool:
        return not self.acr_values or acr in self.acr_values


@dataclass(frozen=True, slots=True)
class WaysIn:
    """By which ways people sign in."""

    has_password: bool = True
    providers: tuple[Way, ...] = ()

    def has(self, provider: str | None) -> bool:
        """Whether this is a way: a provider by its name; a password."""
        return self.has_password if provider is None else any(way.name == provider for way in self.providers)

    def allow(self, sign_in: SignIn) -> bool:
        """Whether somebody who signed in this way, for whatever FHIR server, could do so here."""
        if sign_in.provider is None:
            return self.has_password
        return any(way.name == sign_in.provider and way.accepts(sign_in.acr) for way in self.providers)

    @property
    def only_provider(self) -> Way | None:
        """The provider, if there is no choice."""
        return self.providers[0] if len(self.providers) == 1 and not self.has_password else None


ONLY_A_PASSWORD = WaysIn()
