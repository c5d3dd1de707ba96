"""From plain answers to the metadata that is sent: pure, and nothing on the way."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.clients.metadata import ClientMetadata
from authz.consent.kinds_file import load
from authz.developers import curl, form
from authz.developers.answers import LISTS, TEXTS, Answers, by_field
from authz.developers.data import GROUPS, groups, types_of, writes_offered
from authz.developers.kinds import KINDS, offered
from authz.fhir_servers.features import Feature
from authz.fhir_servers.server import DEFAULT_CEILINGS, FhirServer
from authz.registration.lanes import Lane, lane_of
from authz.scopes import ScopeSet

CEILINGS = {name: ScopeSet.parse(text) for name, text in DEFAULT_CEILINGS.items()}
SERVER = FhirServer("main", "https://fhir.example/r4", scope_ceilings=CEILINGS)
PICKER = FhirServer("picker", "https://picker.example/r4", scope_ceilings=CEILINGS, staff_picker=True)
KEYS = json.dumps({"keys": [{"kty": "EC"}]})
PHONE = "com.example.app:/cb"
WEB = "https://app.example/cb"


def answered(kind: str, *more: tuple[str, str]) -> Answers:
    return Answers.of(KINDS[kind], [("client_name", "Heart Diary"), ("redirect_uri", WEB), *more])


def test_a_patient_app_on_the_web_asks_for_what_was_chosen_and_no_more() -> None:
    """RFC 7591 §2, REG-10: "what kind of app is it?" chooses scopes, grant types, people and authentication."""
    answers = answered(
        "patient-web", ("data", "who"), ("data", "results"), ("stays", "always"), ("contact", "a@app.example")
    )
    assert answers.metadata(SERVER) == {
        "client_name": "Heart Diary",
        "application_type": "web",
        "redirect_uris": [WEB],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "client_secret_basic",
        "scope": "launch/patient openid fhirUser offline_access patient/Patient.rs patient/Observation.rs"
        " patient/DiagnosticReport.rs patient/ImagingStudy.rs",
        "fhir_user_types": ["Patient", "RelatedPerson"],
        "contacts": ["a@app.example"],
    }


def test_an_app_on_a_phone_is_native_and_has_no_secret() -> None:
    """REG-04, RFC 8252 §8.4: whatever the form says about a secret."""
    answers = Answers.of(
        KINDS["patient-phone"],
        [("client_name", "Pocket"), ("redirect_uri", PHONE), ("auth_method", "client_secret_basic")],
    )
    assert answers.metadata(SERVER) == {
        "client_name": "Pocket",
        "application_type": "native",
        "redirect_uris": [PHONE],
        "grant_types": ["authorization_code"],
        "token_endpoint_auth_method": "none",
        "scope": "launch/patient openid fhirUser",
        "fhir_user_types": ["Patient", "RelatedPerson"],
    }


def test_an_app_opened_from_the_ehr_writes_records_but_changes_nobodys_name() -> None:
    """REG-01: the launch URL is registered; "may it write" is about what is recorded, not about people and places."""
    answers = answered(
        "clinician-ehr",
        *(("launch_uri", "https://app.example/launch"), ("data", "who"), ("data", "medicines")),
        *(("writes", "change"), ("stays", "session"), ("auth_method", "none")),
    )
    assert answers.metadata(SERVER) == {
        "client_name": "Heart Diary",
        "application_type": "web",
        "redirect_uris": [WEB],
        "launch_uris": ["https://app.example/launch"],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
        "scope": "launch openid fhirUser online_access patient/Patient.rs patient/MedicationRequest.crus"
        " patient/MedicationStatement.crus patient/MedicationDispense.crus patient/Medication.rs",
        "fhir_user_types": ["Practitioner", "PractitionerRole"],
    }


def test_a_backend_service_has_a_key_and_nobody_to_ask() -> None:
    """BKS-01: client_credentials with ``private_key_jwt``; no redirect URI, no user types, no refresh token."""
    answers = answered("backend", ("data", "everything"), ("data", "who"), ("jwks", KEYS), ("stays", "always"))
    assert answers.metadata(SERVER) == {
        "client_name": "Heart Diary",
        "grant_types": ["client_credentials"],
        "token_endpoint_auth_method": "private_key_jwt",
        "scope": "system/*.rs",
        "jwks": {"keys": [{"kty": "EC"}]},
    }


@pytest.mark.parametrize(
    ("server", "scope"), [(SERVER, "user/Patient.rs"), (PICKER, "launch/patient patient/Patient.rs")]
)
def test_clinicians_alone_have_one_patient_only_where_they_may_choose_one(server: FhirServer, scope: str) -> None:
    """SCP-02: without a launch and without a picker a patient/ scope would give access to nothing."""
    assert answered("clinician-alone", ("data", "who")).scope(server) == f"openid fhirUser {scope}"


def test_nobody_is_asked_about_what_users_can_not_pass_on() -> None:
    """Decision 16: patients may read by default, so an app for them is not asked whether it writes."""
    answers = answered("patient-web", ("data", "results"), ("writes", "change"))
    assert writes_offered(KINDS["patient-web"], SERVER) == ["no"]
    assert writes_offered(KINDS["clinician-ehr"], SERVER) == ["no", "add", "change"]
    assert "patient/Observation.rs" in answers.scope(SERVER)


def test_only_what_the_fhir_server_offers_can_be_chosen() -> None:
    """Decision 23."""
    without = frozenset({Feature.EHR_LAUNCH, Feature.BACKEND_SERVICES, Feature.OFFLINE_ACCESS})
    server = FhirServer("small", "https://small.example", scope_ceilings=CEILINGS, without=without)
    assert [kind.id for kind in offered(server)] == ["patient-web", "patient-phone", "clinician-alone"]
    shown = form.offered(Answers.blank(KINDS["patient-web"], server), server, load(""))
    assert [value for value, _ in shown["stays"]] == ["no", "session"]


@pytest.mark.parametrize(
    ("kind", "lane"),
    [
        ("patient-web", Lane.PATIENT),
        ("patient-phone", Lane.PATIENT),
        ("clinician-ehr", Lane.PROVIDER),
        ("clinician-alone", Lane.PROVIDER),
    ],
)
def test_each_kind_is_registered_as_it_is_sent_and_goes_its_lane(kind: str, lane: Lane) -> None:
    """RFC 7591 §2: the presets pass the checks of registration."""
    everything = [("data", name) for name in GROUPS if name != "everything"]
    uri = PHONE if kind == "patient-phone" else WEB
    answers = Answers.of(KINDS[kind], [("client_name", "Heart Diary"), ("redirect_uri", uri), *everything])
    assert lane_of(ClientMetadata.load(answers.metadata(SERVER))) is lane


def test_a_handful_of_boxes_stands_for_the_record_in_the_words_of_the_consent_page() -> None:
    """REQ-88: each box says what is in it; one of a type that the FHIR server does not have is not shown."""
    shown = groups(SERVER, load(""))
    assert [(group.id, group.short) for group in shown][:3] == [
        ("who", "name, birth date and address"),
        ("illnesses", "problems and diagnoses, allergies, vaccinations, family history"),
        ("results", "measurements and results, test reports, images such as X-rays"),
    ]
    assert len(shown) == len(GROUPS) < 10
    assert all(types_of([name], SERVER) for name in GROUPS)


def test_what_is_wrong_is_said_beside_its_field_in_the_protocols_words() -> None:
    """RFC 7591 §3.2.2: the names of members become those of fields."""
    answers = Answers.of(
        KINDS["clinician-ehr"],
        [("client_name", "Heart"), ("redirect_uri", "http://app.example/cb")],
    )
    assert form.problems(answers, SERVER) == {
        "launch_uri": "the EHR needs an address to open",
        "redirect_uri": "http://app.example/cb: http is for loopback only; use https",
    }
    assert by_field("jwks and jwks_uri exclude each other; scope: too long; really; jwks: is not a key") == {
        "": "jwks and jwks_uri exclude each other",
        "data": "too long; really",
        "jwks": "is not a key",
    }


@given(st.lists(st.tuples(st.sampled_from([*LISTS, *TEXTS, "kind", "csrf"]), st.text(max_size=20)), max_size=20))
def test_whatever_is_sent_becomes_json_and_the_form_can_be_shown_again(sent: list[tuple[str, str]]) -> None:
    """security.md RG-17: no answer is too strange to be shown or refused."""
    for kind in KINDS.values():
        answers = Answers.of(kind, sent)
        again = Answers.of(kind, answers.fields())
        assert again.metadata(SERVER) == json.loads(curl.pretty(answers.metadata(SERVER)))


@given(st.lists(st.sampled_from(["client_name: bad", "scope: x", "of several", "https: not a member"]), max_size=6))
def test_no_word_of_a_refusal_is_lost(sentences: list[str]) -> None:
    """RFC 7591 §3.2.2."""
    shown = " ".join(by_field("; ".join(sentences)).values())
    assert all(sentence.removeprefix("client_name: ").removeprefix("scope: ") in shown for sentence in sentences)


def test_the_command_sends_exactly_what_is_shown() -> None:
    """A quoted here-document: dollar signs and quotes of a name are data; a token is taken from the environment."""
    metadata = {"client_name": "$(rm) 'é' `x`"}
    assert curl.registration("https://as.example/register", metadata, with_token=True) == (
        "curl -sS https://as.example/register \\\n"
        '  -H "Authorization: Bearer $INITIAL_ACCESS_TOKEN" \\\n'
        "  -H 'Content-Type: application/json' --data-binary @- <<'END'\n"
        '{\n  "client_name": "$(rm) \'é\' `x`"\n}\nEND'
    )
