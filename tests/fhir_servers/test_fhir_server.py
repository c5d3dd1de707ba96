from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.fhir_servers.server import FhirServer
from authz.fhir_servers.url import base_url_problems, normal_form, origin_problems

SERVER = FhirServer("main", "https://ehr.example/fhir", aliases=("https://legacy.example:8443/r4/",))


@pytest.mark.parametrize(
    "aud",
    [
        "https://ehr.example/fhir",
        "https://ehr.example/fhir/",
        "HTTPS://EHR.Example/fhir",
        "https://ehr.example:443/fhir",
        "https://legacy.example:8443/r4",
        "https://legacy.example:8443/r4/",
    ],
)
def test_an_aud_may_differ_in_one_trailing_slash_case_of_the_host_and_the_default_port(aud: str) -> None:
    """SMART AUTHZ-11."""
    assert SERVER.accepts_aud(aud)


@pytest.mark.parametrize(
    "aud",
    [
        "",
        "https://ehr.example/fhir//",
        "https://ehr.example/FHIR",
        "https://ehr.example/fhir/Patient",
        "https://ehr.example/fhi",
        "https://ehr.example/",
        "https://ehr.example",
        "http://ehr.example/fhir",
        "https://ehr.example:8443/fhir",
        "https://legacy.example/r4",
        "https://ehr.example.evil.example/fhir",
        "https://ehr.example@evil.example/fhir",
        "https://user@ehr.example/fhir",
        "https://evil.example/https://ehr.example/fhir",
        "https://ehr.example/fhir?x=1",
        "https://ehr.example/fhir#x",
        "https://ehr.example/fhir\n",
        " https://ehr.example/fhir",
        "https://ehr.example\\fhir",
        "https://ehr.example/%66hir",
        "https://еhr.example/fhir",  # noqa: RUF001  a Cyrillic letter
        "//ehr.example/fhir",
        "https://" + "a" * 5000,
    ],
)
def test_an_aud_that_differs_in_anything_else_is_not_ours(aud: str) -> None:
    """SMART AUTHZ-11: never a prefix, never another host."""
    assert not SERVER.accepts_aud(aud)


@given(st.text(max_size=200))
def test_any_text_can_be_asked_about(text: str) -> None:
    normal = normal_form(text)
    assert normal is None or normal_form(normal) == normal
    SERVER.accepts_aud(text)
    SERVER.relative(text)


@pytest.mark.parametrize(
    ("fhir_user", "reference"),
    [
        ("Practitioner/prac-1", "Practitioner/prac-1"),
        ("https://ehr.example/fhir/Patient/p.1", "Patient/p.1"),
        ("https://legacy.example:8443/r4/RelatedPerson/r1", "RelatedPerson/r1"),
        ("https://ehr.example/fhir/PractitionerRole/r1", "PractitionerRole/r1"),
        ("Person/1", "Person/1"),
        ("Observation/1", None),
        ("Patient/", None),
        ("/Patient/1", None),
        ("Patient/1/_history/1", None),
        ("Patient/" + "a" * 65, None),
        ("https://evil.example/fhir/Patient/1", None),
        ("https://ehr.example/fhir//Patient/1", None),
        ("https://ehr.example/Patient/1", None),
        ("Patient/1\n", None),
        ("", None),
    ],
)
def test_a_fhir_user_is_a_person_of_this_server(fhir_user: str, reference: str | None) -> None:
    """Decision 15: relative, or absolute under that FHIR base."""
    assert SERVER.relative(fhir_user) == reference


def test_an_absolute_fhir_user_is_under_the_base_url() -> None:
    assert SERVER.absolute("Patient/1") == "https://ehr.example/fhir/Patient/1"
    assert FhirServer("x", "https://x.example/").absolute("Patient/1") == "https://x.example/Patient/1"


def test_the_resource_types_are_those_of_all_its_fhir_versions() -> None:
    """Decision 34."""
    assert "CatalogEntry" in SERVER.resource_types
    assert "Ingredient" not in SERVER.resource_types
    both = FhirServer("x", "https://x.example", fhir_versions=("4.0.1", "5.0.0")).resource_types
    assert {"CatalogEntry", "Ingredient"} <= both


@pytest.mark.parametrize(
    "url", ["http://ehr.example/fhir", "ftp://ehr.example/fhir", "ehr.example/fhir", "https://a@b/fhir", "https://b/?x"]
)
def test_a_base_url_is_https_or_on_loopback(url: str) -> None:
    assert base_url_problems(url) != []


@pytest.mark.parametrize("url", ["https://ehr.example/fhir", "http://127.0.0.1:9003/fhir", "http://[::1]/fhir"])
def test_a_good_base_url_has_no_problems(url: str) -> None:
    assert base_url_problems(url) == []


@pytest.mark.parametrize(
    "origin",
    ["https://ehr.example/", "https://EHR.example", "https://ehr.example:443", "*", "http://ehr.example", "null", ""],
)
def test_an_ehr_origin_is_written_as_browsers_write_it(origin: str) -> None:
    """RFC 6454 §6.1."""
    assert origin_problems(origin) != []


@pytest.mark.parametrize("origin", ["https://ehr.example", "https://ehr.example:8443", "http://localhost:9001"])
def test_a_good_ehr_origin_has_no_problems(origin: str) -> None:
    assert origin_problems(origin) == []


def test_this_server_asks_the_fhir_server_behind_the_proxy() -> None:
    """The proxy that enforces would refuse a request without a token; the address inside needs none."""
    server = FhirServer("main", "https://fhir.example/r4/")
    assert server.upstream == "https://fhir.example/r4"
    assert replace(server, upstream_url="http://127.0.0.1:8080/fhir/").upstream == "http://127.0.0.1:8080/fhir"
