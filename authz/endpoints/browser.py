"""Between the front channel and a browser: cookies in, pages, redirects and cookies out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authz.authorize.outcome import (
    BrowserFacts,
    Continue,
    Done,
    ShowCode,
    ShowConsent,
    ShowEncounters,
    ShowLogin,
    ShowPatients,
    ShowWrongUser,
)
from authz.endpoints.cookies import BINDING, DEVICE, SESSION, cookie, cookie_name
from authz.endpoints.current import http_request, services
from authz.endpoints.pages import page, see_other

if TYPE_CHECKING:
    from flask import Response

    from authz.authorize.outcome import Frame, Outcome

TEMPLATES: dict[type[Outcome], str] = {
    ShowLogin: "login.html",
    ShowCode: "login_code.html",
    ShowPatients: "select_patient.html",
    ShowEncounters: "select_encounter.html",
    ShowConsent: "consent.html",
}
DEVICE_SECONDS = 90 * 86400


def browser() -> BrowserFacts:
    """What the browser says of itself."""
    return BrowserFacts(http_request().peer, *map(cookie, (BINDING, SESSION, DEVICE)))


def show(outcome: Outcome) -> Response:
    """The page or redirect; an EHR launch neither gets nor needs a cookie (decision 14)."""
    match outcome:
        case Done(location, frame):
            return see_other(location, keep_opener=frame.is_ehr_launch)
        case Continue(handle, new_session, new_device):
            response = see_other(services().settings.url(f"/authorize?interaction={handle}"))
            if new_session is not None:
                set_cookie(response, SESSION, new_session, services().settings.session_seconds)
            if new_device is not None:
                set_cookie(response, DEVICE, new_device, DEVICE_SECONDS)
            return response
        case ShowWrongUser():
            return framed("wrong_user.html", outcome, outcome.frame, status=403)
        case ShowLogin() | ShowCode():
            response = framed(TEMPLATES[type(outcome)], outcome, outcome.frame, status=outcome.status)
            response.headers.update(retry_after(outcome))
        case ShowPatients() | ShowEncounters() | ShowConsent():
            response = framed(TEMPLATES[type(outcome)], outcome, outcome.frame)
    if outcome.new_binding is not None:
        set_cookie(response, BINDING, outcome.new_binding, services().settings.interaction_seconds)
    return response


def framed(template: str, shown: Outcome, frame: Frame, status: int = 200) -> Response:
    """A page that only the EHR of a launch may frame, and whose forms may end at the app."""
    return page(
        template,
        status=status,
        frame_ancestors=frame.ehr_origins,
        form_targets=[frame.redirect_uri],
        keep_opener=frame.is_ehr_launch,
        shown=shown,
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


def retry_after(shown: ShowLogin | ShowCode) -> dict[str, str]:
    return {} if shown.retry_after is None else {"Retry-After": str(shown.retry_after)}


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
