"""Between the front channel and a browser: cookies in, pages, redirects and cookies out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import request

from authz.authorize.outcome import (
    BrowserFacts,
    Continue,
    Done,
    GoToProvider,
    Leave,
    ShowCandidates,
    ShowCode,
    ShowConsent,
    ShowEncounters,
    ShowGlass,
    ShowLogin,
    ShowNobody,
    ShowPatients,
    ShowWayBack,
    ShowWindowCode,
    ShowWrongUser,
)
from authz.authorize.ways_in import Place
from authz.endpoints.cookies import BINDING, DEVICE, SESSION, cookie, cookie_name
from authz.endpoints.current import http_request, services
from authz.endpoints.pages import page, see_other
from authz.errors import MethodNotAllowed
from authz.login.known_devices import LASTS

if TYPE_CHECKING:
    from flask import Response

    from authz.authorize.outcome import Frame, Outcome
    from authz.settings import Settings

TEMPLATES: dict[type[Outcome], str] = {
    ShowLogin: "login.html",
    ShowCode: "login_code.html",
    ShowWindowCode: "sign_in_window.html",
    ShowCandidates: "who_are_you.html",
    ShowNobody: "nobody.html",
    ShowWrongUser: "wrong_user.html",
    ShowWayBack: "way_back.html",
    ShowPatients: "select_patient.html",
    ShowEncounters: "select_encounter.html",
    ShowGlass: "break_glass.html",
    ShowConsent: "consent.html",
}
DEVICE_SECONDS = int(LASTS.total_seconds())
FORBIDDEN = 403


def check_is_get() -> None:
    """Flask answers HEAD like GET; but what looks at a link must not use up what is behind it (RFC 9110 §9.2.1).

    Raises MethodNotAllowed.
    """
    if request.method == "HEAD":
        raise MethodNotAllowed("this method is not allowed here", "GET, POST")


def browser() -> BrowserFacts:
    """What the browser says of itself."""
    sent = http_request()
    is_top_level = sent.headers.get("sec-fetch-dest") == "document"
    binding, session, device = map(cookie, (BINDING, SESSION, DEVICE))
    return BrowserFacts(sent.peer, binding, session, device, is_top_level)


def show(outcome: Outcome) -> Response:
    """The page or redirect, with its cookies; an EHR launch neither gets nor needs one (decision 14)."""
    match outcome:
        case Done(location, frame):
            response = see_other(location, keep_opener=frame.is_ehr_launch)
        case Continue(handle):
            response = see_other(services().settings.url(f"/authorize?interaction={handle}"))
        case Leave(location):
            response = see_other(location)
        case GoToProvider(_, frame, provider, door):
            url = services().settings.url(f"/sign-in/{provider}?door={door}")
            response = see_other(url, keep_opener=frame.is_ehr_launch)
        case _:
            response = framed(TEMPLATES[type(outcome)], outcome, outcome.frame, status=status_of(outcome))
            response.headers.update(retry_after(outcome))
    for attribute, name, seconds in cookies_of(services().settings):
        value = getattr(outcome, attribute, None)
        if value is not None:
            set_cookie(response, name, value, seconds)
    return response


def status_of(shown: Outcome) -> int:
    return FORBIDDEN if isinstance(shown, ShowWrongUser) else getattr(shown, "status", 200)


def cookies_of(settings: Settings) -> tuple[tuple[str, str, int], ...]:
    """The members of an outcome that are cookies to set: which, and for how many seconds."""
    return (
        ("new_binding", BINDING, settings.interaction_seconds),
        ("new_session", SESSION, settings.session_seconds),
        ("new_device", DEVICE, DEVICE_SECONDS),
    )


def framed(template: str, shown: Outcome, frame: Frame, status: int = 200) -> Response:
    """A page that only the EHR of a launch may frame, and whose forms may end at the app."""
    return page(
        template,
        status=status,
        frame_ancestors=frame.ehr_origins,
        form_targets=[frame.redirect_uri],
        keep_opener=frame.is_ehr_launch,
        shown=shown,
        is_in_frame=getattr(shown, "place", None) is Place.FRAME,
        is_window=getattr(shown, "place", None) is Place.WINDOW,
        **look(frame),
    )


def look(frame: Frame) -> dict[str, Any]:
    """Whose page it is: the FHIR server's own name, colours and logo where it has them."""
    settings, branding = services().settings, frame.branding
    logo = settings.url(f"/fhir-servers/{frame.fhir_server}/logo.png?v={branding.logo}") if branding.logo else ""
    return {
        "organization": branding.organization or settings.organization,
        "palette": branding.palette,
        "logo_url": logo,
    }


def retry_after(shown: Outcome) -> dict[str, str]:
    seconds = getattr(shown, "retry_after", None)
    return {} if seconds is None else {"Retry-After": str(seconds)}


def set_cookie(response: Response, name: str, value: str, max_age: int, same_site: str = "Lax") -> None:
    """Not readable by scripts, not sent from other sites' requests, of this host only (security.md HC-02)."""
    response.set_cookie(
        cookie_name(name),
        value,
        max_age=max_age,
        secure=services().settings.is_https,
        httponly=True,
        samesite=same_site,
    )


def forget_session(response: Response) -> Response:
    """Take the cookie of a session back; the attributes are those it was set with, or a browser keeps it."""
    set_cookie(response, SESSION, "", 0)
    return response
