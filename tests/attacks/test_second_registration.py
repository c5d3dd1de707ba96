"""A vendor whose app was stopped, or approved for less, tries to get past that with a new registration or a change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from authz.registration.admission import SEEN_BEFORE
from authz.registration.decision import Reviewer, Terms
from authz.registration.initial_tokens import NewInitialToken
from authz.registration.model import State
from tests.vendor import Vendor

if TYPE_CHECKING:
    from authz.registration.applications import Application
    from tests.world import World

ANN = Reviewer("ann")
WIDE = "launch/patient openid fhirUser offline_access patient/*.rs"
NARROW = "launch/patient openid fhirUser patient/Observation.rs"
OTHER = {
    "client_name": "Zebra Diary",
    "redirect_uris": ["https://zebra.example/cb"],
    "launch_uris": ["https://zebra.example/launch"],
}


@dataclass
class Hospital:
    """Where anybody may register an app for patients, which time approves if nobody says no."""

    world: World
    vendor: Vendor

    def register(self, initial_access_token: str | None = None, /, **changes: Any) -> dict[str, Any]:
        return self.vendor.register(initial_access_token, **{"scope": WIDE, **changes})

    def show(self, answer: dict[str, Any]) -> Application:
        return self.world.services.registration.review.show(answer["client_id"])

    def stop(self, answer: dict[str, Any], what: str) -> None:
        getattr(self.world.services.registration.review, what)(answer["client_id"], ANN, "It sells what it reads.")

    def approve(self, answer: dict[str, Any], terms: Terms | None = None) -> None:
        self.world.services.registration.review.approve(answer["client_id"], ANN, terms)

    def waits_for_a_person(self, answer: dict[str, Any], state: State) -> bool:
        """Also when everything was checked, nothing was found, and any waiting time is over."""
        found = self.show(answer)
        self.world.clock.forward(days=90)
        with self.world.services.db.write() as session:
            self.world.services.clients.row(session, answer["client_id"]).checked = True
        self.world.services.registration.automatic.approve_due()
        later = self.show(answer)
        return (found.state, found.approves_at, found.needs_decision, later.state) == (state, None, True, state)

    def time_approves(self, answer: dict[str, Any]) -> bool:
        return self.show(answer).state is State.SANDBOX and self.show(answer).approves_at is not None


@pytest.fixture
def hospital(world: World) -> Hospital:
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", {"registration": "open"})
    return Hospital(world, Vendor(world.transport))


@pytest.mark.parametrize("what", ["decline", "hold"])
def test_what_was_stopped_and_deleted_is_known_when_it_comes_again(hospital: Hospital, what: str) -> None:
    """RG-23, RFC 7592 §2.3: a vendor may delete an app, and not what was decided about it."""
    first = hospital.register()
    hospital.stop(first, what)
    assert hospital.vendor.delete(first).status == 204
    second = hospital.register()
    assert second["registration_state"] == "held"
    assert hospital.waits_for_a_person(second, State.HELD)
    shown = hospital.show(second).as_dict()
    assert [(line["actor"], line["what"], line["note"]) for line in shown["history"]] == [
        ("vendor", "registered", ""),
        ("server", "held", SEEN_BEFORE),
    ]
    assert "sells" not in hospital.vendor.read(second).text
    (earlier,) = shown["earlier"]
    del earlier["decided_at"]
    assert earlier == {
        "client_id": first["client_id"],
        "client_name": "Vendor App",
        "decision": {"decline": "declined", "hold": "held"}[what],
        "actor": "administrator:ann",
        "reason": "It sells what it reads.",
    }


@pytest.mark.parametrize(
    "same",
    [
        {"redirect_uris": ["https://vendor.example:8443/other"]},
        {"launch_uris": ["https://vendor.example/l"]},
        {"client_name": "VENDOR \N{CYRILLIC CAPITAL LETTER A}pp"},
        {"client_name#fr": "Vendor App"},
        {"software_id": "4NRB1-0XZABZI9E6-5SM3R"},
        {"application_type": "native", "redirect_uris": ["example.vendor.app:/back"]},
    ],
)
def test_one_thing_in_common_is_enough(hospital: Hospital, same: dict[str, Any]) -> None:
    """RG-15: its addresses, its name as people read it, its ``software_id``; beside the one that was stopped too."""
    native = {"application_type": "native", "redirect_uris": ["example.vendor.app:/cb", "https://vendor.example/cb"]}
    first = hospital.register(software_id="4NRB1-0XZABZI9E6-5SM3R", **native)
    hospital.stop(first, "decline")
    assert hospital.waits_for_a_person(hospital.register(**{**OTHER, **same}), State.HELD)


def test_another_app_is_not_held_for_it(hospital: Hospital) -> None:
    """Nothing in common but the machine of whoever runs a native app."""
    local = ["http://127.0.0.1/cb"]
    first = hospital.register(application_type="native", redirect_uris=local)
    hospital.stop(first, "decline")
    other = hospital.register(**{**OTHER, "application_type": "native", "redirect_uris": local})
    assert hospital.time_approves(other)
    assert hospital.show(other).as_dict()["earlier"] == []


def test_a_change_into_what_was_stopped_is_held_too(hospital: Hospital) -> None:
    """RFC 7592 §2.2: registered as something else first, or the stopped one emptied of its name and addresses."""
    first, second = hospital.register(), hospital.register(**OTHER)
    hospital.stop(first, "decline")
    assert hospital.vendor.replace(first, client_name="Lion", redirect_uris=["https://lion.example/cb"]).status == 200
    assert hospital.vendor.delete(first).status == 204
    answer = hospital.vendor.replace(second, client_name="Vendor App")
    assert answer.json()["registration_state"] == "held"
    assert hospital.waits_for_a_person(second, State.HELD)
    assert hospital.show(second).as_dict()["history"][-1]["note"] == SEEN_BEFORE


def test_no_token_approves_what_a_person_has_stopped(hospital: Hospital) -> None:
    """RFC 7591 §3: a token for what nobody has seen; this one somebody has."""
    services = hospital.world.services
    with services.db.write() as session:
        new = NewInitialToken("partner", services.now().replace(year=2099), quota=2, approves=True)
        token = services.registration.initial_tokens.issue(session, new)[1]
    first = hospital.register(token)
    assert hospital.show(first).state is State.APPROVED
    hospital.stop(first, "decline")
    assert hospital.vendor.delete(first).status == 204
    assert hospital.waits_for_a_person(hospital.register(token), State.HELD)


def test_an_approval_takes_it_back(hospital: Hospital) -> None:
    """Whoever said no may say yes: from then on an app like it is like any other."""
    first = hospital.register()
    hospital.stop(first, "hold")
    hospital.approve(first)
    assert hospital.time_approves(hospital.register())


def test_what_was_approved_for_less_does_not_come_again_for_more(hospital: Hospital) -> None:
    """RG-06: neither by a deletion nor beside it."""
    first = hospital.register()
    hospital.approve(first, Terms(scope=NARROW))
    assert hospital.waits_for_a_person(hospital.register(), State.HELD)
    assert hospital.vendor.delete(first).status == 204
    assert hospital.waits_for_a_person(hospital.register(), State.HELD)


@pytest.mark.parametrize(
    ("terms", "wider"),
    [(Terms(scope=NARROW), {"scope": WIDE}), (Terms(user_types=("Patient",)), {"fhir_user_types": None})],
    ids=["scope", "user types"],
)
@pytest.mark.parametrize("harmless", [[], [{"client_name": "Vendor App 2"}]], ids=["at once", "in two steps"])
def test_time_does_not_give_what_a_reviewer_took(
    hospital: Hospital, terms: Terms, wider: dict[str, Any], harmless: list[dict[str, Any]]
) -> None:
    """RG-06, RG-23: at once, or in two steps of which the first seems harmless."""
    answer = hospital.register()
    hospital.approve(answer, terms)
    narrowed = hospital.vendor.read(answer).json()
    for step in [*harmless, wider]:
        assert hospital.vendor.replace(narrowed, **step).status == 200
    assert hospital.waits_for_a_person(answer, State.REQUESTED)
