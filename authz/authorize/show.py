"""What a page shows of the request and of where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz.authorize.outcome import Frame
from authz.consent.describe import Subject, describe

if TYPE_CHECKING:
    from authz.authorize.pending import Pending
    from authz.authorize.request import AuthorizationRequest
    from authz.authorize.situation import Situation
    from authz.consent.describe import ConsentPage
    from authz.settings import Settings


def consent_page(settings: Settings, request: AuthorizationRequest, situation: Situation) -> ConsentPage:
    assert situation.user is not None
    assert situation.judgement is not None
    is_self = situation.patient is not None and situation.fhir_user == f"Patient/{situation.patient}"
    subject = Subject(situation.user.display_name, situation.patient, is_self)
    scope = situation.judgement.granted
    return describe(settings, request.client, request.redirect_uri, request.fhir_server.base_url, subject, scope)


def frame(request: AuthorizationRequest, pending: Pending) -> Frame:
    is_ehr_launch = pending.launch is not None
    origins = request.fhir_server.ehr_origins if is_ehr_launch else ()
    return Frame(tuple(origins), is_ehr_launch, request.redirect_uri)
