"""How the commands about people find one, and show one."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from authz.consent.withdraw import withdraw_all
from authz.errors import InvalidValue, NotFound

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from authz.fhir_servers.registry import FhirServer
    from authz.services import Services
    from authz.users.registry import User

fhir_server_option = click.option("--fhir-server", help="May be left out while there is only one.")


def the_user(made: Services, name: str) -> User:
    """The person with this login name or sub. Raises NotFound."""
    found = made.users.by_name(name) or made.users.by_sub(name)
    if found is None:
        raise NotFound(f"{name}: there is no user of this name or sub")
    return found


def check_known(made: Services, session: Session, sub: str, fhir_server: str, named: str = "") -> None:
    """That whoever becomes somebody at a FHIR server is not known here by the word of another one, which may be wrong.

    ``session`` has locked the person, if it makes them somebody; ``named``: the subject by which they were named.
    Raises InvalidValue, with what to do.
    """
    if fhir_server in made.users.somebody_at(sub):
        return
    for known in made.at_provider.federation.identities.told_elsewhere(session, sub, fhir_server):
        if known.subject != named:
            command = f"authz user identify {sub} {known.provider} {shlex.quote(known.subject)}"
            raise InvalidValue(
                f"{sub}: somebody signs in at {known.provider} as this person by the word of {known.told_by}, and would"
                f" at {fhir_server} too. If they are the same: {command}; else: authz user unidentify {sub}"
            )


def become(made: Services, session: Session, sub: str, server: FhirServer, reference: str) -> None:
    """Say which resource a person is at a FHIR server. Raises InvalidValue and AlreadyExists."""
    made.users.row(session, sub)
    check_known(made, session, sub, server.name)
    made.users.link(session, sub, server.name, reference)
    withdraw_all(session, made.now(), sub=sub, fhir_server=server.name)


def reference_at(server: FhirServer, fhir_user: str) -> str:
    """The relative reference of a person at a FHIR server. Raises InvalidValue."""
    reference = server.relative(fhir_user)
    if reference is None:
        raise InvalidValue(f"{fhir_user}: a FHIR user looks like Practitioner/prac-1, or is its URL at {server.name}")
    return reference


def as_record(made: Services, sub: str) -> dict[str, Any]:
    """A person; ``fhirUser`` is an absolute URL, at the first FHIR server where they are somebody."""
    found = the_user(made, sub)
    servers = {server.name: server for server in made.fhir_servers.all()}
    urls = {name: servers[name].absolute(reference) for name, reference in made.users.fhir_users(sub).items()}
    return {
        "sub": found.sub,
        "name": found.name,
        "display_name": found.display_name,
        "fhirUser": next(iter(urls.values()), None),
        "fhir_users": urls,
        "represents": [
            {
                "fhir_server": name,
                "patient": item.patient,
                "relationship": item.relationship,
                "source": item.source.value,
                "expires_at": item.expires_at.isoformat() if item.expires_at else None,
            }
            for name in servers
            for item in made.users.representations(sub, name)
        ],
        "has_password": found.has_password,
        **second_factor(made, sub),
        "role": found.role,
        "sandbox": found.is_sandbox,
        "enabled": found.enabled,
    }


def second_factor(made: Services, sub: str) -> dict[str, Any]:
    """Whether they have one, and how many recovery codes are left."""
    if not made.second_factor.is_on(sub):
        return {"has_second_factor": False}
    return {"has_second_factor": True, "recovery_codes_left": made.second_factor.recovery_codes_left(sub)}
