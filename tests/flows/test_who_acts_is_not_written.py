"""Whoever acts for a patient by the word of the FHIR server can't make it say so, whichever app they open."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import pytest

from authz.outbound import Answer
from tests.fhir import FakeFhir
from tests.flows.test_representation_links import ENDED, newcomer, related, switched
from tests.pickers.test_staff_picker import change
from tests.world import ISSUER, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from authz.outbound import Limits
    from tests.fhir import Json
    from tests.flows.test_representation_links import Family
    from tests.transport import Reply
    from tests.world import World

SCOPE = "launch/patient openid fhirUser patient/*.cruds offline_access"
PARAMETERS = [{"name": name} for name in ("_id", "patient", "subject", "identifier")]
STATEMENT = {
    "resourceType": "CapabilityStatement",
    "rest": [{"resource": [{"type": type_, "searchParam": PARAMETERS} for type_ in ("Patient", "RelatedPerson")]}],
}


class Behind(FakeFhir):
    """The same FHIR server behind a proxy: who asks it there shows no token, and what passes the proxy is written."""

    def get(
        self, url: str, *, headers: Mapping[str, str] | None = None, trusted: bool = False, limits: Limits | None = None
    ) -> Answer:
        if "Authorization" in (headers or {}):
            return super().get(url, headers=headers, trusted=trusted, limits=limits)
        path, _, query = url.removeprefix(f"{self.base}/").partition("?")
        if path == "metadata":
            return Answer(200, {}, json.dumps(STATEMENT).encode())
        type_, _, key = path.partition("/")
        wanted = key or dict(parse_qsl(query)).get("_id")
        found = [one for one in self.records if (one["resourceType"], one["id"]) == (type_, wanted)]
        if key:
            return Answer(200 if found else 404, {}, json.dumps(found[0] if found else {}).encode())
        return Answer(200, {}, json.dumps({"entry": [{"resource": one} for one in found]}).encode())


@pytest.fixture
def fhir() -> Behind:
    return Behind()


@pytest.fixture
def world(tmp_path: Path, fhir: Behind) -> Iterator[World]:
    made = build(settings_in(tmp_path, trusted_proxies="127.0.0.0/8"), outbound=fhir)
    fhir.introspect = made.fhir_server.introspect
    with made.app.app_context():
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()


@pytest.fixture
def family(world: World, fhir: Behind) -> Family:
    """The hospital lets representatives pass on more than it does by default."""
    switched(world, on=True)
    change(world, scope_ceilings={"RelatedPerson": "patient/*.cruds", "Practitioner": "patient/*.cruds user/*.cruds"})
    made = newcomer(world, fhir)
    made.says(related("dad", "child-1"))
    return made


def tokens_of(family: Family) -> Json:
    found: Json = family.world.public.redeem(family.opens(SCOPE).location_parameters["code"]).json()
    return found


def write(family: Family, method: str, path: str, token: str, body: Json | list[Json]) -> Reply:
    """As it comes through the proxy, which passes on what is allowed."""
    kind = "application/json-patch+json" if method == "PATCH" else "application/fhir+json"
    raw = json.dumps(body).encode()
    headers = {
        "X-Original-Method": method,
        "X-Original-URI": f"/r4/{path}",
        "X-Original-Content-Length": str(len(raw)),
        "Content-Type": kind,
        "Authorization": f"Bearer {token}",
    }
    return family.world.transport.send("POST", f"{ISSUER}/forward-auth/main", headers, raw)


def test_what_the_hospital_has_ended_no_app_begins_again(family: Family) -> None:
    """SCP-01, CTX-13, decision 20: the token that is left writes nothing by which the next one would be had."""
    tokens = tokens_of(family)
    family.says(related("dad", "child-1", active=False))
    refused = write(family, "PUT", "RelatedPerson/dad", tokens["access_token"], related("dad", "child-1"))
    assert refused.status == 403
    assert refused.header("x-authz-reason") == (
        "a RelatedPerson says here who somebody is, or for whom they act: "
        "only user/ scopes of staff and system/ scopes write it"
    )
    assert family.refresh(tokens) == (400, ENDED)


def test_nobody_who_acts_for_a_patient_appoints_others(family: Family) -> None:
    """CTX-13: nor an app that a clinician opened, with the scopes that clinicians pass on by default."""
    friend = related("friend", "child-1")
    father = tokens_of(family)["access_token"]
    launched = family.world.ehr.launch("public", "Practitioner/dr", patient="child-1")
    within = family.world.public.tokens(launched["launch"], "launch patient/*.cruds")["access_token"]
    for token in (father, within):
        assert write(family, "PUT", "RelatedPerson/friend", token, friend).status == 403
        assert write(family, "POST", "RelatedPerson", token, friend).status == 403
        assert write(family, "PATCH", "Patient/child-1", token, [{"op": "remove", "path": "/link"}]).status == 403
        assert write(family, "PATCH", "Patient/child-1", token, [{"op": "remove", "path": "/photo"}]).status == 204


def test_a_clinician_with_scopes_of_their_own_writes_it(family: Family) -> None:
    """SCP-01: it is the hospital that says who acts for whom."""
    launched = family.world.ehr.launch("public", "Practitioner/dr", patient="child-1")
    token = family.world.public.tokens(launched["launch"], "launch openid fhirUser user/*.cruds")["access_token"]
    assert write(family, "POST", "RelatedPerson", token, related("friend", "child-1")).status == 204


def test_a_rule_for_the_sign_in_is_reason_enough(family: Family) -> None:
    """FHIR search: whoever writes what a search finds chooses who comes in by it; seen within a second."""
    switched(family.world, on=False)
    launched = family.world.ehr.launch("public", "Practitioner/dr", patient="child-1")
    token = family.world.public.tokens(launched["launch"], "launch patient/*.cruds")["access_token"]
    friend = related("friend", "child-1")
    assert write(family, "POST", "RelatedPerson", token, friend).status == 204
    services = family.world.services
    with services.db.write() as session:
        rule = "hospital:RelatedPerson?identifier=http://state.example|{number}"
        services.federation.rulebook.update(session, "main", {"searches": [rule]})
    services.gateway.tellings.forget()
    assert write(family, "POST", "RelatedPerson", token, friend).status == 403
