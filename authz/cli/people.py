"""How the commands about people find one, and show one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from authz.errors import InvalidValue, NotFound

if TYPE_CHECKING:
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
