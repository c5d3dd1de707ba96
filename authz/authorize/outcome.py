"""What the browser gets next; the endpoints turn each of these into a page or a redirect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.authorize.ways_in import ONLY_A_PASSWORD, Place, WaysIn
from authz.errors import TooManyRequests
from authz.fhir_servers.branding import UNBRANDED, Branding

if TYPE_CHECKING:
    from authz.audit.event import Peer
    from authz.authorize.picker import EncountersPage, PatientsPage
    from authz.consent.describe import ConsentPage
    from authz.users.fhir_user import Candidate


@dataclass(frozen=True, slots=True)
class BrowserFacts:
    """What a browser sends along: its cookies' values, if it has them, and who it is."""

    peer: Peer
    binding: str | None = None  # ties an interaction to this browser
    session: str | None = None  # of somebody signed in
    device: str | None = None  # what it kept of an earlier sign-in
    is_top_level: bool = False  # by its own word: no frame around the page; False also if it does not say


@dataclass(frozen=True, slots=True)
class Frame:
    """How a page or redirect may be shown; an EHR launch works in the EHR's frame, without any cookie (decision 14)."""

    ehr_origins: tuple[str, ...] = ()  # may frame it; empty: nobody
    is_ehr_launch: bool = False
    redirect_uri: str = ""  # where a form of the page may end
    fhir_server: str = ""  # name
    branding: Branding = UNBRANDED
    launch_id: str | None = None  # of an EHR launch, for the audit trail
    is_own: bool = False  # on the way to a page of this server, not to an app
    unapproved_host: str = ""  # where an app leads that nobody has approved


@dataclass(frozen=True, slots=True)
class ShowLogin:
    handle: str
    frame: Frame
    app_name: str
    username: str = ""
    problem: str | None = None
    new_binding: str | None = None  # a cookie to set
    status: int = 200
    retry_after: int | None = None  # seconds
    ways: WaysIn = ONLY_A_PASSWORD
    place: Place = Place.PAGE
    door: str = ""  # to the providers; empty without any
    support_code: str | None = None  # finds the problem on the audit trail


@dataclass(frozen=True, slots=True)
class GoToProvider:
    """There is nothing to choose: on to the provider at once."""

    handle: str
    frame: Frame
    provider: str
    door: str
    new_binding: str | None = None


@dataclass(frozen=True, slots=True)
class Leave:
    """To the provider's own pages."""

    location: str
    new_binding: str | None = None


@dataclass(frozen=True, slots=True)
class ShowWindowCode:
    """Signed in, in a window beside the EHR's frame: the code is typed there."""

    frame: Frame
    app_name: str
    code: str


@dataclass(frozen=True, slots=True)
class ShowCandidates:
    """Several resources may be the person who has signed in; asked once."""

    handle: str  # of the arrival
    frame: Frame
    app_name: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class ShowNobody:
    """Signed in, but nobody in the records of this FHIR server; the app may do with less."""

    handle: str
    frame: Frame
    app_name: str
    support_code: str
    new_session: str


@dataclass(frozen=True, slots=True)
class ShowCode:
    """The password was right; a code of the authenticator app, or a recovery code, is asked for."""

    handle: str
    frame: Frame
    app_name: str
    problem: str | None = None
    new_binding: str | None = None
    status: int = 200
    retry_after: int | None = None  # seconds


@dataclass(frozen=True, slots=True)
class ShowWrongUser:
    """Somebody else than the launch's user signed in; the form leads back to the sign-in."""

    handle: str
    frame: Frame
    app_name: str
    signed_in_as: str
    expected: str
    support_code: str  # finds the refusal on the audit trail


class OfSearch:
    """A page with what was found; with 429 if the person has searched too often."""

    __slots__ = ()
    page: PatientsPage | EncountersPage

    @property
    def retry_after(self) -> int | None:
        """In seconds."""
        return self.page.results.retry_after

    @property
    def status(self) -> int:
        return 200 if self.retry_after is None else TooManyRequests.status


@dataclass(frozen=True, slots=True)
class ShowPatients(OfSearch):
    """Somebody says for whom the app is opened; nobody can be chosen who is not on the page."""

    handle: str
    frame: Frame
    app_name: str
    page: PatientsPage
    new_binding: str | None = None
    reminder: tuple[str, ...] = ()  # names of apps that go on while the person is away


@dataclass(frozen=True, slots=True)
class ShowEncounters(OfSearch):
    handle: str
    frame: Frame
    app_name: str
    page: EncountersPage
    new_binding: str | None = None


@dataclass(frozen=True, slots=True)
class ShowGlass:
    """Staff say why they need protected records now."""

    handle: str
    frame: Frame
    app_name: str
    text: str = ""
    code: str = ""
    support_code: str | None = None  # the hospital's rules did not say whether they are protected
    problem: str | None = None
    new_binding: str | None = None
    status: int = 200


@dataclass(frozen=True, slots=True)
class ShowConsent:
    handle: str
    frame: Frame
    page: ConsentPage
    new_binding: str | None = None
    reminder: tuple[str, ...] = ()  # names of apps that go on while the person is away


@dataclass(frozen=True, slots=True)
class Continue:
    """After a form of a browser with cookies: back to /authorize with a new handle, so that a reload is harmless."""

    handle: str
    new_session: str | None = None  # cookies to set
    new_device: str | None = None


@dataclass(frozen=True, slots=True)
class ShowWayBack:
    """An app that nobody has approved was refused before anybody signed in: nobody is sent there unasked."""

    frame: Frame
    app_name: str
    host: str
    location: str  # the app's address, with the error
    description: str
    support_code: str
    status: int = 400


@dataclass(frozen=True, slots=True)
class Done:
    """To the app, with a code or an error."""

    location: str
    frame: Frame


Outcome = (
    ShowLogin
    | ShowCode
    | GoToProvider
    | Leave
    | ShowWindowCode
    | ShowCandidates
    | ShowNobody
    | ShowWrongUser
    | ShowPatients
    | ShowEncounters
    | ShowConsent
    | ShowGlass
    | ShowWayBack
    | Continue
    | Done
)
