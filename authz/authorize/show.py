"""What a page shows of the request and of where it stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from authz.authorize.outcome import Frame
from authz.authorize.picker import on_behalf
from authz.authorize.telling import patient_choice
from authz.clients.redirect_uri import host_of
from authz.consent.choices import offer
from authz.consent.describe import Subject

if TYPE_CHECKING:
    from authz.audit.event import Peer
    from authz.authorize.naming import Naming
    from authz.authorize.pending import Pending
    from authz.authorize.request import AuthorizationRequest
    from authz.authorize.situation import Situation
    from authz.consent.choices import Offer
    from authz.consent.decide import Consents
    from authz.consent.describe import ConsentPage, Describer
    from authz.fhir_servers.registry import FhirServer


@dataclass(frozen=True, slots=True)
class Consenting:
    """What a person is asked about, and in which words."""

    describer: Describer
    consents: Consents
    naming: Naming

    def offer(self, request: AuthorizationRequest, situation: Situation) -> Offer:
        assert situation.judgement is not None
        server = request.fhir_server
        catalogue = self.describer.catalogue.limited_by(server.constraints)
        return offer(situation.judgement, request.client.required_scope, catalogue, server.resource_types)

    def words(self, server: FhirServer) -> Describer:
        """The words of this FHIR server, which may have a name of its own."""
        return replace(self.describer, organization=server.branding.organization)

    def page(
        self, request: AuthorizationRequest, pending: Pending, situation: Situation, asked: Offer, peer: Peer
    ) -> ConsentPage:
        """The patient is shown as chosen on the page before, or else as the FHIR server knows them, if it answers."""
        assert situation.user is not None
        assert situation.consent is not None
        patient = situation.context.patient
        is_self = patient is not None and situation.fhir_user == f"Patient/{patient}"
        chosen = pending.patient
        if chosen is None and patient is not None and not is_self:
            who = on_behalf(request, pending, situation, peer)
            chosen = patient_choice(self.naming.records(who, [patient]).get(patient), patient)
        subject = Subject(
            situation.user.display_name,
            patient,
            is_self,
            patient_name=chosen.name if chosen is not None else "",
            patient_details=chosen.details if chosen is not None else (),
            earlier=self.consents.earlier(situation.consent),
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
        unapproved_host="" if request.client.is_approved else host_of(request.redirect_uri),
    )
