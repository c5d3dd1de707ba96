"""Launches in the store: who may make one, what is kept, and that each works once (decisions 1, 4, 15)."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from flask import current_app

from authz.audit.event import Peer
from authz.errors import InsufficientScope, InvalidRequest, NotFound, Unavailable
from authz.launch.context import LaunchContext
from authz.launch.launch import Launch, LaunchUnusable, Unusable, launch_id_of
from authz.launch.model import SpentLaunchRow
from authz.launch.own import OwnLaunches
from authz.storage.redis import RedisBackend
from authz.users.model import UserRow
from tests.launch.conftest import APP, EHR_ORIGIN, FHIR, LAB, LAUNCH_URL, PEER
from tests.servers import free_port

if TYPE_CHECKING:
    from tests.launch.conftest import World


def reason(world: World, handle: str) -> tuple[str, str | None]:
    with pytest.raises(LaunchUnusable) as refused:
        world.services.launches.read(handle)
    assert world.services.launches.peek(handle) is None
    return refused.value.reason.name, refused.value.launch_id


def spend(world: World, launch: Launch, grant_id: str = "0" * 32) -> bool:
    try:
        with world.services.db.write() as session:
            world.services.launches.spend(session, launch, grant_id, PEER)
    except LaunchUnusable:
        return False
    return True


def test_a_launch_can_be_read_until_it_is_used(world: World) -> None:
    handle, launch = world.create(
        encounter="visit-7", session="s-1", web_messaging_origin=EHR_ORIGIN, auth_time=1_700_000_000, __dark=True
    )
    digest = sha256(handle.encode()).hexdigest()
    assert launch == Launch(
        launch_id=launch_id_of(digest),
        digest=digest,
        ehr="hospital-ehr",
        client_id=APP,
        fhir_server="hospital",
        iss=FHIR,
        user_sub=world.sub,
        context=LaunchContext(patient="child-1", encounter="visit-7", extensions={"__dark": True}),
        expires_at=world.clock() + timedelta(seconds=300),
        auth_time=datetime.fromtimestamp(1_700_000_000, UTC),
        made_at=world.clock(),
        launch_url=LAUNCH_URL,
        session="s-1",
        web_messaging_origin=EHR_ORIGIN,
    )
    assert [world.services.launches.peek(handle), world.services.launches.read(handle)] == [launch, launch]
    assert spend(world, launch)
    assert reason(world, handle) == ("USED", launch.launch_id)


def test_a_launch_survives_json(world: World) -> None:
    """The front channel keeps it while the person signs in and decides."""
    _, launch = world.create(session="s-1", fhirContext=[{"reference": "List/1"}])
    assert Launch.from_dict(json.loads(json.dumps(launch.as_dict()))) == launch


def test_a_handle_has_256_bits_and_only_its_digest_is_stored(world: World) -> None:
    """Decision 6, LAU-04; REQ-83."""
    handle, launch = world.create()
    assert len(handle) == 43
    stored = world.services.backend.get(f"launch:{launch.digest}", f"launch-id:{launch.launch_id}")
    assert None not in stored
    assert all(handle.encode() not in value for value in stored if value is not None)
    assert handle not in str(launch.as_dict())


def test_the_record_is_that_of_the_reference_page_and_a_seal(world: World) -> None:
    handle, launch = world.create()
    (stored,) = world.services.backend.get(f"launch:{sha256(handle.encode()).hexdigest()}")
    assert stored is not None
    record = json.loads(stored)
    assert len(record.pop("mac")) == 64
    now = int(world.clock().timestamp())
    ours = {"launch_url": LAUNCH_URL, "auth_time": now, "exp": now + 300}
    seal = {"sub": launch.user_sub, "by": "hospital-ehr", "at": world.clock().timestamp()}
    assert record == world.request() | ours | seal


def test_both_trails_of_a_launch(world: World) -> None:
    """Security.md 4.1: launch created, launch consumed."""
    _, launch = world.create(encounter="visit-7")
    world.clock.forward(1)
    spend(world, launch, "f" * 32)
    members = ("event", "outcome", "sub", "client_id", "fhir_server", "patient", "encounter", "launch_id", "grant_id")
    about = ("success", world.sub, APP, "hospital", "child-1", "visit-7", launch.launch_id)
    assert world.events(*members) == [("launch.created", *about, None), ("launch.used", *about, "f" * 32)]
    assert (
        world.events("peer", "user_agent", "request_id", "detail")
        == [("192.0.2.7", "ehr/1.0", "request-1", {"ehr": "hospital-ehr", "written_by": "ehr"})] * 2
    )


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("LA-03-client", {"client_id": "nobody"}, "client_id: no such app at this FHIR server"),
    ("LA-03-disabled", {"client_id": "off"}, "client_id: no such app at this FHIR server"),
    ("LA-02-client", {"client_id": "lab-only"}, "client_id: no such app at this FHIR server"),
    ("LA-03-aud", {"fhir_server": "https://evil.example/r4"}, "fhir_server: no such FHIR server"),
    ("prefix", {"fhir_server": f"{FHIR}/more"}, "fhir_server: no such FHIR server"),
    ("LA-03-user", {"user": "nobody"}, "user: no such person here"),
    ("user-off", {"user": "gone"}, "user: no such person here"),
    ("user-off-by-resource", {"user": "Practitioner/gone-1"}, "user: no such person here"),
    ("user-of-another", {"user": f"{LAB}/Practitioner/prac-1"}, "user: not a person of this FHIR server"),
    ("user-no-person", {"user": f"{FHIR}/Device/1"}, "user: not a person of this FHIR server"),
    ("launch-url", {"launch_url": "https://evil.example/"}, "launch_url: not registered for this app"),
    ("which-url", {"client_id": "two-doors"}, "launch_url: which one? This app has several or none"),
    ("no-url", {"client_id": "no-door"}, "launch_url: which one? This app has several or none"),
    ("origin", {"web_messaging_origin": f"{EHR_ORIGIN}/"}, "web_messaging_origin: not registered for this FHIR server"),
    (
        "type",
        {"fhirContext": [{"reference": "Fantasy/1"}]},
        "fhirContext[0]: Fantasy is no resource type of this FHIR server",
    ),
    ("future", {"auth_time": 4_102_444_800}, "auth_time: is in the future"),
]


@pytest.mark.parametrize(("changes", "problem"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_launch_that_names_what_is_not_known_is_refused(world: World, changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        world.create(**changes)
    assert refused.value.description == problem
    assert world.events("event") == []


def test_an_ehr_makes_launches_at_its_own_fhir_servers_only(world: World) -> None:
    """Security.md LA-01, LA-02."""
    with pytest.raises(InsufficientScope) as refused:
        world.services.launches.create(world.lab_ehr, world.request(), PEER)
    assert refused.value.body() == {
        "error": "insufficient_scope",
        "error_description": "this credential is not for that FHIR server",
    }
    assert world.events("event") == []


@pytest.mark.parametrize("user", ["prac", " PRAC", "Practitioner/prac-1", f"{FHIR}/Practitioner/prac-1"])
def test_a_user_is_named_by_login_name_or_by_resource(world: World, user: str) -> None:
    """Decision 15: the same person gets the same sub."""
    assert world.create(user=user)[1].user_sub == world.sub


def test_an_ehr_vouches_for_people_first_seen_in_a_launch(world: World) -> None:
    """Decisions 15, 19: one stable sub for each FHIR server and fhirUser; the new person is audited."""
    _, first = world.create(user="RelatedPerson/mother-1", patient=None)
    world.clock.forward(1)
    _, again = world.create(user=f"{FHIR}/RelatedPerson/mother-1", patient=None)
    assert first.user_sub == again.user_sub != world.sub
    assert sorted(world.events("event", "sub")) == sorted(
        [("user.created", first.user_sub), ("launch.created", first.user_sub), ("launch.created", again.user_sub)]
    )


def test_where_people_must_be_known_no_ehr_vouches(world: World) -> None:
    """Decision 15: a switch for each FHIR server."""
    asked = world.request(fhir_server=LAB, user="Practitioner/new-1")
    with pytest.raises(InvalidRequest) as refused:
        world.services.launches.create(world.lab_ehr, asked, PEER)
    assert refused.value.description == "user: no such person here"


def test_nobody_is_made_for_a_launch_that_fails(world: World) -> None:
    away = RedisBackend.from_url(f"redis://127.0.0.1:{free_port()}")
    launches = replace(world.services.launches, backend=away)
    with pytest.raises(Unavailable):
        launches.create(world.ehr, world.request(user="Practitioner/new-2"), PEER)
    with world.services.db.read() as session:
        assert session.query(UserRow).count() == 2
    assert world.events("event") == []


@pytest.mark.parametrize(
    ("registered", "opened"),
    [
        ("https://a.example/l", "https://a.example/l?iss=I&launch=L"),
        ("https://a.example/l?tab=1", "https://a.example/l?tab=1&iss=I&launch=L"),
        ("https://a.example/l?", "https://a.example/l?iss=I&launch=L"),
        ("https://a.example/l?tab=1&", "https://a.example/l?tab=1&iss=I&launch=L"),
        ("https://a.example/l#part", "https://a.example/l?iss=I&launch=L#part"),
    ],
)
def test_the_address_to_open_keeps_what_the_launch_url_has(world: World, registered: str, opened: str) -> None:
    """LAU-01, LAU-05."""
    _, launch = world.create()
    members = launch.as_dict() | {"launch_url": registered, "iss": "I"}
    assert Launch.from_dict(members).url_to_open("L") == opened


def test_iss_is_spelled_as_the_ehr_spells_it(world: World) -> None:
    """LAU-03: the app's aud will be the same; REQ-75, REQ-D9."""
    handle, launch = world.create(fhir_server=f"{FHIR}/alias")
    assert launch.url_to_open(handle) == (
        f"{LAUNCH_URL}?iss=https%3A%2F%2Ffhir.hospital.example%2Fr4%2Falias&launch={handle}"
    )


def test_one_of_several_launch_urls_is_chosen(world: World) -> None:
    url = "https://growth.example/other?tab=1"
    assert world.create(client_id="two-doors", launch_url=url)[1].launch_url == url


@pytest.mark.parametrize("handle", ["", "unknown", "' OR 1=1--", "../../", "\0", "é", "\ud800", "a" * 10_240])
def test_a_handle_from_anywhere_is_just_unknown(world: World, handle: str) -> None:
    """Security.md AZ-79."""
    assert reason(world, handle) == ("UNKNOWN", None)


def test_a_launch_lives_300_seconds(world: World) -> None:
    """LAU-04, REQ-D8, REQ-73."""
    handle, launch = world.create()
    world.clock.forward(299)
    assert world.services.launches.peek(handle) == launch
    world.clock.forward(1)
    assert reason(world, handle) == ("UNKNOWN", launch.launch_id)


def test_a_launch_that_was_valid_when_the_request_came_may_be_used_later(world: World) -> None:
    """The person may take longer than the launch lives; the interaction has its own time."""
    _, launch = world.create()
    world.clock.forward(600)
    assert spend(world, launch)


def test_a_launch_is_used_once(world: World) -> None:
    _, launch = world.create()
    assert [spend(world, launch, digit * 32) for digit in "12"] == [True, False]
    with world.services.db.read() as session:
        rows = session.query(SpentLaunchRow).all()
    assert [(row.digest, row.state, row.grant_id) for row in rows] == [(launch.digest, "used", "1" * 32)]


def test_of_twelve_racing_uses_one_succeeds(world: World) -> None:
    """Security.md LA-10: single use is proven in SQL."""
    _, launch = world.create()
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # the proxy works in its own thread only
    start = threading.Barrier(12)
    won: list[bool] = []

    def use(number: int) -> None:
        with app.app_context():
            start.wait()
            won.append(spend(world, launch, f"{number:032}"))

    threads = [threading.Thread(target=use, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 11 + [True]


def test_a_use_that_is_rolled_back_has_not_happened(world: World) -> None:
    """Decision 1: the row is written in the transaction of what it pays for."""
    handle, launch = world.create()

    def use_and_fail() -> None:
        with world.services.db.write() as session:
            world.services.launches.spend(session, launch, "0" * 32)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        use_and_fail()
    assert world.services.launches.peek(handle) == launch


def test_an_emptied_store_ends_launches_and_a_restored_one_revives_none(world: World) -> None:
    """Security.md LA-14, decision 2."""
    handle, launch = world.create()
    key = f"launch:{launch.digest}"
    (kept,) = world.services.backend.get(key)
    assert kept is not None
    world.services.backend.delete(key)
    assert reason(world, handle) == ("UNKNOWN", None)
    world.services.backend.put({key: kept}, 300)
    assert spend(world, launch)
    assert reason(world, handle) == ("USED", launch.launch_id)


def test_a_record_moved_under_another_handle_is_not_believed(world: World) -> None:
    _, launch = world.create()
    (stored,) = world.services.backend.get(f"launch:{launch.digest}")
    assert stored is not None
    moved = sha256(b"guessable").hexdigest()
    world.services.backend.put({f"launch:{moved}": stored}, 300)
    assert reason(world, "guessable") == ("FOREIGN", launch_id_of(moved))


def test_a_launch_of_the_version_before_still_opens_its_app(world: World) -> None:
    """R-27: it said nothing of when it was made; neither in the store nor with a page that is open."""
    handle, launch = world.create()
    key = f"launch:{launch.digest}"
    (stored,) = world.services.backend.get(key)
    assert stored is not None
    record = {name: value for name, value in json.loads(stored).items() if name not in {"mac", "at"}}
    written = json.dumps(record, sort_keys=True, separators=(",", ":"))
    mac = world.services.secrets.mac("launch", launch.digest + written)
    world.services.backend.put({key: json.dumps(record | {"mac": mac}).encode()}, 300)
    found = world.services.launches.read(handle)
    assert found == launch
    kept = {name: value for name, value in found.as_dict().items() if name not in {"made_at", "fhir_user"}}
    assert Launch.from_dict(kept).made_at == launch.auth_time


def test_a_changed_record_is_not_believed(world: World) -> None:
    handle, launch = world.create()
    key = f"launch:{launch.digest}"
    (stored,) = world.services.backend.get(key)
    assert stored is not None
    world.services.backend.put({key: stored.replace(b"child-1", b"child-2")}, 300)
    assert reason(world, handle) == ("FOREIGN", launch.launch_id)


@pytest.mark.parametrize("what", ["user", "fhir_server"])
def test_who_is_switched_off_ends_the_launches_that_wait(world: World, what: str) -> None:
    handle, launch = world.create()
    with world.services.db.write() as session:
        if what == "user":
            world.services.users.set_enabled(session, world.sub, enabled=False)
        else:
            world.services.fhir_servers.set_enabled(session, "hospital", enabled=False)
    expected = Unusable.USER_GONE if what == "user" else Unusable.FOREIGN
    assert reason(world, handle) == (expected.name, launch.launch_id)


def test_the_first_request_claims_the_launch(world: World) -> None:
    """Decision 14: only the identical request resumes it."""
    _, launch = world.create()
    claim = world.services.launches.claim
    assert [claim(launch.digest, name) for name in ("one", "other", "one")] == [True, False, True]


def test_a_waiting_launch_is_shown_to_the_ehr_that_made_it(world: World) -> None:
    _, launch = world.create(session="s-1", need_patient_banner=False)
    world.clock.forward(10)
    assert OwnLaunches(world.services.launches).look_up(world.ehr, launch.launch_id) == {
        "launch_id": launch.launch_id,
        "state": "waiting",
        "expires_in": 290,
        "client_id": APP,
        "fhir_server": FHIR,
        "launch_url": LAUNCH_URL,
        "session": "s-1",
        "patient": "child-1",
        "need_patient_banner": False,
    }
    assert OwnLaunches(world.services.launches).look_up(world.lab_ehr, launch.launch_id) is None
    assert OwnLaunches(world.services.launches).look_up(world.ehr, "a" * 22) is None


def test_a_used_launch_is_shown_as_used(world: World) -> None:
    _, launch = world.create()
    spend(world, launch)
    assert OwnLaunches(world.services.launches).look_up(world.ehr, launch.launch_id) == {
        "launch_id": launch.launch_id,
        "state": "used",
        "client_id": APP,
        "at": int(world.clock().timestamp()),
    }
    assert OwnLaunches(world.services.launches).look_up(world.lab_ehr, launch.launch_id) is None


def test_a_withdrawn_launch_does_not_work_any_more(world: World) -> None:
    """Security.md LA-13; also for whoever has begun with it already."""
    handle, launch = world.create()
    for _ in range(2):
        OwnLaunches(world.services.launches).withdraw(world.ehr, launch.launch_id, PEER)
    assert reason(world, handle) == ("WITHDRAWN", launch.launch_id)
    assert not spend(world, launch)
    found = OwnLaunches(world.services.launches).look_up(world.ehr, launch.launch_id)
    assert found is not None
    assert found["state"] == "withdrawn"
    assert world.services.backend.get(f"launch:{launch.digest}", f"launch-id:{launch.launch_id}") == [None, None]
    assert [event for (event,) in world.events("event")].count("launch.withdrawn") == 1


def test_an_ehr_withdraws_only_its_own(world: World) -> None:
    """Security.md LA-09."""
    handle, launch = world.create()
    for ehr, launch_id in ((world.lab_ehr, launch.launch_id), (world.ehr, "a" * 22)):
        with pytest.raises(NotFound):
            OwnLaunches(world.services.launches).withdraw(ehr, launch_id, PEER)
    assert world.services.launches.peek(handle) == launch


def test_a_used_launch_can_not_be_withdrawn(world: World) -> None:
    _, launch = world.create()
    spend(world, launch)
    with pytest.raises(InvalidRequest, match="the app has used this launch"):
        OwnLaunches(world.services.launches).withdraw(world.ehr, launch.launch_id, PEER)


def test_an_operator_makes_a_launch_for_any_fhir_server(world: World) -> None:
    _, launch = world.services.launches.create(None, world.request(fhir_server=LAB, patient=None), Peer())
    assert (launch.fhir_server, launch.ehr) == ("lab", None)
    assert world.events("detail") == [({"ehr": None, "written_by": "operator"},)]
    assert OwnLaunches(world.services.launches).look_up(world.lab_ehr, launch.launch_id) is None


def test_a_launch_too_rich_to_be_read_again_is_refused(world: World) -> None:
    """Security.md 3.5: the gate's bounds hold for the record as well."""
    with pytest.raises(InvalidRequest) as refused:
        world.create(__rich=[0] * 1_000)
    assert refused.value.description == "the launch can not be kept: more than 1000 values"
