"""Who gets in: administrators, staff with a password of this server's own, and the hospital's providers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz.doctor.finding import Finding
from authz.fhir_servers.url import REFERENCE
from authz.launch.standing import STAFF
from authz.login.federated.examine import examine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authz.fhir_servers.registry import FhirServer
    from authz.login.federated.provider import Provider
    from authz.login.federated.relying_party import RelyingParty
    from authz.services import Services
    from authz.users.user import User

NAMED = 5  # of several people


def accounts(made: Services) -> Iterator[Finding]:
    """People whom a stolen password alone would be enough to be."""
    people = [user for user in made.users.all() if user.enabled and not made.second_factor.is_on(user.sub)]
    for user in people:
        if user.is_administrator:
            yield Finding("sign_in.administrator", user.name or user.sub, "has no authenticator app")
    if made.settings.is_https:  # elsewhere it is nobody's hospital
        yield from local_staff(made, [user for user in people if made.passwords.stored_hash(user.sub)])


def local_staff(made: Services, people: list[User]) -> Iterator[Finding]:
    servers = {server.name: server for server in made.fhir_servers.all() if is_for_people(made, server)}
    for name in servers:
        staff = [user.name or user.sub for user in people if is_staff(made, user, name) and not user.is_sandbox]
        if staff:
            more = f" and {len(staff) - NAMED} more" if len(staff) > NAMED else ""
            told = f"staff sign in with a password alone: {', '.join(staff[:NAMED])}{more}"
            yield Finding("sign_in.local_accounts", name, told)


def is_for_people(made: Services, server: FhirServer) -> bool:
    return server.enabled and not server.is_sandbox and made.federation.rulebook.of(server.name).local_accounts


def is_staff(made: Services, user: User, fhir_server: str) -> bool:
    return (made.users.fhir_user(user.sub, fhir_server) or "").partition("/")[0] in STAFF


def claims(made: Services) -> Iterator[Finding]:
    """Providers of several FHIR servers whose claim names a resource without saying at which."""
    federation = made.federation
    for one in federation.providers.all():
        if not one.enabled or not one.fhir_user_claim or federation.providers.only_fhir_server(one):
            continue
        told_of = federation.identities.told_of(one.name, one.fhir_user_claim)
        people = sorted(sub for sub, value in told_of.items() if has_no_base(value))
        if people:
            more = f" and {len(people) - NAMED} more" if len(people) > NAMED else ""
            told = (
                f"{one.fhir_user_claim} does not say of which of them it speaks: of {', '.join(people[:NAMED])}{more}"
            )
            yield Finding("sign_in.claim", one.name, f"it serves several FHIR servers, and {told}")


def has_no_base(value: str) -> bool:
    match = REFERENCE.fullmatch(value)
    return match is not None and match["base"] is None


def provider(found: Provider, party: RelyingParty) -> Iterator[Finding]:
    """Its documents, as a sign-in would read them: there, of this issuer, with keys that can be used."""
    for remark in examine(found, party):
        if remark.level == "error":
            yield Finding("sign_in.provider", found.name, f"{remark.what}: {remark.text}")
