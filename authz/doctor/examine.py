"""Every look at an installation: inside one after the other, outside all at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from itertools import chain
from typing import TYPE_CHECKING, Any

from authz.doctor.clients import published_keys, registered, switches
from authz.doctor.database import database, schema
from authz.doctor.fhir import FhirCheck
from authz.doctor.finding import Finding
from authz.doctor.issuer import IssuerCheck
from authz.doctor.keys import keys
from authz.doctor.outside import Outside
from authz.doctor.proxy import ProxyCheck
from authz.doctor.registration import registration
from authz.doctor.sign_in import accounts, claims, provider
from authz.doctor.store import store
from authz.doctor.tls import TlsCheck
from authz.doctor.who_is_who import who_is_who
from authz.settings import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from authz.fhir_servers.registry import FhirServer
    from authz.services import Services

    Look = Callable[[], Iterable[Finding]]

AT_ONCE = 16
LONGEST_SECONDS = 40.0  # of one look: eight answers of five seconds
ORDER = ("error", "warning", "note")


def examine(made: Services) -> list[Finding]:
    """All findings, the worst first. A database of another version, or none, leaves nothing more to be asked."""
    found = list(schema(made))
    if found:
        return found
    for part in (database, store, keys, switches, registration, accounts, claims, who_is_who):
        found += part(made)
    servers = [server for server in made.fhir_servers.all() if server.enabled]
    if not servers:
        found.append(Finding("fhir.none", "FHIR servers", "none is registered and enabled"))
    found += at_once(outside_looks(made, servers))
    return sorted(found, key=lambda one: (ORDER.index(one.severity), one.id, one.about))


def at_once(looks: dict[str, Look]) -> list[Finding]:
    found: list[Finding] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {name: pool.submit(looked, look) for name, look in looks.items()}
        for name, future in running.items():
            try:
                found += future.result(LONGEST_SECONDS)
            except TimeoutError as problem:
                found.append(Finding("doctor.unfinished", name, str(problem) or "it took too long"))
    return found


def looked(look: Look) -> list[Finding]:
    return list(look())


def outside_looks(made: Services, servers: list[FhirServer]) -> dict[str, Look]:
    """What is asked over the network; everything they need of the database is read here."""
    outside, apps = Outside(made.outbound), registered(made)
    issuer = IssuerCheck(
        outside,
        made.settings,
        made.discovery.openid_configuration(servers),
        our_keys(made),
        apps.origin,
    )
    proxy = ProxyCheck(outside, made.settings, made.self_tests, version("authz"), made.now)
    looks: dict[str, Look] = {
        made.settings.issuer: partial(unless_tls, TlsCheck(made.settings.issuer, made.now), [issuer, proxy])
    }
    for server in servers:
        smart, security = made.discovery.smart_configuration(server), made.discovery.oauth_uris(server)
        check = FhirCheck(outside, server, smart, security, made.now)
        looks[f"FHIR server {server.name}"] = partial(unless_tls, TlsCheck(server.base_url, made.now), [check])
    for one in made.federation.providers.all():
        if one.enabled:
            looks[f"sign-in provider {one.name}"] = partial(provider, one, made.federation.relying_party)
    for client_id, jwks_uri in apps.key_sets:
        looks[f"client {client_id}"] = partial(published_keys, made.outbound, client_id, jwks_uri)
    return looks


def our_keys(made: Services) -> dict[str, Any] | None:
    try:
        return made.keyring.public_jwks()
    except ConfigurationError:
        return None


def unless_tls(tls: TlsCheck, checks: list[IssuerCheck | ProxyCheck | FhirCheck]) -> Iterator[Finding]:
    """Through a door whose certificate is not right nobody goes on."""
    found = list(tls.run())
    if any(one.id == "tls.certificate" for one in found):
        return iter(found)
    return chain(found, *(check.run() for check in checks))
