"""The consent page of an app as people will read it, with an invented person: the same words, the same template."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from authz.consent.choices import offer
from authz.consent.describe import Subject
from authz.developers.kinds import PATIENTS
from authz.policy.access import AccessQuestion, decide

if TYPE_CHECKING:
    from authz.clients.registry import Client
    from authz.consent.describe import ConsentPage, Describer
    from authz.fhir_servers.registry import FhirServer

PATIENT = "example"  # a logical id that is nobody's here: nothing is looked up
NAME = "Sam Example"
DETAILS = ("born 1 Apr 1980", "invented for this preview")
CLINICIAN = "Dr. Robin Example"


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
