"""``authz user explain``: which FHIR resource a person is, and how each step came to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from authz.audit.event import Peer
from authz.authorize.came import Came
from authz.cli.context import services
from authz.cli.output import json_option, show
from authz.cli.people import fhir_server_option, the_user
from authz.errors import AuthzError, NotFound
from authz.login.federated.id_token import Proof
from authz.users.fhir_user import answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authz.fhir_servers.server import FhirServer
    from authz.services import Services
    from authz.users.fhir_user import Finding
    from authz.users.upstream import UpstreamIdentity


@click.command()
@click.argument("name")
@fhir_server_option
@json_option
def explain(name: str, fhir_server: str | None) -> None:
    """Say which FHIR resource a person is, what is known of them at which provider, and what each step finds today."""
    with services() as made:
        user = the_user(made, name)
        identities = made.at_provider.federation.identities.of(user.sub)
        servers = [server for server in made.fhir_servers.all() if fhir_server in (None, server.name)]
        if not servers:
            raise NotFound(f"{fhir_server}: there is no FHIR server of this name")
        recorded = made.users.fhir_users(user.sub)
        show(
            {
                "sub": user.sub,
                "known_as": [as_record(identity) for identity in identities],
                "fhir_servers": [
                    {
                        "fhir_server": server.name,
                        "recorded": recorded.get(server.name),
                        "represents": list(represents(made, user.sub, server.name)),
                        "steps": [line for one in identities for line in steps(made, server, one)],
                    }
                    for server in servers
                ],
            }
        )


def as_record(identity: UpstreamIdentity) -> dict[str, Any]:
    return {
        "provider": identity.provider,
        "issuer": identity.issuer,
        "subject": identity.subject,
        "claims": identity.claims,
        "told_by": identity.told_by,
        "used_at": identity.used_at.isoformat(timespec="seconds"),
    }


def represents(made: Services, sub: str, fhir_server: str) -> Iterator[dict[str, Any]]:
    """For whom the person acts, by whose word, and what counts no more; as it stands, the FHIR server is not asked."""
    in_force = made.users.representations(sub, fhir_server)
    for one in made.users.acting.all_of(sub, fhir_server):
        yield {
            "patient": one.patient,
            "relationship": one.relationship,
            "source": one.source.value,
            "expires_at": one.expires_at.isoformat() if one.expires_at else None,
            "confirmed_at": one.confirmed_at.isoformat() if one.confirmed_at else None,
            "counts": one in in_force,
        }


def steps(made: Services, server: FhirServer, identity: UpstreamIdentity) -> Iterator[dict[str, Any]]:
    """What each step would find now, by what the provider told at the last sign-in; nothing is changed by it."""
    provider = made.at_provider.federation.providers.get(identity.provider)
    if provider is None or not provider.serves(server.name):
        return
    proof = Proof(identity.issuer, identity.subject, identity.used_at, claims=identity.claims)
    came = Came(provider, proof, server, "authz:explain", "", Peer())
    findings: list[Finding] = []
    try:
        for finding in made.at_provider.identifying.steps(came):
            findings.append(finding)
            yield line(identity.provider, finding)
    except AuthzError as failure:
        yield {"provider": identity.provider, "step": "failed", "asked": "", "found": [], "remark": str(failure)}
        return
    found = [one.reference for one in answer(findings)]
    yield {"provider": identity.provider, "step": "answer", "asked": "", "found": found, "remark": ""}


def line(provider: str, finding: Finding) -> dict[str, Any]:
    return {
        "provider": provider,
        "step": finding.step.value,
        "asked": finding.asked,
        "found": [one.reference for one in finding.found],
        "remark": finding.remark,
    }
