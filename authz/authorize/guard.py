"""Runs a step: what it refuses becomes an error for the app, or a page, and is on the audit trail either way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from authz.audit.event import EventName
from authz.authorize.flow import launch_id
from authz.authorize.outcome import (
    Continue,
    Done,
    Frame,
    Leave,
    ShowCandidates,
    ShowConsent,
    ShowEncounters,
    ShowGlass,
    ShowLogin,
    ShowPatients,
    ShowWayBack,
)
from authz.authorize.refusal import ErrorRedirect, PageRefusal
from authz.authorize.request import parse
from authz.clients.redirect_uri import host_of
from authz.errors import NotAgreed, OAuthError, TemporarilyUnavailable, TooManyRequests, Unavailable
from authz.launch.launch import LaunchUnusable
from authz.wording import prefer

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.audit.event import Event
    from authz.audit.trail import Trail
    from authz.authorize.draft import Registries
    from authz.authorize.outcome import Outcome
    from authz.authorize.request import AuthorizationRequest
    from authz.limits import Limits

PAGES: dict[type, str] = {
    ShowLogin: "sign_in",
    ShowCandidates: "who_are_you",
    ShowPatients: "patient",
    ShowEncounters: "encounter",
    ShowGlass: "break_glass",
    ShowConsent: "consent",
}


@dataclass(frozen=True, slots=True)
class Guard:
    registries: Registries
    trail: Trail
    limits: Limits

    def run(
        self,
        pairs: list[tuple[str, str]],
        about: Event,
        then: Callable[[AuthorizationRequest], Outcome],
        *,
        is_ehr_launch: bool,
    ) -> Outcome:
        """Check the request, anew at every step, and do what follows; ``about`` is what a refusal is reported as.

        Raises PageRefusal, and TooManyRequests, which was on the trail when the limit was reached.
        """
        parameters = dict(pairs)
        prefer(parameters.get("ui_locales"))
        client_id = parameters.get("client_id")
        about = replace(about, client_id=client_id, launch_id=about.launch_id or launch_id(parameters))
        try:
            request = parse(pairs, self.registries)
            about = replace(about, fhir_server=request.fhir_server.name)
            try:
                return self.noted(about, then(request))
            except (PageRefusal, TooManyRequests):
                raise
            except OAuthError as error:
                raise ErrorRedirect(error, request.redirect_uri, request.state) from error
            except (
                Unavailable
            ) as error:  # RFC 6749 §4.1.2.1, security.md I8: the app hears of it, now that it is certain
                away = TemporarilyUnavailable("a part of the server does not answer, try again")
                raise ErrorRedirect(away, request.redirect_uri, request.state) from error
        except PageRefusal as refusal:
            self.audit(about, "page", refusal, refusal.support_code)
            raise
        except ErrorRedirect as redirect:
            about = replace(about, detail={"asked": dict(pairs).get("scope", "")})
            if isinstance(redirect.error, NotAgreed):
                about = replace(about, event=EventName.CONSENT_DENIED)
            self.audit(about, redirect.error.code, redirect.error, redirect.support_code)
            return self.sent_back(about, redirect, is_ehr_launch=is_ehr_launch)

    def sent_back(self, about: Event, redirect: ErrorRedirect, *, is_ehr_launch: bool) -> Outcome:
        """To the app; but with an app that nobody has approved a link could lead anywhere by way of this server.

        RFC 9700 §4.11.2, security.md AZ-61: until somebody signed in, or an EHR's launch says who is there, the
        person reads where it goes.
        """
        location = redirect.location(self.registries.issuer)
        shown = Frame(is_ehr_launch=is_ehr_launch, redirect_uri=redirect.redirect_uri)
        client = self.registries.client(about.client_id or "")
        is_known = about.sub is not None or redirect.error.by_ehr
        if client is None or client.is_approved or is_known:
            return Done(location, shown)
        return ShowWayBack(
            shown,
            client.shown_name,
            host_of(redirect.redirect_uri),
            location,
            redirect.error.description,
            redirect.support_code,
        )

    def noted(self, about: Event, outcome: Outcome) -> Outcome:
        """A page is where an app may stay open for ever: the trail says which was the last."""
        page = PAGES.get(type(outcome))
        if isinstance(outcome, Continue | Leave):
            return outcome
        if page is not None and not getattr(outcome, "problem", None):
            opening = outcome.frame.launch_id or about.launch_id
            about = replace(about, event=EventName.PAGE_SHOWN, reason=page, launch_id=opening)
            about = replace(about, one_by_one=outcome.frame.is_ehr_launch)
            if isinstance(outcome, ShowGlass) and outcome.support_code:
                cause = {"cause": "the hospital's rules did not say whether these records are protected"}
                about = replace(about, support_code=outcome.support_code, detail=cause)
            self.trail.shown(about)
        return outcome

    def audit(self, about: Event, reason: str, error: OAuthError, support_code: str | None) -> None:
        """Put down what the app or the person is told, and why; of an unusable launch also which it was."""
        cause = error.__cause__ if isinstance(error.__cause__, LaunchUnusable) else None
        detail = about.detail | {"description": error.description}
        detail |= {"verdicts": list(error.verdicts)} if error.verdicts else {}
        why = cause.reason.value if cause else error.why
        detail |= {"cause": why} if why else {}
        self.trail.refused(
            replace(
                about,
                outcome="refused",
                reason=reason,
                support_code=support_code,
                one_by_one=error.by_ehr,
                launch_id=error.launch_id or (cause.launch_id if cause else None) or about.launch_id,
                detail=detail,
            )
        )
