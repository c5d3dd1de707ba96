"""What somebody is to a patient: kept as it was said, read in the language of the page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from authz import wording
from authz.users.relationships import in_words
from authz.users.representation_links import as_what

if TYPE_CHECKING:
    from tests.world import World

ROLE = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
MOTHER = {"system": ROLE, "code": "MTH"}


@pytest.mark.parametrize(
    ("concepts", "kept"),
    [
        ([{"coding": [MOTHER]}], "mother"),
        ([{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0131", "code": "N"}]}], "next of kin"),
        ([{"coding": [{**MOTHER, "display": "natural mother"}]}], "natural mother"),
        ([{"text": "Mamá", "coding": [MOTHER]}], "Mamá"),
        ([{"coding": [{"system": ROLE, "code": "NOSUCH"}, MOTHER]}], "mother"),
        ([{"coding": [{"code": "MTH"}, {"system": ROLE}]}], "representative"),
        ([{"coding": [{"system": [], "code": {}}]}], "representative"),
        ([], "representative"),
    ],
)
def test_a_code_has_a_word_where_the_fhir_server_gives_none(concepts: Any, kept: str) -> None:
    """FHIR RelatedPerson.relationship, v3-RoleCode; CTX-13: its own words go first."""
    assert as_what({"relationship": concepts}) == kept


@pytest.mark.parametrize(
    ("language", "kept", "read"),
    [
        ("es", "mother", "madre"),
        ("es", " Mother", "madre"),
        ("es", "legal guardian", "tutor o tutora legal"),
        ("es", "Tía abuela", "Tía abuela"),
        ("es", "great-aunt", "great-aunt"),
        ("es", "", ""),
        ("en", "mother", "mother"),
    ],
)
def test_a_known_word_is_read_in_the_language_of_the_page(language: str, kept: str, read: str, shared: World) -> None:
    """A site's own words stay as they are."""
    with shared.app.test_request_context():
        wording.prefer(language)
        assert in_words(kept) == read


def test_outside_of_a_page_it_is_english() -> None:
    assert in_words("mother") == "mother"
    assert wording.day(datetime(2026, 5, 3, tzinfo=UTC)) == "3 May 2026"
