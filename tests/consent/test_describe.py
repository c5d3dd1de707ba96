from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from authz.consent.catalogue import BUILT_IN, Catalogue, Kind
from authz.consent.choices import offer
from authz.consent.describe import ConsentPage, Describer, Subject
from authz.consent.rows import Choice, Row, kind_of
from authz.consent.words import sentence
from authz.scopes import RESOURCE_TYPES, ResourceScope, ScopeSet, judge, parse_scope, resource_types
from authz.settings import Settings
from tests.policy.test_access import CLIENT

if TYPE_CHECKING:
    from authz.clients.client import Client

SETTINGS = Settings(issuer="https://as.example", organization="Test Hospital")
CATALOGUE = Catalogue(BUILT_IN)
ALICE = Subject("Alice", "A", patient_is_user=True)
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"

TITLES = {
    "patient/Observation.rs": "See measurements and results",
    "patient/Observation.r": "See measurements and results",
    "patient/Observation.read": "See measurements and results",
    "patient/Observation.cruds": "See, add, change and delete measurements and results",
    "patient/Observation.write": "Add, change and delete measurements and results",
    "patient/Observation.rd": "See and delete measurements and results",
    "patient/*.rs": "See all kinds of health data, also kinds added later",
    "patient/Condition.c": "Add problems and diagnoses",
    "user/Patient.rs": "See name, birth date and address of every patient you may see",
    f"patient/Observation.rs?category={CATEGORY}|vital-signs": "See vital signs",
    f"patient/Observation.rs?category={CATEGORY}%7Cvital-signs": "See vital signs",
    "patient/Observation.rs?category=laboratory": "See measurements and results, only lab results",
    "patient/Observation.rs?category=laboratory,vital-signs": (
        "See measurements and results, only lab results or vital signs"
    ),
    f"patient/Observation.rs?category={CATEGORY}|laboratory&status=final&code=http://loinc.org|4548-4": (
        "See measurements and results, only lab results, code 4548-4 and status final"
    ),
    "patient/Observation.rs?category=laboratory,local": (
        "See measurements and results, only category lab results or local"
    ),
    "patient/ResearchSubject.rs": "See research subject",
}


@pytest.mark.parametrize("scope", TITLES)
def test_a_scope_reads_as_a_sentence(scope: str) -> None:
    """LC-15, BP-04, BP-05, S08, SCP-12: in plain words; a deletion is named; all kinds are also later ones."""
    parsed = parse_scope(scope)
    assert isinstance(parsed, ResourceScope)
    assert sentence(parsed.interactions, kind_of(parsed, CATALOGUE).title, parsed.level) == TITLES[scope]


def test_every_kind_has_a_short_and_a_long_description_in_plain_words() -> None:
    """BP-04: each of one line, without the words of computers; types are those of FHIR."""
    known = frozenset[str]().union(*RESOURCE_TYPES.values())
    for kind in BUILT_IN:
        assert kind.type in known | {"*"}
        assert kind.title
        assert kind.short
        assert kind.long.endswith(".")
        assert len(kind.short) < 60
        assert not {"resource", "FHIR", "scope", "Encounter", "Observation"} & set(kind.long.split())


def test_the_finer_kinds_are_those_of_us_core() -> None:
    """N07: what US Core asks to offer for Observation, Condition and DocumentReference, as valid scopes."""
    found = {type_: len(CATALOGUE.categories(type_)) for type_ in ("Observation", "Condition", "DocumentReference")}
    assert found == {"Observation": 15, "Condition": 3, "DocumentReference": 1}
    assert all(isinstance(kind.within("patient"), ResourceScope) for kind in BUILT_IN)


def page(scope: str, client: Client = CLIENT, redirect_uri: str = "https://app.example/cb") -> ConsentPage:
    made = offer(judge(ScopeSet.parse(scope), []), client.required_scope, CATALOGUE, resource_types(["R4"]))
    describer = Describer(SETTINGS, CATALOGUE)
    return describer.page(client, redirect_uri, "https://fhir.example/r4", ALICE, made)


def test_the_page_says_who_gets_what_from_where_and_for_how_long() -> None:
    """LC-15, REQ-88, SCP-33: everything a person decides on; offline access with its duration."""
    problems = "What somebody has or had: illnesses, complaints, diagnoses of single visits, and worries about health."
    meaning = ("Problems and diagnoses", problems)
    offline = "The app can fetch data at any time, also at night and when you are away, without asking you again."
    assert page("launch/patient openid fhirUser patient/Condition.c offline_access") == ConsentPage(
        app_name="App",
        app_host="app.example",
        links={},
        organization="Test Hospital",
        fhir_base="https://fhir.example/r4",
        user_name="Alice",
        patient="A",
        patient_is_user=True,
        patient_name="Patient A",
        patient_details=(),
        learns=("Know whose record this is", "Know who you are"),
        required=(),
        optional=(
            Row(
                "patient/Condition.c change",
                "Add problems and diagnoses",
                "Illnesses, complaints and concerns",
                meaning,
                writes=True,
            ),
            Choice(
                "Which problems and diagnoses",
                (
                    row("patient/Condition.c problem-list"),
                    row("patient/Condition.c visit-diagnoses"),
                    row("patient/Condition.c health-concerns"),
                    Row(
                        "patient/Condition.c rest of Condition",
                        "Other problems and diagnoses, also kinds added later",
                        "Counts only while everything else in this list is ticked",
                    ),
                ),
            ),
            Row(
                "offline_access",
                "Keep this access when you are not using the app",
                "It ends after 365 days, or earlier: when the app is not used for 90 days, or when you withdraw it.",
                ("Keep this access when you are not using the app", offline),
            ),
        ),
        meanings=(
            meaning,
            *(
                row(f"patient/Condition.c {id_}").meaning
                for id_ in ("problem-list", "visit-diagnoses", "health-concerns")
            ),
            ("Keep this access when you are not using the app", offline),
        ),
        ends="Without the last one access ends after 1 hour.",
    )


def row(box: str) -> Row:
    """The line of a category as the built-in table has it."""
    kind = next(kind for kind in BUILT_IN if kind.id == box.rpartition(" ")[2])
    title = kind.title[0].upper() + kind.title[1:]
    return Row(box, title, kind.short, (title, kind.long))


def titles(entries: tuple[Row | Choice, ...]) -> list[str]:
    return [entry.title for entry in entries]


def test_seeing_and_changing_are_lines_of_their_own() -> None:
    """REQ-122: and what changes records is marked."""
    first, second = page("patient/Immunization.*").optional
    assert isinstance(first, Row)
    assert isinstance(second, Row)
    assert (first.title, first.writes) == ("See vaccinations", False)
    assert (second.title, second.writes) == ("Add, change and delete vaccinations", True)


def test_what_the_app_needs_stands_apart() -> None:
    """REQ-122: also one category of a type, and offline access."""
    required = ScopeSet.parse(
        f"patient/Patient.rs patient/Observation.rs?category={CATEGORY}|laboratory offline_access"
    )
    shown = page(
        "patient/Patient.cruds patient/Observation.rs offline_access", replace(CLIENT, required_scope=required)
    )
    assert titles(shown.required) == [
        "See name, birth date and address",
        "See measurements and results",
        "Lab results",
        "Keep this access when you are not using the app",
    ]
    assert titles(shown.optional) == [
        "Add, change and delete name, birth date and address",
        "Which measurements and results",
    ]
    finer = shown.optional[1]
    assert isinstance(finer, Choice)
    assert "Lab results" not in titles(finer.entries)
    assert "Vital signs" in titles(finer.entries)


def test_all_kinds_can_be_chosen_from_and_those_with_categories_by_category() -> None:
    """SCP-12: the kinds of ``*`` are those this FHIR server has, and "added later" can be left out."""
    _, finer = page("patient/*.rs").optional
    assert isinstance(finer, Choice)
    assert (finer.title, finer.is_long) == ("Which kinds of health data", True)
    assert {"Allergies", "Vaccinations", "Which measurements and results", "Which documents"} <= set(
        titles(finer.entries)
    )
    assert titles(finer.entries)[-1] == "All other kinds of data, also kinds added later"


@pytest.mark.parametrize(
    ("scope", "lines"),
    [
        ("launch patient/Patient.rs", ("Know which record you have open",)),
        ("openid profile email", ("Know who you are",)),
        ("launch/encounter", ("Know which visit you have open",)),
        ("launch/imagingstudy", ("Know which images such as X-rays you have open",)),
        ("launch/imagingselection", ("Know which imagingselection you have open",)),
        ("patient/Patient.rs offline_access", ()),
    ],
)
def test_what_belongs_to_opening_the_app_is_told(scope: str, lines: tuple[str, ...]) -> None:
    """SCP-20, SCP-21, SCP-30, REQ-90: it has no box, but nobody is left in the dark."""
    assert page(scope).learns == lines


@pytest.mark.parametrize(
    ("scope", "ends"),
    [
        ("patient/Patient.rs", "Access ends after 1 hour."),
        ("patient/Patient.rs online_access", "Access ends with your session."),
        ("patient/Patient.rs offline_access", "Without the last one access ends after 1 hour."),
    ],
)
def test_the_end_of_access_is_told(scope: str, ends: str) -> None:
    """SCP-33, REQ-88."""
    assert page(scope).ends == ends


def test_a_permission_of_the_hospitals_own_has_the_hospitals_words_or_else_its_name() -> None:
    """SCP-18: it is never granted unseen."""
    (shown,) = page("__profilePhoto.manage").optional
    assert isinstance(shown, Row)
    assert (shown.box, shown.title) == ("__profilePhoto.manage", "Use what Test Hospital calls __profilePhoto.manage")
    own = Kind("photo", "change your profile photo", "The picture others see", "Long.", scope="__profilePhoto.manage")
    assert Catalogue([own]).of_scope("__profilePhoto.manage", "Test Hospital") == own


def test_an_app_without_a_host_is_named_by_its_scheme() -> None:
    assert page("openid", redirect_uri="com.example.app:/cb").app_host == "com.example.app"


def test_only_https_addresses_of_the_app_become_links() -> None:
    """REQ-89, AZ-22: its terms and its privacy policy are linked; no other address is, whatever an app says."""
    about = {"tos_uri": "javascript:alert(1)", "policy_uri": "https://app.example/privacy"}
    assert page("openid", replace(CLIENT, about=about)).links == {"privacy": "https://app.example/privacy"}
    assert page("openid", replace(CLIENT, about={"tos_uri": ["https://app.example"]})).links == {}
