"""Requests and scopes as hypothesis makes them."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from authz.enforcement.fhir_request import FhirRequest
from authz.enforcement.token import EVERYONE, NOBODY, Reach
from tests.enforcement.conftest import MINE, THEIRS

TYPES = st.sampled_from(["Observation", "Patient", "Encounter", "Practitioner", "Appointment"])
IDS = st.sampled_from(["1", "2", "o1", "o2", "v1", "dr", "new"])
PIECES = st.sampled_from(
    [
        *("", "/", "//", "..", "%2e%2e", "%2F", ";x=1", "#", "?", "&", "=", ",", "\\", "\0", "é", "%", "%00", "%ff"),
        *("Patient", "Observation", "1", "2", "_history", "_search", "$everything", "$export", "metadata", "*"),
        *("patient", "subject", ":Patient", ":not", "_id", "_include", "_revinclude", "_has", "Observation:patient"),
        *("patient=1", "patient=2", "subject=Patient/1", "category=laboratory", "_count=1", "code=x", ".name"),
    ]
)
PAIRS = st.sampled_from(
    [
        *("patient=1", "patient=2", "patient=1,2", "subject=Patient/1", "subject=1", "_id=1", "_id=2", "code=x"),
        *("category=laboratory", "category=vital-signs", "category=laboratory,vital-signs", "category:not=x"),
        *("_include=Observation:subject", "_revinclude=Observation:patient", "_include=*", "patient:not=2"),
        *("_has:Observation:patient:code=x", "patient.name=x", "_sort=-date", "_count=3", "_filter=x", "unheard=1"),
    ]
)
SCOPES = st.builds(
    "{}/{}.{}{}".format,
    st.sampled_from(["patient", "user", "system"]),
    st.sampled_from(["*", "Observation", "Patient", "Encounter"]),
    st.sampled_from(["cruds", "rs", "r", "s", "cud", "d"]),
    st.sampled_from(["", "", "?category=laboratory", "?category=vital-signs"]),
)
REACHES = st.sampled_from([EVERYONE, NOBODY, Reach(frozenset({"1"})), Reach(frozenset({"1", "2"}))])


@st.composite
def requests(draw: st.DrawFn) -> FhirRequest:
    """Well-formed ones, of every kind."""
    type_, id_ = draw(TYPES), draw(IDS)
    path = draw(
        st.sampled_from(
            [
                *(f"/{type_}", f"/{type_}/{id_}", f"/{type_}/{id_}/_history", f"/{type_}/{id_}/_history/1"),
                *(f"/{type_}/_history", f"/Patient/{id_}/{type_}", f"/Patient/{id_}/$everything", "/$export", ""),
                *("/_history", f"/{type_}/_search", "/metadata"),
            ]
        )
    )
    query = "&".join(draw(st.lists(PAIRS, max_size=3)))
    content = draw(st.sampled_from([None, MINE, THEIRS, {"resourceType": type_, "id": id_}]))
    body = b"" if content is None else json.dumps(content).encode()
    headers = {"content-type": "application/fhir+json", "content-length": str(len(body))}
    if draw(st.booleans()):
        headers["if-none-exist"] = query
    target = f"/r4{path}?{query}" if query else f"/r4{path}"
    return FhirRequest(draw(st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"])), target, headers, body)


HARMLESS = st.sampled_from(
    ["_sort=-date", "_count=3", "category=laboratory", "category=vital-signs", "_total=none", "code:not=x"]
)


@st.composite
def near_misses(draw: st.DrawFn) -> FhirRequest:
    """Requests that may well be allowed for patient 1, with at most one thing about them that should not be."""
    type_, id_ = draw(
        st.sampled_from([("Observation", "o1"), ("Observation", "v1"), ("Encounter", "e1"), ("Patient", "1")])
    )
    pinned = "_id=1" if type_ == "Patient" else draw(st.sampled_from(["patient=1", "subject=Patient/1"]))
    query = [pinned, *draw(st.lists(HARMLESS, max_size=2)), *draw(st.lists(PAIRS, max_size=1))]
    search = "&".join(draw(st.permutations(query)))
    read = draw(st.sampled_from(["GET", "GET", "HEAD"]))
    form = {"content-type": "application/x-www-form-urlencoded", "content-length": str(len(search))}
    body = json.dumps({**draw(st.sampled_from([MINE, MINE, THEIRS])), "id": draw(st.sampled_from(["o1", "o1", "o2"]))})
    sent = {"content-type": "application/fhir+json", "content-length": str(len(body))}
    return draw(
        st.sampled_from(
            [
                FhirRequest(read, f"/r4/{type_}?{search}"),
                FhirRequest(read, f"/r4/{type_}/{id_}"),
                FhirRequest(read, f"/r4/{type_}/{id_}/_history/{draw(st.sampled_from('123'))}"),
                FhirRequest("GET", f"/r4/Patient/1/{type_}?{search}"),
                FhirRequest("GET", f"/r4/{type_}/{draw(IDS)}"),
                FhirRequest("POST", f"/r4/{type_}/_search", form, search.encode()),
                FhirRequest("POST", "/r4/Observation", sent, body.encode()),
                FhirRequest("PUT", f"/r4/Observation/{draw(st.sampled_from(['o1', 'o2']))}", sent, body.encode()),
                FhirRequest("DELETE", f"/r4/Observation/{draw(st.sampled_from(['o1', 'v1', 'o2']))}"),
                FhirRequest("DELETE", f"/r4/Observation?{search}"),
            ]
        )
    )
