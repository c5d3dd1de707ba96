"""A FHIR server without a network: it asks about every token, and shows each user only whom that user may see."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from authz.fhir_servers.search import LIMITS, QUICKLY
from authz.outbound import Answer, FetchFailed, Outbound
from tests.world import FHIR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from authz.outbound import Limits

MRN = "http://hospital.example/mrn"
Json = dict[str, Any]


def patient(key: str, family: str, given: str, born: str = "2019-03-05", **more: Any) -> Json:
    return {
        "resourceType": "Patient",
        "id": key,
        "identifier": [
            {"system": "http://state.example/ssn", "value": f"SSN-{key}"},
            {"type": {"coding": [{"code": "MR"}]}, "system": MRN, "value": f"MRN-{key}"},
        ],
        "name": [{"use": "official", "family": family, "given": [given]}],
        "birthDate": born,
        "gender": "female",
        **more,
    }


def encounter(key: str, patient_id: str, start: str, **more: Any) -> Json:
    return {
        "resourceType": "Encounter",
        "id": key,
        "status": "finished",
        "class": {"code": "AMB", "display": "ambulatory"},
        "type": [{"text": "Well child check"}],
        "subject": {"reference": f"Patient/{patient_id}"},
        "period": {"start": start},
        "location": [{"location": {"display": "Children's clinic"}}],
        **more,
    }


PATIENTS = (
    patient("A", "Anders", "Alice", "1985-02-11"),
    patient("B", "Berg", "Bo", gender="male"),
    patient("child-1", "Brandt", "Ella", "2024-01-02"),
    patient("child-2", "Brandt", "Jonas", "2019-07-30", gender="male"),
    patient("H", "Hidden", "Hanna"),
)
ENCOUNTERS = (
    encounter("visit-1", "B", "2026-01-03T09:00:00+01:00"),
    encounter("visit-2", "B", "2026-06-01"),
    encounter("visit-A", "A", "2026-02-02"),
)
SEES = {  # a Practitioner sees everybody but H
    "Practitioner/dr": {"A", "B", "child-1", "child-2"},
    "Patient/A": {"A"},
    "RelatedPerson/rel": {"child-1", "child-2"},
}


@dataclass
class Asked:
    method: str
    path: str
    parameters: list[tuple[str, str]]
    token: Json  # what introspection said of it
    bearer: str


@dataclass
class FakeFhir(Outbound):
    """Stands in for the outbound client; ``introspect`` is set once there is a server to ask."""

    base: str = FHIR
    records: list[Json] = field(default_factory=lambda: [*PATIENTS, *ENCOUNTERS])
    sees: dict[str, set[str]] = field(default_factory=lambda: {user: set(ids) for user, ids in SEES.items()})
    introspect: Callable[[str], Json] | None = None
    asked: list[Asked] = field(default_factory=list)
    is_down: bool = False
    says: list[Answer] = field(default_factory=list)  # instead of an answer of its own, one after the other

    def get(
        self, url: str, *, headers: Mapping[str, str] | None = None, trusted: bool = False, limits: Limits | None = None
    ) -> Answer:
        assert trusted
        if "Authorization" not in (headers or {}):
            raise FetchFailed("no connection")  # its CapabilityStatement, say: this one answers searches only
        assert limits == LIMITS
        return self.answer("GET", url, headers or {}, urlsplit(url).query)

    def post(
        self,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        trusted: bool = False,
        limits: Limits | None = None,
    ) -> Answer:
        assert trusted
        assert limits is not None
        assert limits == LIMITS or limits.seconds <= QUICKLY.seconds
        assert urlsplit(url).query == ""
        return self.answer("POST", url, headers or {}, body.decode())

    def answer(self, method: str, url: str, headers: Mapping[str, str], query: str) -> Answer:
        if self.is_down or not url.startswith(f"{self.base}/"):
            raise FetchFailed("no connection")
        token = headers["Authorization"].removeprefix("Bearer ")
        assert self.introspect is not None
        told = self.introspect(token)
        path = url.partition("?")[0].removeprefix(f"{self.base}/")
        parameters = parse_qsl(query, keep_blank_values=True)
        self.asked.append(Asked(method, path, parameters, told, token))
        if self.says:
            return self.says.pop(0)
        if not told["active"]:
            return Answer(401, {}, b"")
        type_ = path.partition("/")[0]
        of_type = [r for r in self.records if r["resourceType"] == type_]
        if told["scope"] == f"system/{type_}.rs":  # this server itself asks, for certain resources
            wanted = dict(parameters)["_id"].split(",")
            found = [r for r in of_type if r["id"] in wanted]
        elif f"user/{type_}.rs" in told["scope"].split():
            found = [r for r in of_type if self.fits(r, parameters, told)]
        else:
            return Answer(403, {}, b"")
        return Answer(200, {"content-type": "application/fhir+json"}, bundle(self.base, found, parameters))

    def fits(self, resource: Json, parameters: list[tuple[str, str]], told: Json) -> bool:
        whose = resource["id"] if resource["resourceType"] == "Patient" else whose_encounter(resource)
        user = told.get("fhirUser", "").removeprefix(f"{self.base}/")
        tests: dict[str, Callable[[str], bool]] = {
            "_id": lambda v: resource["id"] in v.split(","),
            "name": lambda v: any(word.casefold().startswith(v.casefold()) for word in words(resource)),
            "birthdate": lambda v: resource.get("birthDate", "").startswith(v),
            "identifier": lambda v: v in identifiers(resource),
            "patient": lambda v: whose == v,
        }
        criteria = [(n, v) for n, v in parameters if n not in {"_count", "_offset", "_sort"}]
        return whose in self.sees.get(user, set()) and all(tests[name](value) for name, value in criteria)


def bundle(base: str, found: list[Json], parameters: list[tuple[str, str]]) -> bytes:
    asked = dict(parameters)
    count, offset = int(asked["_count"]), int(asked.get("_offset", 0))
    links = []
    if offset + count < len(found):
        more = "&".join(f"{n}={v}" for n, v in parameters if n != "_offset")
        type_ = found[0]["resourceType"]
        links = [{"relation": "next", "url": f"{base}/{type_}?{more}&_offset={offset + count}"}]
    entries = [
        {"fullUrl": f"{base}/{r['resourceType']}/{r['id']}", "resource": r, "search": {"mode": "match"}}
        for r in found[offset : offset + count]
    ]
    return json.dumps(
        {"resourceType": "Bundle", "type": "searchset", "total": len(found), "link": links, "entry": entries}
    ).encode()


def whose_encounter(resource: Json) -> str:
    reference: str = resource["subject"]["reference"]
    return reference.removeprefix("Patient/")


def words(resource: Json) -> Iterator[str]:
    for name in resource.get("name", []):
        yield from [*name.get("given", []), name.get("family", "")]


def identifiers(resource: Json) -> set[str]:
    found = resource.get("identifier", [])
    return {one["value"] for one in found} | {f"{one.get('system', '')}|{one['value']}" for one in found}
