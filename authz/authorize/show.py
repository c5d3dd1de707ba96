"""What a page shows of the request and of where it stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from authz.authorize.outcome import Frame
from authz.consent.choices import offer
from authz.consent.describe import Subject

if TYPE_CHECKING:
    from authz.authorize.pending import Pending
    from authz.authorize.picking import Choice
    from authz.authorize.request import AuthorizationRequest
    from authz.authorize.situation import Situation
    from authz.consent.choices import Offer
    from authz.consent.describe import ConsentPage, Describer
    from authz.fhir_servers.registry import FhirServer


@dataclass(frozen=True, slots=True)
class Consenting:
    """What a person is asked about, and in which words."""

    describer: Describer

    def offer(self, request: AuthorizationRequest, situation: Situation) -> Offer:
        assert situation.judgement is not None
        server = request.fhir_server
        catalogue = self.describer.catalogue.limited_by(server.constraints)
        return offer(situation.judgement, request.client.required_scope, catalogue, server.resource_types)

    def words(self, server: FhirServer) -> Describer:
        """The words of this FHIR server, which may have a name of its own."""
        return replace(self.describer, organization=server.branding.organization)

    def page(
        self, request: AuthorizationRequest, situation: Situation, asked: Offer, chosen: Choice | None
    ) -> ConsentPage:
        """``chosen`` is the patient as they were chosen on the page before, if they were."""
        assert situation.user is not None
        patient = situation.context.patient
        is_self = patient is not None and situation.fhir_user == f"Patient/{patient}"
        subject = Subject(
            situation.user.display_name,
            patient,
            is_self,
            patient_name=chosen.name if chosen is not None else "",
            patient_details=chosen.details if chosen is not None else (),
        )
        fhir_base = request.fhir_server.base_url
        describer = self.words(request.fhir_server)
        page = describer.page(request.client, request.redirect_uri, fhir_base, subject, asked)
        return replace(page, is_sandbox=request.fhir_server.is_sandbox)


def frame(request: AuthorizationRequest, pending: Pending) -> Frame:
    is_ehr_launch = pending.launch is not None
    origins = request.fhir_server.ehr_origins if is_ehr_launch else ()
    return Frame(
        tuple(origins),
        is_ehr_launch,
        request.redirect_uri,
        request.fhir_server.name,
        request.fhir_server.branding,
        launch_id=pending.launch.launch_id if pending.launch is not None else None,
        is_own=request.client.is_own,
    )
