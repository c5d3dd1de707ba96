"""What an administrator says of a FHIR server, as options, and how it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from authz.cli.context import replaced
from authz.cli.options import assignments, options
from authz.fhir_servers.associated import endpoint
from authz.fhir_servers.features import MEANINGS, AppRegistration
from authz.fhir_servers.server import FHIR_VERSIONS

if TYPE_CHECKING:
    from authz.fhir_servers.registry import FhirServer

BY_NAME = {name: version for version, name in FHIR_VERSIONS.items()}
LISTS = (
    "aliases",
    "fhir_versions",
    "ehr_origins",
    "without",
    "associated_endpoints",
    "constraints",
    "sandbox_patients",
    "sensitive_patients",
    "sensitive_scopes",
)
BRANDING = ("organization", "accent")

settings = options(
    click.option(
        "--upstream-url",
        default=None,
        help="Where this server asks the FHIR server, behind the proxy that enforces; empty: the base URL.",
    ),
    click.option("--alias", "aliases", multiple=True, help="A further spelling of the base URL that apps send as aud."),
    click.option("--fhir-version", "fhir_versions", multiple=True, help="R4 (the default), R4B or R5."),
    click.option("--ehr-origin", "ehr_origins", multiple=True, help="An origin that may frame an EHR launch's pages."),
    click.option("--ceiling", "scope_ceilings", multiple=True, help='What users may delegate: Patient="patient/*.rs".'),
    click.option("--reauthenticate/--no-reauthenticate", default=None, help="Sign in again in every EHR launch."),
    click.option(
        "--vouched-users/--no-vouched-users",
        default=None,
        help="Create people first seen in a launch, or at a sign-in provider.",
    ),
    click.option(
        "--vouched-representatives/--no-vouched-representatives",
        default=None,
        help="Believe an EHR's launch that a RelatedPerson or Person acts for its patient, for as long as its session.",
    ),
    click.option(
        "--representation-links/--no-representation-links",
        default=None,
        help="Its RelatedPersons, and the Persons that link them, say who acts for whom; asked again at every refresh.",
    ),
    click.option("--redis-launches/--no-redis-launches", default=None, help="EHRs may write launches into Redis."),
    click.option(
        "--staff-picker/--no-staff-picker",
        default=None,
        help="Staff may search its patients. Only if it shows each of them nobody they may not see.",
    ),
    click.option(
        "--launch-picker/--no-launch-picker",
        default=None,
        help="A patient or visit that an EHR launch does not name may be chosen here.",
    ),
    click.option("--app-state/--no-app-state", default=None, help="Apps keep their state with it (smart-app-state)."),
    click.option(
        "--associated-endpoint",
        "associated_endpoints",
        multiple=True,
        help="Another endpoint under the same tokens: https://state.example/fhir=smart-app-state; repeatable.",
    ),
    click.option("--organization", default=None, help="Whose records these are, on its pages; empty: the setting's."),
    click.option("--accent", default=None, help="A colour for its pages such as #075f78; empty: ours."),
    click.option("--developer-url", default=None, help="A page for developers of apps; published with the brands."),
    click.option(
        "--without", multiple=True, help="Switch off: " + ", ".join(f"{f} ({m})" for f, m in MEANINGS.items())
    ),
    click.option(
        "--sandbox-notes",
        default=None,
        help="Published on /developers: which test accounts and invented patients there are; empty: nothing.",
    ),
    click.option(
        "--registration",
        type=click.Choice([way.value for way in AppRegistration]),
        help="Who may register an app by itself: nobody, who has a token or a statement, or anybody.",
    ),
    click.option(
        "--constraint",
        "constraints",
        multiple=True,
        help="A further search parameter by which scopes may be limited; /forward-auth lets them read, never write.",
    ),
    click.option(
        "--sandbox/--no-sandbox",
        "is_sandbox",
        default=None,
        help="Everybody in it is invented: apps that are not approved work for all of its users.",
    ),
    click.option(
        "--sandbox-patient", "sandbox_patients", multiple=True, help="The id of an invented patient; repeatable, to 20."
    ),
    click.option(
        "--sensitive-patient", "sensitive_patients", multiple=True, help="Staff open this record with a reason only."
    ),
    click.option(
        "--sensitive-scope", "sensitive_scopes", multiple=True, help="Data likewise: patient/Observation.rs?category=…"
    ),
    click.option(
        "--patient-search",
        "patient_search",
        multiple=True,
        help="name=family, birthdate=, identifier=, mrn_system=URI, minimum_letters=3, page_size=10.",
    ),
)


def changes(given: dict[str, Any]) -> dict[str, Any]:
    """The members of NewFhirServer that were given as options."""
    found = {name: value for name, value in given.items() if value not in (None, (), "")}
    found |= {name: "" for name in ("upstream_url", "developer_url", "sandbox_notes") if given[name] == ""}
    for name in LISTS:
        if name in found:
            found[name] = replaced(found[name])
    if "associated_endpoints" in found:
        found["associated_endpoints"] = tuple(map(endpoint, found["associated_endpoints"]))
    branding = {name: given[name] for name in BRANDING if given[name] is not None}
    found = {name: value for name, value in found.items() if name not in BRANDING}
    if branding:
        found["branding"] = branding
    if "fhir_versions" in found:
        found["fhir_versions"] = tuple(BY_NAME.get(version, version) for version in found["fhir_versions"])
    if "scope_ceilings" in found:
        rule = 'a ceiling looks like Patient="patient/*.rs"'
        found["scope_ceilings"] = assignments(replaced(found["scope_ceilings"]), rule)
    if "patient_search" in found:
        found["patient_search"] = assignments(
            replaced(found["patient_search"]), "--patient-search looks like name=family"
        )
    return found


def as_record(server: FhirServer) -> dict[str, Any]:
    return {
        "name": server.name,
        "base_url": server.base_url,
        "upstream_url": server.upstream_url,
        "aliases": list(server.aliases),
        "fhir_versions": list(server.fhir_versions),
        "ehr_origins": list(server.ehr_origins),
        "introspection_client_id": server.introspection_client_id,
        "scope_ceilings": {user_type: str(scopes) for user_type, scopes in server.scope_ceilings.items()},
        "reauthenticate": server.reauthenticate,
        "vouched_users": server.vouched_users,
        "vouched_representatives": server.vouched_representatives,
        "representation_links": server.representation_links,
        "redis_launches": server.redis_launches,
        "staff_picker": server.staff_picker,
        "launch_picker": server.launch_picker,
        "patient_search": server.patient_search.as_dict(),
        "app_state": server.app_state,
        "associated_endpoints": list(server.associated_endpoints),
        "branding": server.branding.as_dict(),
        "developer_url": server.developer_url,
        "without": sorted(server.without),
        "constraints": sorted(server.constraints),
        "registration": server.registration.value,
        "sandbox": server.is_sandbox,
        "sandbox_patients": sorted(server.sandbox_patients),
        "sensitive_patients": sorted(server.sensitive_patients),
        "sensitive_scopes": str(server.sensitive_scopes).split(),
        "sandbox_notes": server.sandbox_notes,
        "enabled": server.enabled,
    }
