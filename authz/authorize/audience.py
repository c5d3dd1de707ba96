"""For which FHIR server an app asks, and whether apps may be opened there in this way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz.errors import InvalidRequest, InvalidTarget, UnauthorizedClient
from authz.fhir_servers.features import Feature

if TYPE_CHECKING:
    from authz.authorize.draft import Draft


def check_audience(draft: Draft) -> None:
    """``aud``, or its synonym ``resource``, names a FHIR server of ours (AUTHZ-10..12): no token leaves for another."""
    aud, resource = draft.get("aud"), draft.get("resource")
    if aud is None and resource is None:
        raise InvalidRequest("aud is missing: send the base URL of the FHIR server")
    named = [draft.registries.fhir_servers.by_aud(text) for text in (aud, resource) if text is not None]
    server = named[0]
    if server is None or not draft.client.may_use(server.name):
        if aud is None:
            raise InvalidTarget("resource is not the base URL of a FHIR server this app may use here")
        raise InvalidRequest("aud is not the base URL of a FHIR server this app may use here")
    if any(other != server for other in named):
        raise InvalidRequest("aud and resource name different servers")
    draft.found["fhir_server"] = server


def check_flow(draft: Draft) -> None:
    """Whether this FHIR server lets apps be opened from the EHR, or by themselves (decision 23)."""
    server = draft.found["fhir_server"]
    if draft.client.is_own:
        return  # people sign in to see their apps, however those are opened
    if draft.get("launch") is not None and not server.offers(Feature.EHR_LAUNCH):
        raise UnauthorizedClient("at this FHIR server apps are not opened from an EHR: leave launch out")
    if draft.get("launch") is None and not server.offers(Feature.STANDALONE):
        raise UnauthorizedClient("at this FHIR server apps are opened from the EHR only: launch is missing")
