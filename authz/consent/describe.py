"""The consent page's content: what the app gets, may change, and for how long, in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from authz.consent.words import category, data
from authz.scopes import ResourceScope

if TYPE_CHECKING:
    from authz.clients.registry import Client
    from authz.scopes import ScopeSet
    from authz.scopes.scope import Scope
    from authz.settings import Settings

DAY = 86400
HOUR = 3600
VERBS = (("rs", "see"), ("c", "add"), ("u", "change"), ("d", "delete"))
WHO_YOU_ARE = frozenset({"openid", "fhirUser", "profile", "email"})


@dataclass(frozen=True, slots=True)
class ConsentItem:
    """One line that can be unticked; ``scope`` is its value in the form."""

    scope: str
    title: str
    detail: str = ""
    writes: bool = False


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
    identity: bool  # the app learns who the user is
    items: tuple[ConsentItem, ...]
    offline: ConsentItem | None
    online: bool
    access_hours: int


@dataclass(frozen=True, slots=True)
class Subject:
    """About whom and by whom."""

    user_name: str
    patient: str | None
    patient_is_user: bool


def describe(
    settings: Settings, client: Client, redirect_uri: str, fhir_base: str, subject: Subject, scope: ScopeSet
) -> ConsentPage:
    texts = set(map(str, scope))
    return ConsentPage(
        app_name=client.client_name,
        app_host=urlsplit(redirect_uri).netloc or urlsplit(redirect_uri).scheme,
        links=links(client.about),
        organization=settings.organization,
        fhir_base=fhir_base,
        user_name=subject.user_name,
        patient=subject.patient,
        patient_is_user=subject.patient_is_user,
        identity=bool(texts & WHO_YOU_ARE),
        items=tuple(item(scope) for scope in scope if isinstance(scope, ResourceScope)),
        offline=offline_item(settings) if "offline_access" in texts else None,
        online="online_access" in texts,
        access_hours=max(1, settings.access_token_seconds // HOUR),
    )


def item(scope: ResourceScope) -> ConsentItem:
    verbs = [verb for letters, verb in VERBS if set(letters) & scope.interactions]
    whose = "" if scope.level == "patient" else " of every patient you may see"
    what = data(scope.type)
    if scope.query:
        what = f"{what}: {', '.join(sorted(constraint(name, values) for name, values in scope.query))}"
    title = f"{joined(verbs).capitalize()} {what}{whose}"
    return ConsentItem(str(scope), title, writes=bool(scope.interactions & set("cud")))


def constraint(name: str, values: frozenset[str]) -> str:
    if name == "category":
        return " or ".join(sorted(map(category, values)))
    return f"{name} {' or '.join(sorted(values))}"


def offline_item(settings: Settings) -> ConsentItem:
    days = settings.offline_idle_seconds // DAY
    detail = f"It ends when the app is not used for {days} days, or when you withdraw it."
    return ConsentItem("offline_access", "Keep this access when you are not using the app", detail)


def joined(verbs: list[str]) -> str:
    return verbs[0] if len(verbs) == 1 else f"{', '.join(verbs[:-1])} and {verbs[-1]}"


def links(about: dict[str, Any]) -> dict[str, str]:
    """Only https addresses become links."""
    named = {"terms": about.get("tos_uri"), "privacy": about.get("policy_uri")}
    return {name: url for name, url in named.items() if isinstance(url, str) and url.startswith("https://")}


def tickable(scope: ScopeSet) -> frozenset[str]:
    """What a person may refuse while agreeing to the rest: data and offline access, not the launch or the sign-in."""

    def may_go(one: Scope) -> bool:
        return isinstance(one, ResourceScope) or str(one) == "offline_access"

    return frozenset(str(one) for one in scope if may_go(one))
