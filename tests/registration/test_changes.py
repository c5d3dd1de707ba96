"""What a changed registration costs (security.md RG-23): pure decisions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.clients.metadata import ClientMetadata
from authz.registration.admission import Placement
from authz.registration.changes import differences, needs_review, next_state, revokes, snapshot
from authz.registration.lanes import Lane
from authz.registration.model import Source, State
from tests.backend import KEYS, key_set
from tests.vendor import METADATA

LATER = datetime(2026, 1, 3, tzinfo=UTC)
BEFORE = snapshot(ClientMetadata.load({**METADATA, "jwks": key_set(ES384=KEYS["ES384"])}))
MEMBERS = {
    "client_name": "Other",
    "redirect_uris": ["https://other.example/cb"],
    "scope": "openid",
    "jwks_uri": "https://vendor.example/jwks",
    "contacts": ["a@vendor.example"],
    "tos_uri": "https://vendor.example/tos",
    "default_max_age": 5,
    "fhir_user_types": ["Patient"],
    "allowed_origins": ["https://other.example"],
    "smart_web_messaging_origins": ["https://other.example"],
    "application_type": "native",
    "token_endpoint_auth_method": "client_secret_post",
}


def test_a_snapshot_has_members_by_their_own_names() -> None:
    """RFC 7591 §2: what was said and the defaults, nothing empty, nothing nested."""
    metadata = ClientMetadata.load(
        {**METADATA, "contacts": ["a@x"], "default_max_age": 0, "fhir_user_types": ["Patient"]}
    )
    assert snapshot(metadata) == {
        **METADATA,
        "application_type": "web",
        "contacts": ["a@x"],
        "default_max_age": 0,
        "fhir_user_types": ["Patient"],
    }


@given(st.dictionaries(st.sampled_from(sorted(MEMBERS)), st.none()))
def test_differences_are_what_was_changed_and_nothing_else(chosen: dict[str, None]) -> None:
    after = {**BEFORE, **{name: MEMBERS[name] for name in chosen}}
    expected = {name: (BEFORE.get(name), MEMBERS[name]) for name in chosen if BEFORE.get(name) != MEMBERS[name]}
    assert differences(BEFORE, after) == expected
    assert differences(after, after) == {}


@pytest.mark.parametrize(
    ("changes", "reviewed", "ends"),
    [
        ({"client_name": "Other"}, True, False),
        ({"client_name#de": "Andere"}, True, False),
        ({"client_uri": "https://hospital.example"}, True, False),
        ({"redirect_uris": ["https://vendor.example/cb", "https://vendor.example/2"]}, True, True),
        ({"launch_uris": []}, True, False),
        ({"allowed_origins": ["https://evil.example"]}, True, False),
        ({"smart_web_messaging_origins": ["https://evil.example"]}, True, False),
        ({"grant_types": ["authorization_code"]}, True, False),
        ({"token_endpoint_auth_method": "client_secret_post"}, True, True),
        ({"application_type": "native"}, True, False),
        ({"fhir_user_types": ["Practitioner"]}, True, False),
        ({"scope": "openid patient/*.rs"}, False, False),
        ({"scope": f"{METADATA['scope']} user/*.rs"}, True, False),
        ({"scope": METADATA["scope"].replace("patient/*.rs", "patient/*.cruds")}, True, False),
        ({"jwks": key_set(ES384=KEYS["ES384"], RS384=KEYS["RS384"])}, False, False),
        ({"jwks": key_set(RS384=KEYS["RS384"])}, False, True),
        ({"jwks": None}, False, True),
        ({"jwks_uri": "https://vendor.example/jwks"}, False, True),
        ({"client_uri#de": "https://hospital.example"}, True, False),
        ({"post_logout_redirect_uris": ["https://evil.example/sign-in-again"]}, True, False),
        (
            {"post_logout_redirect_uris": ["https://vendor.example/bye", "https://vendor.example.evil.example/"]},
            True,
            False,
        ),
        ({"post_logout_redirect_uris": ["com.evil.app:/bye"]}, True, False),
        ({"post_logout_redirect_uris": ["https://vendor.example/bye", "https://de.vendor.example/bye"]}, False, False),
        ({"backchannel_logout_uri": "https://evil.example/out"}, True, False),
        ({"backchannel_logout_uri": "https://vendor.example/out"}, False, False),
        ({"policy_uri": "https://evil.example/p"}, True, False),
        ({"tos_uri#de": "https://evil.example/t"}, True, False),
        ({"logo_uri": "https://evil.example/l.png"}, True, False),
        ({"contacts": ["b@vendor.example"], "tos_uri": "https://vendor.example/t", "default_max_age": 5}, False, False),
    ],
)
def test_who_the_app_is_is_reviewed_and_who_can_prove_to_be_it_ends_grants(
    changes: dict[str, Any], *, reviewed: bool, ends: bool
) -> None:
    """RG-23: two questions, apart from each other."""
    after = {name: value for name, value in {**BEFORE, **changes}.items() if value}
    assert (needs_review(BEFORE, after), revokes(BEFORE, after)) == (reviewed, ends)


def test_an_address_that_was_looked_at_may_stay_or_go() -> None:
    """RG-23: nobody is led anywhere by what is left out, nor anew by what was there."""
    elsewhere = {"post_logout_redirect_uris": ["https://other.example/1", "https://other.example/2"]}
    before = {**BEFORE, **elsewhere, "tos_uri": "https://other.example/t"}
    assert not needs_review(before, {**BEFORE, "post_logout_redirect_uris": ["https://other.example/2"]})
    assert not needs_review(before, BEFORE)
    assert needs_review(before, {**before, "tos_uri": "https://other.example/u"})


def test_an_address_on_the_users_own_device_is_nobodys_home() -> None:
    """RG-23: of a native app nothing tells whose site another address could be at."""
    native = {**BEFORE, "redirect_uris": ["http://127.0.0.1:7/cb", "com.vendor:/cb"], "launch_uris": []}
    for uri in ("http://127.0.0.1:8/bye", "com.vendor:/bye", "https://vendor.example/bye"):
        assert needs_review(native, {**native, "post_logout_redirect_uris": [uri]})


def placed(lane: Lane, *, approved: bool = False) -> Placement:
    start = {
        Lane.PATIENT: (State.SANDBOX, LATER),
        Lane.PROVIDER: (State.SANDBOX, None),
        Lane.BACKEND: (State.REQUESTED, None),
    }
    state, approves_at = (State.APPROVED, None) if approved else start[lane]
    metadata = ClientMetadata.load(METADATA)
    return Placement(metadata, lane, state, Source.OPEN, "", approved, approves_at, None)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("lane", Lane)
def test_what_somebody_stopped_no_time_approves(state: State, lane: Lane) -> None:
    """RG-23: neither what is held, nor what was declined or waits for a person; and a change alone approves nothing."""
    found, approves_at = next_state(state, placed(lane), is_decided=False)
    assert found is not State.APPROVED
    assert (approves_at is not None) is (lane is Lane.PATIENT and state in {State.SANDBOX, State.APPROVED})
    assert (found is State.HELD) is (state is State.HELD)
    if state in {State.REQUESTED, State.DECLINED}:
        assert found is State.REQUESTED


@pytest.mark.parametrize("lane", Lane)
@pytest.mark.parametrize("state", State)
def test_a_statement_that_approves_approves_the_change_too_if_nobody_has_decided(state: State, lane: Lane) -> None:
    """RG-18, RG-23: what somebody stopped, or has looked at, is for somebody again."""
    left = State.HELD if state is State.HELD else None
    stated = placed(lane, approved=True)
    assert next_state(state, stated, is_decided=False) == (left or State.APPROVED, None)
    assert next_state(state, stated, is_decided=True) == (left or State.REQUESTED, None)
