"""A plain script that knows only the reference page writes launches into a real Redis (decision 4)."""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import TYPE_CHECKING, Any

import pytest
import redis

from authz.errors import InvalidRequest
from authz.launch.context import LaunchContext
from authz.launch.launch import Launch, Origin, launch_id_of
from authz.launch.own import OwnLaunches
from authz.launch.resolve import Asked, EhrLaunch, resolve
from authz.launch.store import RECORDS
from authz.scopes import ScopeSet
from tests.launch.conftest import APP, FHIR, LAB, PEER

if TYPE_CHECKING:
    from tests.launch.conftest import World
    from tests.servers import RedisServer

pytestmark = pytest.mark.redis

UNUSABLE = "the launch is unknown, expired or already used, or it was made for another app, FHIR server or request"


class Script:
    """An EHR's script, in the words of docs/reference/launch-record.md."""

    def __init__(self, world: World, server: RedisServer) -> None:
        self.world = world
        self.server = server

    def record(self, **changes: Any) -> dict[str, Any]:
        exp = int(self.world.clock().timestamp()) + 300
        record = {"client_id": APP, "fhir_server": FHIR, "user": "prac", "patient": "child-1", "exp": exp, **changes}
        return {name: value for name, value in record.items() if value is not None}

    def write(self, record: Any, *life: str | int) -> str:
        handle = secrets.token_urlsafe(32)
        key = f"authz:launch:{hashlib.sha256(handle.encode()).hexdigest()}"
        value = record if isinstance(record, str | bytes) else json.dumps(record)
        self.server.command("SET", key, value, *(life or ("EX", 300)))
        return handle


@pytest.fixture
def script(redis_world: World, launch_redis: RedisServer) -> Script:
    return Script(redis_world, launch_redis)


def question(handle: str) -> Asked:
    return Asked(handle, ScopeSet.parse("launch patient/*.rs"), APP, "hospital", PEER)


def trail(world: World) -> list[tuple[Any, ...]]:
    return world.events("event", "outcome", "reason", "detail")


def test_a_record_written_straight_into_redis_is_a_launch(redis_world: World, script: Script) -> None:
    record = script.record(
        encounter="visit-7", fhirContext=[{"reference": "ServiceRequest/7"}], need_patient_banner=True, session="s-1"
    )
    handle = script.write(record)
    digest = hashlib.sha256(handle.encode()).hexdigest()
    found = resolve(redis_world.services.launches, question(handle))
    assert isinstance(found, EhrLaunch)
    assert found.launch == Launch(
        launch_id=launch_id_of(digest),
        digest=digest,
        ehr=None,
        client_id=APP,
        fhir_server="hospital",
        iss=FHIR,
        user_sub=redis_world.sub,
        context=LaunchContext.from_parameters(
            {
                "patient": "child-1",
                "encounter": "visit-7",
                "fhirContext": [{"reference": "ServiceRequest/7"}],
                "need_patient_banner": True,
            }
        ),
        expires_at=found.launch.expires_at,
        auth_time=redis_world.clock(),  # the earliest it can have been written
        made_at=redis_world.clock(),
        session="s-1",
        origin=Origin.REDIS,
    )
    assert found.launch.expires_at.timestamp() == record["exp"]


def test_its_first_use_is_audited_once_and_so_is_what_came_of_it(redis_world: World, script: Script) -> None:
    handle = script.write(script.record())
    for _ in range(3):
        redis_world.clock.forward(1)
        launch = redis_world.services.launches.read(handle)
    redis_world.clock.forward(1)
    with redis_world.services.db.write() as session:
        redis_world.services.launches.spend(session, launch, "0" * 32)
    detail = {"ehr": None, "written_by": "redis"}
    assert trail(redis_world) == [
        ("launch.created", "success", None, detail),
        ("launch.used", "success", None, detail),
    ]
    assert redis_world.events("sub", "patient", "launch_id") == [(redis_world.sub, "child-1", launch.launch_id)] * 2


def test_a_person_first_seen_in_it_is_made_once(redis_world: World, script: Script) -> None:
    """Decision 15."""
    handle = script.write(script.record(user="Practitioner/new-1"))
    subs = {redis_world.services.launches.read(handle).user_sub for _ in range(3)}
    assert len(subs) == 1
    assert sorted(redis_world.events("event")) == [("launch.created",), ("user.created",)]


FAR = 4_102_444_800
NOT_A_MEMBER = "not a member of a launch, and a name of your own is a URI or starts with two underscores"
REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("long-lived-exp", {"exp": FAR}, "launch_long_lived", "exp is more than 300 s ahead"),
    ("no-exp", {"exp": None}, "launch_malformed", "exp: is missing"),
    ("patient", {"patient": "Patient/1"}, "launch_malformed", "patient: must be the logical id of a Patient"),
    ("member", {"ttl": 60}, "launch_malformed", f"ttl: {NOT_A_MEMBER}"),
    (
        "forged-seal",
        {"sub": "somebody", "by": "hospital-ehr", "mac": "0" * 64},
        "launch_malformed",
        f"sub: {NOT_A_MEMBER}; by: {NOT_A_MEMBER}; mac: {NOT_A_MEMBER}",
    ),
    ("future", {"auth_time": FAR}, "launch_malformed", "auth_time: is in the future"),
    ("client", {"client_id": "nobody"}, "launch_foreign", "client_id: no such app at this FHIR server"),
    ("server", {"fhir_server": "https://evil.example/"}, "launch_foreign", "fhir_server: no such FHIR server"),
    ("user", {"user": "nobody"}, "launch_foreign", "user: no such person here"),
    ("user-off", {"user": "gone"}, "launch_foreign", "user: no such person here"),
    (
        "not-allowed",
        {"fhir_server": LAB, "patient": None},
        "launch_foreign",
        "the FHIR server does not allow launches from Redis",
    ),
]


@pytest.mark.parametrize(
    ("changes", "reason", "problem"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_a_malformed_long_lived_or_foreign_record_is_refused_and_audited(
    redis_world: World, script: Script, changes: dict[str, Any], reason: str, problem: str
) -> None:
    handle = script.write(script.record(**changes))
    with pytest.raises(InvalidRequest) as refused:
        resolve(redis_world.services.launches, question(handle))
    assert refused.value.description == UNUSABLE
    assert trail(redis_world) == [("launch.refused", "refused", reason, {"problem": problem})]


@pytest.mark.parametrize("life", [("EX", 301), ("EX", 86_400), ("KEEPTTL",)])
def test_a_key_that_lives_too_long_is_refused(redis_world: World, script: Script, life: tuple[str | int, ...]) -> None:
    """Decision 4: capped at 300 s, whatever the record says of itself."""
    handle = script.write(script.record(), *life)
    with pytest.raises(InvalidRequest):
        resolve(redis_world.services.launches, question(handle))
    assert trail(redis_world) == [
        ("launch.refused", "refused", "launch_long_lived", {"problem": "the key lives longer than 300 s"})
    ]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        "[]",
        '"text"',
        "null",
        "{",
        b"\xff\xfe",
        '{"a": NaN}',
        '{"a": 1, "a": 2}',
        '{"mac": "\\ud800"}',
        "[" * 50_000,
    ],
)
def test_what_is_no_json_object_is_refused(redis_world: World, script: Script, value: str | bytes) -> None:
    handle = script.write(value)
    with pytest.raises(InvalidRequest) as refused:
        resolve(redis_world.services.launches, question(handle))
    assert refused.value.description == UNUSABLE
    assert [event[:3] for event in trail(redis_world)] == [("launch.refused", "refused", "launch_malformed")]


def test_a_huge_record_is_refused(redis_world: World, script: Script) -> None:
    handle = script.write(json.dumps(script.record(__more="a" * 262_144)))
    with pytest.raises(InvalidRequest):
        resolve(redis_world.services.launches, question(handle))
    assert trail(redis_world)[0][3] == {"problem": "not a JSON object of at most 262144 bytes"}


def test_a_record_whose_end_has_come_is_unknown(redis_world: World, script: Script) -> None:
    handle = script.write(script.record(exp=int(redis_world.clock().timestamp())))
    with pytest.raises(InvalidRequest):
        resolve(redis_world.services.launches, question(handle))
    assert redis_world.events("reason")[-1] == ("launch_unknown",)


def test_a_key_that_the_ehr_deleted_is_no_launch(redis_world: World, script: Script) -> None:
    handle = script.write(script.record())
    redis_world.services.launches.read(handle)
    script.server.command("DEL", f"authz:launch:{hashlib.sha256(handle.encode()).hexdigest()}")
    assert redis_world.services.launches.peek(handle) is None


def test_a_launch_from_redis_is_used_once_even_if_it_is_written_again(redis_world: World, script: Script) -> None:
    record = script.record()
    handle = script.write(record)
    launch = redis_world.services.launches.read(handle)
    with redis_world.services.db.write() as session:
        redis_world.services.launches.spend(session, launch, "0" * 32)
    script.server.command("SET", f"authz:launch:{launch.digest}", json.dumps(record), "EX", 300)
    assert redis_world.services.launches.peek(handle) is None


def test_no_ehr_may_look_up_or_withdraw_it_over_http(redis_world: World, script: Script) -> None:
    """Nobody has proven to have made it; its EHR deletes the key."""
    launch = redis_world.services.launches.read(script.write(script.record()))
    assert OwnLaunches(redis_world.services.launches).look_up(redis_world.ehr, launch.launch_id) is None


def test_launches_made_over_http_lie_in_redis_too(redis_world: World, launch_redis: RedisServer) -> None:
    handle, launch = redis_world.create()
    assert redis_world.services.launches.read(handle) == launch
    assert 290 <= launch_redis.command("TTL", f"authz:launch:{launch.digest}") <= 300


def test_off_is_off(redis_world: World, script: Script) -> None:
    """Decision 4: off by default, switched on for each FHIR server; launches over HTTP go on."""
    made, _ = redis_world.create()
    with redis_world.services.db.write() as session:
        redis_world.services.fhir_servers.update(session, "hospital", {"redis_launches": False})
    assert redis_world.services.launches.peek(script.write(script.record())) is None
    assert redis_world.services.launches.peek(made) is not None


def test_without_redis_nothing_unsealed_is_believed(world: World) -> None:
    """Decision 4: Redis only."""
    handle = secrets.token_urlsafe(32)
    digest = hashlib.sha256(handle.encode()).hexdigest()
    exp = int(world.clock().timestamp()) + 300
    record = world.request(exp=exp)
    world.services.backend.put({RECORDS + digest: json.dumps(record).encode()}, 300)
    assert world.services.launches.peek(handle) is None


def test_the_redis_user_of_the_reference_page_can_write_launches_and_nothing_else(
    redis_world: World, script: Script
) -> None:
    command = "SETUSER ehr on >a-long-random-password resetkeys resetchannels %W~authz:launch:* -@all +set +del +ping"
    script.server.command("ACL", *command.split())
    record = json.dumps(script.record())
    handle = secrets.token_urlsafe(32)
    key = f"authz:launch:{hashlib.sha256(handle.encode()).hexdigest()}"
    with redis.Redis(port=script.server.port, username="ehr", password="a-long-random-password") as ehr:
        ehr.set(key, record, ex=300)
        launch = redis_world.services.launches.read(handle)
        forbidden: list[tuple[str | int, ...]] = [
            ("GET", key),
            ("SET", key, record, "GET"),
            ("SET", f"authz:launch-claim:{launch.digest}", "x"),
            ("SET", f"authz:launch-seen:{launch.digest}", "x"),
            ("DEL", f"authz:launch-id:{launch.launch_id}"),
            ("SCAN", 0),
            ("KEYS", "*"),
            ("FLUSHALL",),
        ]
        for words in forbidden:
            with pytest.raises(redis.exceptions.NoPermissionError):
                ehr.execute_command(*words)
        ehr.delete(key)
    assert redis_world.services.launches.peek(handle) is None
