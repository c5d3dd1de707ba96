"""A vendor wants an app approved by time that no person and no check would let through (security.md RG-15)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from authz.brands.registry import Brands
from authz.registration.decision import Reviewer
from authz.registration.model import State
from tests.cli.conftest import Cli
from tests.outside import FakeOutbound, Outside
from tests.servers import postgres_server
from tests.vendor import Vendor, said
from tests.world import build, settings_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy.orm import Session

    from authz.brands.brand import Brand
    from tests.world import World

ANN = Reviewer("ann")
OF_THE_HOSPITAL = "Test Hospital Portal"
HONEST = {"client_name": "Zebra Diary", "redirect_uris": ["https://zebra.example/cb"], "launch_uris": None}
TWIN = {"redirect_uris": ["https://evil.example.net/cb"], "launch_uris": None}
GROUP = {"name": "Group", "website": "https://group.example", "aliases": ["TestCare", "Ze"]}
SCOPE = "launch/patient openid fhirUser patient/*.rs"


@dataclass
class Hospital:
    """Where anybody may register an app for patients, and the automatic checks and time do the rest."""

    world: World
    vendor: Vendor

    @classmethod
    def of(cls, world: World) -> Hospital:
        with world.services.db.write() as session:
            world.services.fhir_servers.update(session, "main", {"registration": "open"})
        return cls(world, Vendor(world.transport))

    def register(self, **changes: Any) -> dict[str, Any]:
        return self.vendor.register(**{**HONEST, "scope": SCOPE, **changes})

    def check(self) -> None:
        while self.world.services.registration.checks.check_due():
            pass

    def pass_time(self, hours: int) -> None:
        """With both background jobs at work."""
        self.check()
        self.world.clock.forward(hours=hours)
        self.world.services.registration.automatic.approve_due()
        self.check()
        self.world.services.registration.automatic.approve_due()

    def stands(self, answer: dict[str, Any]) -> State:
        return self.world.services.registration.review.show(answer["client_id"]).state

    def meanwhile(self, act: Callable[[], object]) -> None:
        """Do this once, while an app is read to be checked."""
        parts = self.world.services.registration
        waiting = [act]

        class Reading(Brands):
            def all(self, session: Session) -> list[Brand]:
                if waiting:
                    waiting.pop()()
                return super().all(session)

        read = parts.checks.cases.brands
        reading = Reading(read.db, read.fhir_servers, read.now, read.url)
        checks = replace(parts.checks, cases=replace(parts.checks.cases, brands=reading))
        while checks.check_due():
            pass


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Hospital]:
    world = build(settings_in(tmp_path), FakeOutbound(Outside()))
    with world.app.app_context():
        yield Hospital.of(world)
        world.services.db.engine.dispose()
    world.services.backend.close()


def test_an_honest_app_is_approved_when_its_time_comes(hospital: Hospital) -> None:
    """So that what is held below is held for what was tried."""
    answer = hospital.register(client_uri="https://www.zebra.example/")
    hospital.pass_time(47)
    assert hospital.stands(answer) is State.SANDBOX
    hospital.pass_time(2)
    assert hospital.stands(answer) is State.APPROVED


def test_a_change_that_is_only_proposed_is_not_checked_in_the_place_of_what_there_is(hospital: Hospital) -> None:
    """RG-15, RG-23: two requests at once, the proposal let in while the app was still approved, end as this does."""
    answer = hospital.register()
    hospital.pass_time(48)
    assert hospital.vendor.replace(answer, client_name=OF_THE_HOSPITAL).status == 200
    hospital.world.services.registration.proposals.propose(answer["client_id"], said(answer))
    hospital.pass_time(49)
    assert hospital.stands(answer) is State.HELD


@pytest.mark.postgres
def test_a_change_while_the_app_is_read_is_checked_too(tmp_path: Path) -> None:
    """RG-15, RG-23: on PostgreSQL each statement of a reader sees what was committed before it."""
    with postgres_server() as postgres:
        world = build(settings_in(tmp_path, database_url=postgres.new_database()), FakeOutbound(Outside()))
        with world.app.app_context():
            hospital = Hospital.of(world)
            answer = hospital.register()
            hospital.meanwhile(lambda: hospital.vendor.replace(answer, client_name=OF_THE_HOSPITAL))
            hospital.pass_time(49)
            assert hospital.stands(answer) is State.HELD
            world.services.db.engine.dispose()
        world.services.backend.close()


@pytest.mark.parametrize("command", ["disable", "remove"])
def test_an_app_that_was_switched_off_is_not_approved_by_time_when_it_comes_again(
    hospital: Hospital, command: str
) -> None:
    """RG-15, RG-23: its vendor deletes it and registers it anew; a person decides, as after a review that said no."""
    answer = hospital.register()
    hospital.pass_time(49)
    assert hospital.stands(answer) is State.APPROVED
    Cli.of(hospital.world)("client", command, answer["client_id"])
    if command == "disable":
        assert hospital.vendor.delete(answer).status == 204
    again = hospital.register(client_name="Another name")
    hospital.pass_time(49)
    assert hospital.stands(again) is State.HELD


@pytest.mark.parametrize("by", ["a person", "time"])
def test_of_two_apps_of_one_name_time_approves_one(hospital: Hospital, by: str) -> None:
    """RG-15: the second registers while the first is not approved, so that its check finds no approved app."""
    first = hospital.register()
    hospital.check()
    hospital.world.clock.forward(hours=1)
    second = hospital.register(**TWIN)
    hospital.check()
    if by == "a person":
        hospital.world.services.registration.review.approve(first["client_id"], ANN)
    hospital.pass_time(47)
    hospital.pass_time(2)
    assert (hospital.stands(first), hospital.stands(second)) == (State.APPROVED, State.HELD)
    like = f"reads like Zebra Diary ({first['client_id']}), an approved app"
    report = hospital.world.services.registration.review.show(second["client_id"])
    assert [line.note for line in report.history][1:] == [f"The automatic checks found: client_name: {like}"]


@pytest.mark.parametrize(
    "members",
    [
        {"client_uri": "https://hospital.example/", **TWIN},
        {
            "client_uri": "https://hospital.example/",
            "redirect_uris": ["https://hospital.example/", "https://evil.example.net/cb"],
        },
        {
            "client_uri": "https://www.group.example/",
            "application_type": "native",
            "redirect_uris": ["com.evil.app:/cb"],
        },
        {"redirect_uris": ["https://fhir.example/open-redirector?to=evil.example.net"]},
    ],
    ids=["elsewhere", "there and elsewhere", "on a device", "by a page of ours"],
)
def test_time_approves_no_app_that_says_it_is_made_by_somebody_else(
    hospital: Hospital, members: dict[str, Any]
) -> None:
    """RG-15, RFC 7591 §5: the consent page says who made it by ``client_uri``; its answers go where nobody read."""
    with hospital.world.services.db.write() as session:
        hospital.world.services.brands.add(session, "us", GROUP)
    answer = hospital.register(**members)
    hospital.pass_time(49)
    assert hospital.stands(answer) is State.HELD


NAMES = {
    "in another language": {"client_name#fr": OF_THE_HOSPITAL},
    "in a language of nobody": {"client_name#x-y": OF_THE_HOSPITAL},
    "in Cyrillic": {"client_name": "\u0422\u0435\u0455\u0442 \u041d\u043e\u0455\u0440\u0456\u0442\u0430\u04cf"},
    "with one letter of Cyrillic": {"client_name": "Test Hospita\u04cf"},
    "with one letter of Coptic": {"client_name": "Test Hospit\u2c81l"},
    "as people call it": {"client_name": "My TestCare"},
    "in small capitals": {"client_name": "\u1d1b\u1d07s\u1d1b \u029c\u1d0fs\u1d18\u026a\u1d1b\u1d00\u029f"},
    "with letters struck through": {"client_name": "\u0166est \u0126ospita\u0142"},
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_time_approves_no_app_that_people_take_for_the_hospital(hospital: Hospital, name: dict[str, str]) -> None:
    """RG-15, UTS #39 §4: whichever of its names they read, and in whatever letters."""
    with hospital.world.services.db.write() as session:
        hospital.world.services.brands.add(session, "us", GROUP)
    answer = hospital.register(**name)
    hospital.pass_time(49)
    assert hospital.stands(answer) is State.HELD
