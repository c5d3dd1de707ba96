"""Checks of what an app says of itself, without asking anybody: addresses, scopes, names."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from authz.policy.access import switched_off
from authz.policy.messaging import is_a_group, messages_if
from authz.registration.look_alikes import contains, look_alike, skeletons
from authz.registration.report import Finding, Level
from authz.scopes import Limit, Reason, ScopeSet, judge, only_constraints_on, only_types
from authz.settings import LOOPBACK_HOSTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from authz.fhir_servers.registry import FhirServer
    from authz.registration.scope_words import ScopeWords

# people read whose site it says it is from
ELSEWHERE = {"redirect_uris": Level.ERROR, "launch_uris": Level.WARNING, "post_logout_redirect_uris": Level.ERROR}
LIKE_LATIN = {  # alphabets with letters that are drawn like those of another: who mixes them has a reason
    *("LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "GEORGIAN", "CHEROKEE", "COPTIC", "LISU", "CANADIAN", "TAI", "OLD"),
    *("TIFINAGH", "VAI", "BAMUM", "MIAO", "WARANG", "DESERET", "OSAGE", "ELBASAN", "RUNIC", "GOTHIC", "CARIAN"),
}
SHORT_LABEL, COUNTRY = 3, 2  # co.uk, com.au: a parent that strangers share


@dataclass(frozen=True, slots=True)
class Named:
    """Another app, as far as names and the hosts that prove who it is matter."""

    client_id: str
    names: tuple[str, ...]
    places: frozenset[str]  # hosts that answers go to; what nobody owns alone is a place of this app only
    is_approved: bool
    skeletons: frozenset[int]  # of all its names, in every language; hashed, as they are only compared

    def shortened(self) -> Named:
        """To be kept: its other names are of no more use."""
        return replace(self, names=self.names[:1])


def named(client_id: str, said: Mapping[str, Any], *, is_approved: bool) -> Named:
    names = tuple(value for member, value in said.items() if member.partition("#")[0] == "client_name")
    listed = (*said.get("redirect_uris", ()), *said.get("launch_uris", ()))
    drawn = frozenset(hash(one) for name in names for one in skeletons(name))
    return Named(client_id, names, frozenset(place(uri, client_id) for uri in listed), is_approved, drawn)


def place(uri: str, client_id: str) -> str:
    host = host_of(uri) if urlsplit(uri).scheme == "https" else ""
    return host if host and host not in LOOPBACK_HOSTS else f"any device, for {client_id}"


def addresses(said: Mapping[str, Any]) -> Iterator[Finding]:
    """Where people and answers are sent: one site is expected, at its usual port."""
    home = host_of(said["client_uri"]) if said.get("client_uri") else ""
    found = False
    for member, level in ELSEWHERE.items():
        for uri in said.get(member, ()):
            for words in address_problems(uri, said.get("application_type", "web")):
                found = True
                yield Finding(Level.WARNING, member, f"{uri}: {words}")
            if home and is_elsewhere(uri, home):
                found = True
                yield Finding(level, member, f"{uri}: is not at the app's own site, {home}")
    hosts = sorted({host for uri in web_addresses(said) if (host := host_of(uri)) not in LOOPBACK_HOSTS})
    strangers = [host for host in hosts[1:] if not is_same_site(hosts[0], host)]
    if strangers and not home:
        found = True
        yield Finding(Level.WARNING, "redirect_uris", f"they lead to different sites: {', '.join(hosts)}")
    if said.get("redirect_uris") and not found:
        yield Finding(Level.OK, "redirect_uris", "all lead to the app's own site")


def address_problems(uri: str, application_type: str) -> Iterator[str]:
    parts = urlsplit(uri)
    if parts.scheme not in {"http", "https"}:
        yield "another app on the same device can claim this scheme; an https address that the app claims is safer"
        return
    host = parts.hostname or ""
    if host in LOOPBACK_HOSTS:
        if application_type == "web":
            yield "is the user's own machine, so it is for trying out only"
        return
    if parts.port not in (None, 443):
        yield f"the port {parts.port} is unusual"


def at_home_here(said: Mapping[str, Any], ours: Iterable[str]) -> Iterator[Finding]:
    """A site of the hospital's: its own app is one if somebody there says so."""
    home = [said["client_uri"]] if said.get("client_uri") else []
    listed = {"client_uri": home} | {name: said.get(name, ()) for name in ("redirect_uris", "launch_uris")}
    for member, uris in listed.items():
        for uri in uris:
            if any(is_same_site(host_of(uri), site) for site in ours):
                yield Finding(Level.ERROR, member, f"{uri}: is at a site of the hospital or of its FHIR servers")


def is_elsewhere(uri: str, home: str) -> bool:
    """Whether it leads over the web to another site; an address on the user's own device is at no site."""
    host = host_of(uri)
    return urlsplit(uri).scheme in {"http", "https"} and host not in LOOPBACK_HOSTS and not is_same_site(host, home)


def web_addresses(said: Mapping[str, Any]) -> list[str]:
    listed = [*said.get("redirect_uris", ()), *said.get("launch_uris", ())]
    return [uri for uri in listed if urlsplit(uri).scheme in {"http", "https"}]


def host_of(uri: str) -> str:
    return urlsplit(uri).hostname or ""


def is_same_site(one: str, other: str) -> bool:
    """Whether two hosts most likely have one owner: the same, one below the other, or neighbours."""
    if one == other or one.endswith(f".{other}") or other.endswith(f".{one}"):
        return True
    parents = one.split(".")[1:], other.split(".")[1:]
    if parents[0] != parents[1] or len(parents[0]) < 2:  # noqa: PLR2004  a domain below a top-level domain
        return False
    is_shared = len(parents[0]) == 2 and len(parents[0][0]) <= SHORT_LABEL and len(parents[0][1]) == COUNTRY  # noqa: PLR2004  as above
    return not is_shared


def scopes(said: Mapping[str, Any], servers: Sequence[FhirServer], words: ScopeWords) -> Iterator[Finding]:
    """Each scope in the words of the consent page, or why nobody will ever get it here."""
    requested = ScopeSet.parse(said.get("scope", ""))
    if not requested:
        yield Finding(Level.WARNING, "scope", "none is named, so the app will get nothing")
        return
    verdicts = [judge(requested, server_limits(server)).verdicts for server in servers]
    any_left = False
    for index, scope in enumerate(requested):
        here = [verdict[index] for verdict in verdicts]
        if any(verdict.granted for verdict in here):
            any_left = True
            yield Finding(Level.OK, "scope", f"{scope}: {words.explain(scope)}")
        else:
            why = here[0].detail if here else "there is no FHIR server where the app may be used"
            yield Finding(Level.WARNING, "scope", f"{scope}: can't be granted here: {why}")
    if not any_left:
        yield Finding(Level.ERROR, "scope", "nothing that the app asks for can be granted here")


def server_limits(server: FhirServer) -> list[Limit]:
    """What bounds everybody at a FHIR server, whoever the user is."""
    messages = messages_if(possible=server.has_web_messaging)
    return [
        only_types(server.resource_types),
        *switched_off(server),
        Limit(Reason.UNSUPPORTED, messages, "web messaging is not offered here"),
        Limit(Reason.UNSUPPORTED, is_a_group, "shaking hands needs no scope of its own"),
        only_constraints_on(server.constraints),
    ]


def names(mine: Named, others: Iterable[Named], organizations: Iterable[str]) -> Iterator[Finding]:
    """Nobody may take an app for the hospital, or for an app that the hospital has approved (security.md RG-15)."""
    trusted, found = tuple(organizations), list[Finding]()
    for name in mine.names:
        found += [
            Finding(level, "client_name", f"{name}: {words}") for level, words in organization_problems(name, trusted)
        ]
        if len(scripts(name)) > 1:
            kinds = " and ".join(sorted(scripts(name)))
            found.append(Finding(Level.ERROR, "client_name", f"{name}: mixes letters of {kinds}"))
    for other in others:
        if mine.skeletons & other.skeletons:
            found.append(twin(mine, other))
    yield from found or [Finding(Level.OK, "client_name", "no other app or organisation has a name like it")]


def organization_problems(name: str, trusted: tuple[str, ...]) -> Iterator[tuple[Level, str]]:
    """An error, so that no time approves it: a portal of the hospital's is one if somebody there says so."""
    for organization in trusted:
        if look_alike(name, organization):
            yield Level.ERROR, f"reads like the organisation {organization}"
        elif contains(name, organization):
            yield Level.ERROR, f"has the name of the organisation {organization} in it"


def twin(mine: Named, other: Named) -> Finding:
    """An approved app's name is its own; another may have it whose answers go to the same hosts, and to no other."""
    is_same_vendor = mine.places and mine.places <= other.places
    level = Level.ERROR if other.is_approved and not is_same_vendor else Level.WARNING
    standing = "an approved app" if other.is_approved else "another app that is not approved"
    return Finding(level, "client_name", f"reads like {other.names[0]} ({other.client_id}), {standing}")


def scripts(name: str) -> set[str]:
    """The scripts of its letters, by the first word of their Unicode names."""
    found = {unicodedata.name(c, "?").partition(" ")[0] for c in name if c.isalpha()}
    return {script.capitalize() for script in found & LIKE_LATIN}
