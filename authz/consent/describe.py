"""The consent page's content: who gets what, what may be left out, and for how long, in plain words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from authz.clients.language import nearest
from authz.clients.logo import address
from authz.clients.redirect_uri import host_of
from authz.consent import words
from authz.consent.choices import OFFLINE, Part, Question
from authz.consent.earlier import is_allowed, noted, notes_of
from authz.consent.messages import kind_of
from authz.consent.rows import Choice, Row, action_rows, choice, meaning, rows_of, without
from authz.consent.rows import kind_of as kind_of_data
from authz.scopes import LaunchScope, MessagingScope, NamedScope, ResourceScope, distinct
from authz.wording import capital, gettext

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from authz.clients.registry import Client
    from authz.consent.catalogue import Catalogue
    from authz.consent.choices import Offer
    from authz.consent.earlier import Earlier
    from authz.scopes import Scope, ScopeSet
    from authz.settings import Settings

DAY = 86400
HOUR = 3600
WHO_YOU_ARE = frozenset({"openid", "fhirUser", "profile", "email"})


@dataclass(frozen=True, slots=True)
class ConsentPage:
    app_name: str
    app_host: str  # where the answer goes
    links: dict[str, str]  # "terms" and "privacy", as the app gave them
    organization: str
    fhir_base: str
    user_name: str
    patient: str | None  # logical id
    patient_is_user: bool
    patient_name: str
    patient_details: tuple[str, ...]
    learns: tuple[str, ...]  # what belongs to the sign-in and the launch
    required: tuple[Row, ...]  # the app does not work without them
    optional: tuple[Row | Choice, ...]
    meanings: tuple[tuple[str, str], ...]  # title and long description
    ends: str  # when access ends, as far as no box decides it
    is_approved: bool = True  # else the page says for whom the app is so far
    is_sandbox: bool = False  # everybody whose records these are is invented
    publisher: str = ""  # whose site the app says it is from
    registered_at: datetime | None = None
    before: tuple[Row | Choice, ...] = ()  # of what may be left out, what was allowed last time
    app_logo: str = ""  # where we serve it, below our own address; nothing that the app names


@dataclass(frozen=True, slots=True)
class Subject:
    """About whom and by whom."""

    user_name: str
    patient: str | None  # logical id
    patient_is_user: bool
    patient_name: str = ""  # as it was chosen by; empty: nobody here knows it
    patient_details: tuple[str, ...] = ()
    earlier: Earlier | None = None  # what they decided last time


@dataclass(frozen=True, slots=True)
class Describer:
    """Words of one installation, or of one FHIR server that has a name of its own."""

    settings: Settings
    catalogue: Catalogue
    organization: str = ""  # empty: that of the settings

    @property
    def holder(self) -> str:
        return self.organization or self.settings.organization

    def page(self, client: Client, redirect_uri: str, fhir_base: str, subject: Subject, offer: Offer) -> ConsentPage:
        needed = offer.needed()
        notes = notes_of(offer, subject.earlier) if subject.earlier else {}
        entries = tuple(noted(self.entries(offer), notes))
        rows = tuple(rows_of(entries))
        free = tuple(without(entries, needed))
        return ConsentPage(
            app_name=client.shown_name,
            app_host=host_of(redirect_uri),
            links=links(client.about),
            organization=self.holder,
            fhir_base=fhir_base,
            user_name=subject.user_name,
            patient=subject.patient,
            patient_is_user=subject.patient_is_user,
            patient_name=subject.patient_name
            or (gettext("Patient %(id)s", id=subject.patient) if subject.patient else ""),
            patient_details=subject.patient_details,
            learns=tuple(dict.fromkeys(line for scope in offer.granted if (line := self.learns(scope)))),
            required=tuple(replace(row, is_ticked=True) for row in rows if row.box in needed),
            optional=tuple(entry for entry in free if not is_allowed(entry)),
            before=tuple(entry for entry in free if is_allowed(entry)),
            meanings=tuple(dict.fromkeys(row.meaning for row in rows if row.meaning[1])),
            ends=self.ends(offer),
            is_approved=client.is_approved,
            publisher=publisher(client.about),
            registered_at=client.registered_at,
            app_logo=address(client.client_id, client.logo) if client.logo and client.is_approved else "",
        )

    def entries(self, offer: Offer) -> Iterator[Row | Choice]:
        """In the order asked, the finer kinds behind what they are kinds of; what lasts comes last."""
        for question in offer.questions:
            yield from action_rows(question, self.catalogue)
            if finer := choice(question):
                yield finer
        for scope in offer.alone:
            if scope != OFFLINE:
                yield self.other(scope)
        if OFFLINE in offer.alone:
            yield self.offline()

    def other(self, scope: Scope) -> Row:
        """What is no data: of the EHR's window, or the installation's own."""
        own = self.catalogue.of_scope(str(scope), self.holder)
        kind = (kind_of(scope) if isinstance(scope, MessagingScope) else own).in_words()
        return Row(str(scope), capital(kind.title), kind.short, meaning(kind))

    def told(self, scope: ScopeSet) -> tuple[Row, ...]:
        """What an app may do, line by line, without a question."""
        about = (Question(Part(kind_of_data(data, self.catalogue), data)) for data in distinct(scope))
        rows = [row for question in about for row in action_rows(question, self.catalogue)]
        others = (one for one in scope if not isinstance(one, ResourceScope | NamedScope | LaunchScope))
        return (*rows, *map(self.other, others))

    def offline(self) -> Row:
        idle, total = self.settings.offline_idle_seconds // DAY, self.settings.offline_total_seconds // DAY
        title = gettext(words.OFFLINE)
        return Row(str(OFFLINE), title, words.offline_short(total, idle), (title, gettext(words.OFFLINE_LONG)))

    def learns(self, scope: Scope) -> str:
        if isinstance(scope, LaunchScope):
            kind = next((kind for kind in self.catalogue.types if kind.type.lower() == scope.type), None)
            return words.opens(scope.type, kind.in_words().title if kind else scope.type or "")
        return gettext(words.WHO_YOU_ARE) if isinstance(scope, NamedScope) and scope.name in WHO_YOU_ARE else ""

    def ends(self, offer: Offer) -> str:
        with_session = offer.online_instead or "online_access" in offer.granted
        hours = None if with_session else max(1, self.settings.access_token_seconds // HOUR)
        return words.ends(hours, without_last=OFFLINE in offer.alone)


def publisher(about: dict[str, Any]) -> str:
    """Whose site the app says it is from, in every language the one that was checked; nothing that an address could
    not be read in.
    """
    url = about.get("client_uri")
    host = urlsplit(url).hostname if isinstance(url, str) and url.startswith("https://") else None
    return (host or "").removeprefix("www.")


def links(about: dict[str, Any]) -> dict[str, str]:
    """In the reader's language where the app has them so; only https addresses become links."""
    named = {"terms": nearest(about, "tos_uri"), "privacy": nearest(about, "policy_uri")}
    return {name: url for name, url in named.items() if isinstance(url, str) and url.startswith("https://")}
