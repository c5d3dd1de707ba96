from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from authz.errors import InvalidValue
from authz.fhir_servers import associated, ceilings, features, sandbox, sensitive
from authz.fhir_servers.associated import APP_STATE
from authz.fhir_servers.branding import UNBRANDED, Branding, branding_problems
from authz.fhir_servers.features import AppRegistration, Feature
from authz.fhir_servers.model import FhirServerRow
from authz.fhir_servers.search_settings import SearchSettings, search_settings
from authz.fhir_servers.url import REFERENCE, base_url_problems, normal_form, origin_problems
from authz.scopes import ScopeSet, resource_types

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
CLIENT_ID = re.compile(r"[A-Za-z0-9._~-]{1,64}")  # the same before and after any form encoding (SMART SYM-04)
FHIR_VERSIONS = {"4.0.1": "R4", "4.3.0": "R4B", "5.0.0": "R5"}
PARAMETER = re.compile(r"[a-z][a-z0-9-]*|_(?:tag|security|profile|source|language)")  # none that shapes a result
MAX_NOTES = 2000
CLIENT_ID_RULE = "a client id is 1 to 64 letters, digits and . _ ~ -"
CLINICIAN, PATIENT = "patient/*.cruds user/*.cruds", "patient/*.rs"
CONSTRAINTS = frozenset(  # by these a scope may be limited: what enforcement decides about, of a write too
    {
        *("category", "class", "clinical-status", "code", "identifier", "intent", "status", "type"),
        *("vaccine-code", "verification-status"),
    }
)
COLUMNS = frozenset(FhirServerRow.__table__.columns.keys()) - {"introspection_secrets", "created_at"}
DEFAULT_CEILINGS = {
    "Patient": PATIENT,
    "RelatedPerson": PATIENT,
    "Person": PATIENT,
    "Practitioner": CLINICIAN,
    "PractitionerRole": CLINICIAN,
}


@dataclass(frozen=True)
class FhirServer:
    """A FHIR server this server protects, and the hospital's rules for it."""

    name: str
    base_url: str
    upstream_url: str = ""  # where this server asks it: behind the enforcing proxy; empty: the base URL
    aliases: tuple[str, ...] = ()  # further spellings that apps send as ``aud``
    fhir_versions: tuple[str, ...] = ("4.0.1",)
    ehr_origins: tuple[str, ...] = ()  # may frame the pages of an EHR launch
    introspection_client_id: str = ""
    scope_ceilings: Mapping[str, ScopeSet] = field(default_factory=dict, hash=False)  # user type -> may delegate
    reauthenticate: bool = False  # an EHR launch must be confirmed by signing in
    vouched_users: bool = True  # people first seen through a launch are created
    vouched_representatives: bool = False  # an EHR's word makes a representative of a launch's patient
    representation_links: bool = False  # its RelatedPersons say who acts for whom
    redis_launches: bool = False  # its EHRs may write launches straight into Redis
    staff_picker: bool = False  # staff may search its patients, whom it shows as each of them may see (decision 16)
    launch_picker: bool = False  # the patient or visit that an EHR launch does not say may be chosen
    patient_search: SearchSettings = field(default_factory=SearchSettings)
    app_state: bool = False  # apps keep their state with it (SMART smart-app-state)
    associated_endpoints: tuple[dict[str, Any], ...] = field(default=(), hash=False)
    branding: Branding = UNBRANDED
    developer_url: str = ""  # where developers of apps get help
    without: frozenset[str] = frozenset()  # features that are switched off
    constraints: frozenset[str] = CONSTRAINTS  # search parameters by which it limits access, or what is before it
    is_sandbox: bool = False  # everybody in it is invented: apps that are not approved may be used
    sandbox_patients: frozenset[str] = frozenset()  # logical ids of invented people, for such apps
    registration: AppRegistration = AppRegistration.CLOSED  # who may register an app here
    sandbox_notes: str = ""  # for makers of apps: which test accounts and patients there are
    sensitive_patients: frozenset[str] = frozenset()  # logical ids: staff open their records with a reason only
    sensitive_scopes: ScopeSet = field(default_factory=ScopeSet)  # data likewise, at any level
    enabled: bool = True
    stored: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)  # the row it was made of

    @cached_property
    def resource_types(self) -> frozenset[str]:
        """The resource types of all the FHIR versions it serves."""
        return resource_types(FHIR_VERSIONS[version] for version in self.fhir_versions)

    @cached_property
    def normal_forms(self) -> frozenset[str | None]:
        return frozenset(map(normal_form, (self.base_url, *self.aliases)))

    def offers(self, feature: Feature) -> bool:
        return feature not in self.without

    @property
    def has_web_messaging(self) -> bool:
        """Whether an app that an EHR opens here may exchange messages with its window: one of a known origin."""
        wanted = (Feature.WEB_MESSAGING, Feature.EHR_LAUNCH)
        return bool(self.ehr_origins) and all(map(self.offers, wanted))

    @property
    def has_app_state(self) -> bool:
        """Whether apps keep their state under its tokens, with itself or beside it."""
        return self.app_state or any(APP_STATE in one["capabilities"] for one in self.associated_endpoints)

    def accepts_aud(self, text: str) -> bool:
        """Whether this text names this server (SMART AUTHZ-11): one trailing slash is forgiven, never a prefix."""
        return (normal := normal_form(text)) is not None and normal in self.normal_forms

    def is_still(self, row: FhirServerRow | None) -> bool:
        """Whether nothing has changed since it was read."""
        return row is not None and all(getattr(row, name) == value for name, value in self.stored.items())

    @property
    def upstream(self) -> str:
        """Where this server itself sends requests, without a slash at the end."""
        return (self.upstream_url or self.base_url).removesuffix("/")

    def absolute(self, reference: str) -> str:
        """The URL of a relative reference, as ``fhirUser`` wants it."""
        return f"{self.base_url.removesuffix('/')}/{reference}"

    def relative(self, fhir_user: str) -> str | None:
        """``Practitioner/prac-1``, given that or its URL at this server; None if it is no person of this server."""
        match = REFERENCE.fullmatch(fhir_user)
        if match is None or not (match["base"] is None or self.accepts_aud(match["base"])):
            return None
        return match["reference"]


def from_row(row: FhirServerRow) -> FhirServer:
    return FhirServer(
        name=row.name,
        base_url=row.base_url,
        upstream_url=row.upstream_url,
        aliases=tuple(row.aliases),
        fhir_versions=tuple(row.fhir_versions),
        ehr_origins=tuple(row.ehr_origins),
        introspection_client_id=row.introspection_client_id,
        scope_ceilings={name: ScopeSet.parse(text) for name, text in (DEFAULT_CEILINGS | row.scope_ceilings).items()},
        reauthenticate=row.reauthenticate,
        vouched_users=row.vouched_users,
        vouched_representatives=row.vouched_representatives,
        representation_links=row.representation_links,
        redis_launches=row.redis_launches,
        staff_picker=row.staff_picker,
        launch_picker=row.launch_picker,
        patient_search=search_settings(row.patient_search),
        app_state=row.app_state,
        associated_endpoints=tuple(row.associated_endpoints),
        branding=Branding(**row.branding),
        developer_url=row.developer_url,
        without=frozenset(row.without),
        constraints=CONSTRAINTS | set(row.constraints),
        is_sandbox=row.is_sandbox,
        sandbox_patients=frozenset(row.sandbox_patients),
        registration=AppRegistration(row.registration),
        sandbox_notes=row.sandbox_notes,
        sensitive_patients=frozenset(row.sensitive_patients),
        sensitive_scopes=sensitive.data(row.sensitive_scopes),
        enabled=row.enabled,
        stored={name: getattr(row, name) for name in COLUMNS},
    )


def check(row: FhirServerRow) -> None:
    """Raises InvalidValue naming everything that is wrong with what an administrator wants to write."""
    problems = [problem for url in (row.base_url, *row.aliases) for problem in base_url_problems(url)]
    if row.upstream_url and normal_form(row.upstream_url) is None:
        problems.append(f"{row.upstream_url}: must be an absolute URL without user, query and fragment")
    problems += [problem for origin in row.ehr_origins for problem in origin_problems(origin)]
    problems += [
        f"{version}: FHIR versions are {', '.join(FHIR_VERSIONS)}"
        for version in row.fhir_versions
        if version not in FHIR_VERSIONS
    ]
    problems += features.problems(row.without)
    if row.registration not in set(AppRegistration):
        problems.append(f"{row.registration}: registration is {', '.join(AppRegistration)}")
    problems += associated.problems(row.associated_endpoints)
    problems += branding_problems(row.branding)
    if len(row.sandbox_notes) > MAX_NOTES or not row.sandbox_notes.replace("\n", "").isprintable():
        problems.append(f"notes about test accounts are at most {MAX_NOTES} visible characters and line ends")
    if row.developer_url and not row.developer_url.startswith("https://"):
        problems.append(f"{row.developer_url}: the page for developers must be an https URL")
    problems += [
        f"{name}: must be the name of a search parameter such as date"
        for name in row.constraints
        if not PARAMETER.fullmatch(name)
    ]
    problems += sandbox.problems(row.sandbox_patients)
    problems += sensitive.problems(row.sensitive_patients, row.sensitive_scopes)
    if not NAME.fullmatch(row.name):
        problems.append(f"{row.name}: a name is small letters, digits and hyphens, at most 63")
    if not CLIENT_ID.fullmatch(row.introspection_client_id):
        problems.append(f"{row.introspection_client_id}: {CLIENT_ID_RULE}")
    problems += [] if row.fhir_versions else ["at least one FHIR version is needed"]
    problems += [problem for name, text in row.scope_ceilings.items() for problem in ceilings.problems(name, text)]
    try:
        search_settings(row.patient_search)
    except InvalidValue as error:
        problems.append(str(error))
    if problems:
        raise InvalidValue("; ".join(problems))
