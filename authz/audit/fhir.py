"""A record as FHIR R4 AuditEvent, in the patterns of IHE BALP (security.md 4.1).

Two departures from BALP: the token request is attached without anything secret, and a token is named by its ``jti``
instead of its last characters, for the rest of it could then be guessed.

An issued token follows the profile IHE.IUA.71, which is closed: its patient is a detail of the token there, and an
entity, which is what a search by patient finds, in the record of the code it was bought with (``code.issued``).
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any
from urllib.parse import urlencode, urlsplit

from authz.audit.event import EventName

DCM = "http://dicom.nema.org/resources/ontology/DCM"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
OBJECT_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
SOURCE_TYPE = "http://terminology.hl7.org/CodeSystem/security-source-type"
PURPOSE = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
BALP = "https://profiles.ihe.net/ITI/BALP"
OWN_EVENT = "urn:authz:event"
MACHINE_NAME, IP_ADDRESS = "1", "2"  # http://hl7.org/fhir/network-type
AUTHENTICATION = ("110114", "User Authentication")
SECURITY_ALERT = ("110113", "Security Alert")
KINDS = {
    **dict.fromkeys((EventName.SERVER_STARTED, EventName.SERVER_STOPPED), ("110100", "Application Activity")),
    EventName.RECORDS_SEARCHED: ("110112", "Query"),
    **dict.fromkeys(
        (EventName.AUDIT_READ, EventName.AUDIT_EXPORTED, EventName.AUDIT_PURGED, EventName.AUDIT_HOLD),
        ("110101", "Audit Log Used"),
    ),
    EventName.AUTHORIZE_REFUSED: SECURITY_ALERT,
    EventName.FHIR_REFUSED: SECURITY_ALERT,
    EventName.REQUEST_REFUSED: SECURITY_ALERT,
    EventName.STRANGERS_COUNTED: SECURITY_ALERT,
    EventName.GLASS_BROKEN: ("110127", "Emergency Override Started"),
    EventName.CONSENT_GRANTED: SECURITY_ALERT,
    EventName.CONSENT_SKIPPED: SECURITY_ALERT,
    EventName.CONSENT_DENIED: SECURITY_ALERT,
    EventName.CONSENT_WITHDRAWN: SECURITY_ALERT,
    EventName.CLIENT_CHANGED: SECURITY_ALERT,
    EventName.REGISTRATION_CHANGED: SECURITY_ALERT,
    EventName.REGISTRATION_REFUSED: SECURITY_ALERT,
    EventName.USER_CREATED: SECURITY_ALERT,
    EventName.USER_CHANGED: SECURITY_ALERT,
    EventName.FHIR_SERVER_CHANGED: SECURITY_ALERT,
    EventName.EHR_CHANGED: SECURITY_ALERT,
    EventName.SIGN_IN_PROVIDER_CHANGED: SECURITY_ALERT,
    EventName.KEY_CHANGED: SECURITY_ALERT,
    EventName.CONFIGURATION_CHANGED: SECURITY_ALERT,
    EventName.SCHEMA_MIGRATED: SECURITY_ALERT,
    EventName.DATABASE_RESTORED: SECURITY_ALERT,
}
ISSUING = {EventName.TOKEN_ISSUED, EventName.TOKEN_REFRESHED}
TOKEN_MEMBERS = ("scope", "patient", "encounter", "fhir_server", "grant_id", "launch_id", "request_id")


def audit_event(record: dict[str, Any], issuer: str) -> dict[str, Any]:
    """One record of ``audit.search`` as an AuditEvent; ids only, no name of a person."""
    name = EventName(record["event"])
    code, display = KINDS.get(name, AUTHENTICATION)
    resource: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": record["id"],
        "type": {"system": DCM, "code": code, "display": display},
        "subtype": [{"system": OWN_EVENT, "code": name.value}],
        "action": "E",
        "recorded": record["at"],
        "outcome": "0" if record["outcome"] == "success" else "8",
        "agent": agents(record, issuer),
        "source": {"observer": {"display": issuer}, "type": [{"system": SOURCE_TYPE, "code": "6"}]},
    }
    if record["reason"]:
        resource["outcomeDesc"] = record["reason"]
    if name is EventName.GLASS_BROKEN and record["reason"]:
        resource["purposeOfEvent"] = [{"coding": [{"system": PURPOSE, "code": record["reason"]}]}]
    if name in ISSUING:
        resource["meta"] = {"profile": [f"{BALP}/StructureDefinition/IHE.IUA.71"]}
        resource["subtype"] = [
            {"system": "urn:ihe:event-type-code", "code": "ITI-71", "display": "Get Access Token"},
        ]
        return resource | {"entity": [token_request(record, name), token_response(record)]}
    found = entities(record)
    return resource | ({"entity": found} if found else {})


def agents(record: dict[str, Any], issuer: str) -> list[dict[str, Any]]:
    """The client with its address, this server, and the user as ``iss|sub`` with the token's id as policy."""
    address = {"address": record["peer"]} if record["peer"] else {}
    client: dict[str, Any] = {
        "type": {"coding": [{"system": DCM, "code": "110150", "display": "Application"}]},
        "who": {"identifier": {"value": record["client_id"] or "unknown"}},
        "requestor": not record["sub"],
        "network": {**address, "type": IP_ADDRESS},
    }
    server = {
        "type": {"coding": [{"system": f"{BALP}/CodeSystem/UserAgentTypes", "code": "AuthzOauthService"}]},
        "who": {"identifier": {"value": issuer}},
        "requestor": False,
        "network": {"address": urlsplit(issuer).hostname, "type": MACHINE_NAME},
    }
    if not record["sub"]:
        return [client, server]
    user: dict[str, Any] = {
        "type": {"coding": [{"system": PARTICIPATION, "code": "IRCP", "display": "information recipient"}]},
        "who": {"identifier": {"system": issuer, "value": record["sub"]}},
        "requestor": True,
    }
    if record["token_id"]:
        user["policy"] = [record["token_id"]]
    return [client, server, user]


def token_request(record: dict[str, Any], name: EventName) -> dict[str, Any]:
    """What was asked without what it was paid with: no code, verifier, secret, assertion or refresh token."""
    first = "authorization_code" if record["sub"] else "client_credentials"
    grant_type = "refresh_token" if name is EventName.TOKEN_REFRESHED else first
    form = {"grant_type": grant_type, "client_id": record["client_id"] or "unknown"}
    return {
        "type": {"system": ENTITY_TYPE, "code": "2", "display": "System Object"},
        "role": {"system": OBJECT_ROLE, "code": "24", "display": "Query"},
        "query": b64encode(urlencode(form).encode()).decode(),
    }


def token_response(record: dict[str, Any]) -> dict[str, Any]:
    details = [{"type": member, "valueString": record[member]} for member in TOKEN_MEMBERS if record[member]]
    return {
        "what": {"identifier": {"value": record["token_id"]}},
        "type": {"system": ENTITY_TYPE, "code": "2", "display": "System Object"},
        "role": {"system": OBJECT_ROLE, "code": "13", "display": "Security Resource"},
        "detail": details,
    }


def entities(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The patient, the token, and the request's own id, by which the records of other servers are joined.

    Of events that have no record of their own, how many there were.
    """
    found: list[dict[str, Any]] = []
    if record["patient"]:
        found.append(
            {
                "what": {"reference": f"Patient/{record['patient']}"},
                "type": {"system": ENTITY_TYPE, "code": "1", "display": "Person"},
                "role": {"system": OBJECT_ROLE, "code": "1", "display": "Patient"},
            }
        )
    if record["token_id"]:
        found.append(
            {
                "what": {"identifier": {"value": record["token_id"]}},
                "type": {"system": ENTITY_TYPE, "code": "2", "display": "System Object"},
                "role": {"system": OBJECT_ROLE, "code": "13", "display": "Security Resource"},
            }
        )
    if record["request_id"]:
        kind = {"system": f"{BALP}/CodeSystem/BasicAuditEntityType", "code": "XrequestId"}
        found.append({"what": {"identifier": {"value": record["request_id"]}}, "type": kind})
    if "events" in record["detail"]:
        found.append(counted(record["detail"]))
    return found


def counted(detail: dict[str, Any]) -> dict[str, Any]:
    """What ``audit.flood`` counted."""
    told = {name: detail[name] for name in ("network", "since") if name in detail} | detail["events"]
    return {
        "what": {"display": "events without a record of their own"},
        "type": {"system": ENTITY_TYPE, "code": "2", "display": "System Object"},
        "detail": [{"type": name, "valueString": str(value)} for name, value in told.items()],
    }
