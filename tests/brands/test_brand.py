from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.brands.brand import ABSENT_REASONS, CATEGORIES, Brand, of_website
from authz.cli.brand import address
from authz.errors import InvalidValue

WORDS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20)
HOSTS = st.from_regex(r"[a-z]{1,8}(\.[a-z]{2,5}){1,2}", fullmatch=True)
URLS = HOSTS.map(lambda host: f"https://{host}/")
CONTENT = st.fixed_dictionaries(
    {"name": WORDS, "website": URLS},
    optional={
        "aliases": st.lists(WORDS, min_size=1, max_size=3),
        "identifiers": st.lists(URLS.map(lambda url: f"urn:ietf:rfc:3986|{url}"), min_size=1, max_size=2),
        "categories": st.lists(st.sampled_from(sorted(CATEGORIES)), min_size=1, max_size=2),
        "addresses": st.lists(st.fixed_dictionaries({"city": WORDS, "postalCode": WORDS}), min_size=1, max_size=2),
        "logo": URLS,
        "part_of": st.just("parent"),
        "endpoints": st.lists(st.sampled_from(["main", "other"]), min_size=1, max_size=2),
    },
)


@given(CONTENT)
def test_what_was_written_is_read_again(content: dict[str, Any]) -> None:
    brand = Brand.load("hospital", content)
    assert brand.content() == content
    assert Brand.load("hospital", brand.content()) == brand


@given(HOSTS, st.sampled_from(["", "www."]), st.sampled_from(["", "/", "/patients?x=1"]))
def test_the_recommended_identifier_is_the_site_without_www_and_path(host: str, www: str, path: str) -> None:
    """UB-07: system urn:ietf:rfc:3986, value the https URL of the main web site."""
    site = f"{www}{host}"
    assert of_website(f"https://{site}{path}") == f"urn:ietf:rfc:3986|https://{site.removeprefix('www.')}"


@given(st.dictionaries(st.sampled_from(["city", "state", "country"]), WORDS), st.lists(WORDS, max_size=3))
def test_an_address_is_typed_as_name_and_value(named: dict[str, str], lines: list[str]) -> None:
    typed = ";".join([f"line={line}" for line in lines] + [f" {name} = {value} " for name, value in named.items()])
    assert address(typed) == ({"line": lines} if lines else {}) | named


@given(st.text(max_size=20))
def test_no_other_reason_for_an_absence_is_taken(reason: str) -> None:
    """UB-06: asked-declined and asked-unknown only."""
    if reason in ABSENT_REASONS:
        return
    with pytest.raises(InvalidValue, match="the reason is one of asked-declined, asked-unknown"):
        Brand.load("hospital", {"name": "X", "website": "https://x.example", "absent": {"logo": reason}})


@pytest.mark.parametrize("brand_id", ["", "A", "-x", "x" * 64, "a/b", "x\n"])
def test_an_id_is_that_of_a_resource(brand_id: str) -> None:
    """UB-08: the brand's id is the Organization's."""
    with pytest.raises(InvalidValue, match="an id is small letters"):
        Brand.load(brand_id, {"name": "X", "website": "https://x.example"})


def test_a_site_that_was_asked_for_in_vain_may_be_missing() -> None:
    """UB-06, UB-08: telecom is there, with the reason for its missing value."""
    with pytest.raises(InvalidValue, match="the public web site is missing"):
        Brand.load("hospital", {"name": "X"})
    assert Brand.load("hospital", {"name": "X", "absent": {"website": "asked-declined"}}).website == ""
