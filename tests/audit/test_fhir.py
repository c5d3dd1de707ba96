from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from authz.audit.chain import record_of
from authz.audit.event import Event, EventName, Peer
from authz.audit.fhir import audit_event
from authz.audit.search import members
from authz.audit.trail import Trail
from authz.storage.database import Database
from tests.registries import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator

ISSUER = "https://auth.example/realm"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
BALP = "https://profiles.ihe.net/ITI/BALP"
APPLICATION = {"coding": [{"system": DCM, "code": "110150", "display": "Application"}]}
SERVICE = {"coding": [{"system": f"{BALP}/CodeSystem/UserAgentTypes", "code": "AuthzOauthService"}]}
RECIPIENT = {
    "coding": [
        {
            "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
            "code": "IRCP",
            "display": "information recipient",
        }
    ]
}
SYSTEM_OBJECT = {
    "system": "http://terminology.hl7.org/CodeSystem/audit-entity-type",
    "code": "2",
    "display": "System Object",
}
ROLE = "http://terminology.hl7.org/CodeSystem/object-role"


TRAIL = Trail(Database(), Clock(), "node", "0")  # it makes rows; none is stored here


def exported(event: Event) -> dict[str, Any]:
    """The event as a second system gets it."""
    record = members({"seq": None, **record_of(TRAIL.row(event))})
    found: dict[str, Any] = json.loads(json.dumps(audit_event(record, ISSUER)))
    return found


def token(name: EventName = EventName.TOKEN_ISSUED, **changes: Any) -> Event:
    given: dict[str, Any] = {
        "sub": "sub-1",
        "client_id": "app",
        "fhir_server": "main",
        "patient": "P1",
        "scope": "patient/*.rs launch",
        "grant_id": "g1",
        "token_id": "jti-1",
        "launch_id": "l1",
        "peer": Peer("192.0.2.1", "browser/1", "request-1"),
    }
    return Event(name, **given | changes)


def test_an_issued_token_follows_the_profile_of_get_access_token() -> None:
    """AU-9: IHE.IUA.71, every member; one subtype, three agents, two entities, and nothing else in its closed lists."""
    found = exported(token())
    assert re.fullmatch(r"[0-9a-f]{32}", found.pop("id"))
    assert found == {
        "resourceType": "AuditEvent",
        "meta": {"profile": [f"{BALP}/StructureDefinition/IHE.IUA.71"]},
        "type": {"system": DCM, "code": "110114", "display": "User Authentication"},
        "subtype": [{"system": "urn:ihe:event-type-code", "code": "ITI-71", "display": "Get Access Token"}],
        "action": "E",
        "recorded": "2026-03-01T09:00:00.000+00:00",
        "outcome": "0",
        "agent": [
            {
                "type": APPLICATION,
                "who": {"identifier": {"value": "app"}},
                "requestor": False,
                "network": {"address": "192.0.2.1", "type": "2"},
            },
            {
                "type": SERVICE,
                "who": {"identifier": {"value": ISSUER}},
                "requestor": False,
                "network": {"address": "auth.example", "type": "1"},
            },
            {
                "type": RECIPIENT,
                "who": {"identifier": {"system": ISSUER, "value": "sub-1"}},
                "requestor": True,
                "policy": ["jti-1"],
            },
        ],
        "source": {
            "observer": {"display": ISSUER},
            "type": [{"system": "http://terminology.hl7.org/CodeSystem/security-source-type", "code": "6"}],
        },
        "entity": [
            {
                "type": SYSTEM_OBJECT,
                "role": {"system": ROLE, "code": "24", "display": "Query"},
                "query": base64.b64encode(b"grant_type=authorization_code&client_id=app").decode(),
            },
            {
                "what": {"identifier": {"value": "jti-1"}},
                "type": SYSTEM_OBJECT,
                "role": {"system": ROLE, "code": "13", "display": "Security Resource"},
                "detail": [
                    {"type": "scope", "valueString": "patient/*.rs launch"},
                    {"type": "patient", "valueString": "P1"},
                    {"type": "fhir_server", "valueString": "main"},
                    {"type": "grant_id", "valueString": "g1"},
                    {"type": "launch_id", "valueString": "l1"},
                    {"type": "request_id", "valueString": "request-1"},
                ],
            },
        ],
    }


def test_a_refreshed_token_says_what_was_asked_without_what_it_was_paid_with() -> None:
    """security.md 4.1 (a): no code, secret, assertion, verifier or refresh token."""
    found = exported(token(EventName.TOKEN_REFRESHED, client_id="a&b=c"))
    assert base64.b64decode(found["entity"][0]["query"]) == b"grant_type=refresh_token&client_id=a%26b%3Dc"


def test_a_backend_service_s_token_has_no_user() -> None:
    found = exported(token(sub=None, patient=None, launch_id=None))
    assert base64.b64decode(found["entity"][0]["query"]) == b"grant_type=client_credentials&client_id=app"
    assert [agent["requestor"] for agent in found["agent"]] == [True, False]


def test_a_consent_names_its_patient() -> None:
    """BALP AuthZconsent: Security Alert; the patient is found by a search."""
    found = exported(token(EventName.CONSENT_GRANTED, token_id=None, peer=Peer("192.0.2.1", None, "request-1")))
    assert found["type"] == {"system": DCM, "code": "110113", "display": "Security Alert"}
    assert found["subtype"] == [{"system": "urn:authz:event", "code": "consent.granted"}]
    assert "meta" not in found
    assert found["entity"] == [
        {
            "what": {"reference": "Patient/P1"},
            "type": {
                "system": "http://terminology.hl7.org/CodeSystem/audit-entity-type",
                "code": "1",
                "display": "Person",
            },
            "role": {"system": ROLE, "code": "1", "display": "Patient"},
        },
        {
            "what": {"identifier": {"value": "request-1"}},
            "type": {"system": f"{BALP}/CodeSystem/BasicAuditEntityType", "code": "XrequestId"},
        },
    ]


def test_a_refusal_says_why() -> None:
    """outcome 8 (serious failure) with outcomeDesc."""
    found = exported(Event(EventName.CONSENT_DENIED, "refused", "access_denied"))
    assert (found["outcome"], found["outcomeDesc"]) == ("8", "access_denied")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (EventName.SERVER_STARTED, "110100"),
        (EventName.AUDIT_READ, "110101"),
        (EventName.KEY_CHANGED, "110113"),
        (EventName.LOGIN, "110114"),
        (EventName.TOKEN_REVOKED, "110114"),
    ],
)
def test_an_event_has_its_kind_of_dicom(name: EventName, code: str) -> None:
    assert exported(Event(name))["type"]["code"] == code


def test_without_a_user_the_client_asked() -> None:
    found = exported(Event(EventName.LAUNCH_CREATED, client_id="app"))
    assert [agent["requestor"] for agent in found["agent"]] == [True, False]
    assert "entity" not in found


def texts(value: Any) -> Iterator[tuple[str, Any]]:
    match value:
        case dict():
            for name, member in value.items():
                yield name, member
                yield from texts(member)
        case list():
            for item in value:
                yield "item", item
                yield from texts(item)


@pytest.mark.parametrize("name", list(EventName))
@pytest.mark.parametrize("full", [True, False])
def test_every_event_makes_a_resource_of_fhir_r4(name: EventName, full: bool) -> None:  # noqa: FBT001  pytest's
    """R4 AuditEvent: nothing is empty or null; type, recorded, agent (with requestor) and source.observer are there."""
    event = token(name) if full else Event(name, token_id="jti-1", scope="openid")
    found = exported(event)
    assert {"resourceType", "type", "recorded", "agent", "source"} <= set(found)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", found["recorded"])
    assert found["action"] in "CRUDE"
    assert found["outcome"] in ("0", "4", "8", "12")
    assert sum(agent["requestor"] for agent in found["agent"]) == 1
    assert [pair for pair in texts(found) if pair[1] in ("", None, [], {})] == []
    assert all({"what", "query"} & set(entity) for entity in found.get("entity", []))


def test_no_name_of_a_person_and_no_detail_is_exported() -> None:
    """security.md 4.2: ids only."""
    found = exported(token(detail={"name": "ZZ9PHI"}))
    assert "ZZ9PHI" not in json.dumps(found)


def test_how_many_had_no_record_of_their_own_is_told_a_second_system_too() -> None:
    """Decision 45: which network, since when, how many of each event."""
    events = {"token.refused": 39, "authorize.refused": 2}
    detail = {"network": "203.0.113.0/24", "since": "2026-03-01T08:59:00.000+00:00", "events": events}
    found = exported(Event(EventName.STRANGERS_COUNTED, "refused", "network", detail=detail))
    assert (found["type"]["code"], found["outcome"], found["outcomeDesc"]) == ("110113", "8", "network")
    assert found["entity"] == [
        {
            "what": {"display": "events without a record of their own"},
            "type": SYSTEM_OBJECT,
            "detail": [
                {"type": "network", "valueString": "203.0.113.0/24"},
                {"type": "since", "valueString": "2026-03-01T08:59:00.000+00:00"},
                {"type": "token.refused", "valueString": "39"},
                {"type": "authorize.refused", "valueString": "2"},
            ],
        }
    ]
