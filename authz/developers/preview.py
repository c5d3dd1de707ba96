"""The consent page of an app as people will read it, with an invented person: the same words, the same template."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from authz.clients.client import Client
from authz.consent.choices import offer
from authz.consent.describe import Subject
from authz.developers.kinds import PATIENTS
from authz.policy.access import AccessQuestion, decide
from authz.scopes import ScopeSet

if TYPE_CHECKING:
    from authz.consent.describe import ConsentPage, Describer
    from authz.fhir_servers.registry import FhirServer

PATIENT = "example"  # a logical id that is nobody's here: nothing is looked up
NAME = "Sam Example"
DETAILS = ("born 1 Apr 1980", "invented for this preview")
CLINICIAN = "Dr. Robin Example"

EXAMPLE = Client(
    client_id="example",
    client_name="Example App",
    token_endpoint_auth_method="none",  # noqa: S106  a method, no password
    application_type="web",
    grant_types=frozenset({"authorization_code", "refresh_token"}),
    redirect_uris=("https://app.example/callback",),
    launch_uris=(),
    allowed_origins=frozenset(),
    scope=ScopeSet.parse(
        "launch/patient openid fhirUser patient/Patient.rs patient/Observation.rs patient/AllergyIntolerance.rs"
        " patient/MedicationRequest.rs offline_access"
    ),
    jwks=None,
    jwks_uri=None,
    about={"policy_uri": "https://app.example/privacy"},
    fhir_servers=(),
    skip_consent_in_ehr_launch=False,
    any_loopback_port=False,
    enabled=True,
    user_types=frozenset(PATIENTS),
)


@dataclass(frozen=True, slots=True)
class Preview:
    """What the consent template shows."""

    page: ConsentPage
    handle: str = ""


@dataclass(frozen=True, slots=True)
class Previews:
    describer: Describer

    def of(self, client: Client, server: FhirServer) -> Preview | None:
        """As it is once the app is approved; None where nobody is asked or nothing would be granted."""
        if "authorization_code" not in client.grant_types:
            return None
        is_patient = self.is_for_patients(client)
        judgement = decide(self.question(client, server, is_patient=is_patient))
        if not judgement.granted:
            return None
        catalogue = self.describer.catalogue.limited_by(server.constraints)
        asked = offer(judgement, client.required_scope, catalogue, server.resource_types)
        describer = replace(self.describer, organization=server.branding.organization)
        subject = Subject(NAME if is_patient else CLINICIAN, PATIENT, is_patient, NAME, DETAILS)
        return Preview(describer.page(client, client.redirect_uris[0], server.base_url, subject, asked))

    def example(self, server: FhirServer) -> Preview | None:
        """Of an invented app for patients, for whoever has registered none yet."""
        return self.of(EXAMPLE, server)

    def is_for_patients(self, client: Client) -> bool:
        return not client.user_types or bool(client.user_types & set(PATIENTS))

    def question(self, client: Client, server: FhirServer, *, is_patient: bool) -> AccessQuestion:
        wanted = {scope.type for scope in client.scope.launches if scope.type}
        return AccessQuestion(
            client=replace(client, is_approved=True),
            fhir_server=server,
            requested=client.scope,
            fhir_user=f"Patient/{PATIENT}" if is_patient else "Practitioner/example",
            patient=PATIENT,
            encounter="example",
            has_launch=bool(client.launch_uris),
            context_types=frozenset(type_ for type_ in server.resource_types if type_.lower() in wanted),
        )
