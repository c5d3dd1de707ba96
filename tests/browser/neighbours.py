"""The other servers that this one asks, none of them over a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.outbound import Answer, Outbound
from authz.outbound.client import Sent
from tests.browser.states import LONG
from tests.upstream import IDP, FakeProvider, as_json, practitioner
from tests.world import OTHER_FHIR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authz.outbound import Limits
    from tests.fhir import FakeFhir


@dataclass
class Neighbours(Outbound):
    """Whom this server asks: the main FHIR server, the provider, and the other FHIR server, which knows two Danas."""

    fhir: FakeFhir
    provider: FakeProvider

    def get(
        self, url: str, *, headers: Mapping[str, str] | None = None, trusted: bool = False, limits: Limits | None = None
    ) -> Answer:
        if url.startswith(IDP):
            return self.provider.exchange(url, Sent("GET", dict(headers or {})))
        return self.fhir.get(url, headers=headers, trusted=trusted, limits=limits)

    def post(
        self,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        trusted: bool = False,
        limits: Limits | None = None,
    ) -> Answer:
        if url.startswith(IDP):
            return self.provider.exchange(url, Sent("POST", dict(headers or {}), body))
        if url.startswith(OTHER_FHIR):
            danas = [{"resource": practitioner(key, "17", LONG)} for key in ("p-1", "p-2")]
            return as_json({"resourceType": "Bundle", "type": "searchset", "entry": danas})
        return self.fhir.post(url, body, headers=headers, trusted=trusted, limits=limits)
