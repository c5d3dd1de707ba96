"""What a FHIR server answers is not believed: only what was asked for, of this server, with an id, within bounds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.fhir_servers.bundle import FHIR_ID, MAX_ENTRIES, SearchFailed, Why, is_under_base, read_page, refers_to
from authz.fhir_servers.server import FhirServer

SERVER = FhirServer("main", "https://fhir.example/r4", aliases=("https://fhir.example/alias/",))
BO = {"resourceType": "Patient", "id": "B"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["Patient", "B", "Bundle"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["resourceType", "id", "type", "entry", "resource", "search", "mode", "fullUrl", "link", "url"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


def bundle(*entries: object, **more: object) -> bytes:
    return json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": entries, **more}).encode()


def test_the_resources_that_match_are_read() -> None:
    page = read_page(
        bundle({"resource": BO, "fullUrl": "https://FHIR.example:443/r4/Patient/B"}, total=1), SERVER, "Patient"
    )
    assert (page.resources, page.next_url, page.total) == ((BO,), None, 1)
    alias = {"resource": BO, "fullUrl": "https://fhir.example/alias/Patient/B"}
    assert read_page(bundle(alias), SERVER, "Patient").resources == (BO,)
    without = json.dumps({"resourceType": "Bundle", "type": "searchset", "total": True}).encode()
    assert (read_page(without, SERVER, "Patient").resources, read_page(without, SERVER, "Patient").total) == ((), None)


USELESS: list[object] = [
    {"resource": {"resourceType": "Observation", "id": "B"}},
    {"resource": {"resourceType": "Patient"}},
    {"resource": {"resourceType": "Patient", "id": "../A"}},
    {"resource": {"resourceType": "Patient", "id": "a" * 65}},
    {"resource": {"resourceType": "Patient", "id": 7}},
    {"resource": BO, "fullUrl": "https://evil.example/r4/Patient/B"},
    {"resource": BO, "fullUrl": "https://fhir.example/r4/Patient/A"},
    {"resource": BO, "fullUrl": "https://fhir.example/r4x/Patient/B"},
    {"resource": BO, "fullUrl": "urn:uuid:4b1f"},
    {"resource": BO, "fullUrl": 3},
    {"resource": [BO]},
    "Patient/B",
    None,
]


@pytest.mark.parametrize("entry", USELESS)
def test_an_entry_that_was_not_asked_for_is_left_out(entry: object) -> None:
    """Wrong type, foreign address, missing or impossible id."""
    assert read_page(bundle(entry, {"resource": BO}), SERVER, "Patient").resources == (BO,)


@pytest.mark.parametrize("entry", USELESS)
def test_an_answer_of_nothing_but_such_entries_is_not_nobody(entry: object) -> None:
    """Never a silent empty list."""
    with pytest.raises(SearchFailed) as failed:
        read_page(bundle(entry), SERVER, "Patient")
    assert failed.value.why is Why.UNUSABLE


@pytest.mark.parametrize("mode", ["include", "outcome"])
def test_what_came_along_is_no_match(mode: str) -> None:
    remark = {"resource": {"resourceType": "OperationOutcome"}, "search": {"mode": mode}}
    assert read_page(bundle(remark), SERVER, "Patient").resources == ()
    along = {"resource": BO, "search": {"mode": mode}}
    assert read_page(bundle(along), SERVER, "Patient").resources == ()


def test_the_same_patient_twice_is_offered_once() -> None:
    assert read_page(bundle({"resource": BO}, {"resource": BO}), SERVER, "Patient").resources == (BO,)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff",
        b"[]",
        b'{"resourceType":"Bundle"}',
        b'{"resourceType":"Bundle","type":"batch-response"}',
        b'{"resourceType":"Bundle","type":"searchset","type":"searchset"}',
        b'{"resourceType":"Bundle","type":"searchset","entry":{}}',
        b'{"resourceType":"Patient","id":"B"}',
        b"[" * 50,
        json.dumps({"resourceType": "Bundle", "type": "searchset", "x": [0] * 50_001}).encode(),
        json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": [{}] * (MAX_ENTRIES + 1)}).encode(),
    ],
)
def test_what_is_no_search_result_is_refused(body: bytes) -> None:
    with pytest.raises(SearchFailed) as failed:
        read_page(body, SERVER, "Patient")
    assert failed.value.why is Why.UNUSABLE


UNDER = [
    "https://fhir.example/r4?_getpages=1",
    "https://fhir.example/r4/Patient?page=2",
    "https://FHIR.example:443/r4/x",
]
ELSEWHERE = [
    "https://evil.example/r4/Patient?page=2",
    "http://fhir.example/r4/Patient?page=2",
    "https://fhir.example/r4x/Patient",
    "https://fhir.example/",
    "https://fhir.example/r4/../admin",
    "https://fhir.example/r4/%2e%2E/admin",
    "https://fhir.example/r4/.%2e/admin",
    "https://fhir.example:8443/r4/Patient",
    "https://user@fhir.example/r4/Patient",
    "https://fhir.example/r4\\@evil.example/Patient",
    "https://fhir.example/r4/Patient?a#b",
    "//fhir.example/r4/Patient",
    "Patient?page=2",
    "https://fhir.example/r4/" + "a" * 2048,
    "",
]


@pytest.mark.parametrize(("url", "under"), [(u, True) for u in UNDER] + [(u, False) for u in ELSEWHERE])
def test_a_next_link_is_followed_only_below_the_base_url(url: str, under: object) -> None:
    """Our token goes to the FHIR server it was made for, and nowhere else."""
    assert is_under_base(url, SERVER) is under
    page = read_page(
        bundle(link=[{"relation": "self", "url": "x"}, {"relation": "next", "url": url}]), SERVER, "Patient"
    )
    assert page.next_url == (url if under else None)


@pytest.mark.parametrize("links", [None, {}, [None], [{"relation": "next"}], [{"relation": "next", "url": 1}]])
def test_a_strange_link_is_none(links: object) -> None:
    assert read_page(bundle(link=links), SERVER, "Patient").next_url is None


@given(JSON)
def test_whatever_comes_the_result_is_of_the_kind_that_was_asked_for(value: Any) -> None:
    """Hypothesis: either a refusal, or resources of the type, each with a FHIR id, each once."""
    whole = value | {"resourceType": "Bundle", "type": "searchset"} if isinstance(value, dict) else value
    try:
        page = read_page(json.dumps(whole).encode(), SERVER, "Patient")
    except SearchFailed as failed:
        assert failed.why is Why.UNUSABLE  # noqa: PT017  a refusal is as good as an answer here
        return
    assert all(r["resourceType"] == "Patient" and FHIR_ID.fullmatch(r["id"]) for r in page.resources)
    assert len({r["id"] for r in page.resources}) == len(page.resources)


@pytest.mark.parametrize(
    ("reference", "is_it"),
    [
        ({"reference": "Patient/B"}, True),
        ({"reference": "https://fhir.example/r4/Patient/B"}, True),
        ({"reference": "https://evil.example/r4/Patient/B"}, False),
        ({"reference": "Patient/BB"}, False),
        ({"reference": "Patient/B/_history/1"}, False),
        ({"display": "Bo"}, False),
        ("Patient/B", False),
        (None, False),
    ],
)
def test_a_reference_is_to_one_resource_of_this_server(reference: object, is_it: object) -> None:
    assert refers_to(reference, SERVER, "Patient/B") is is_it
