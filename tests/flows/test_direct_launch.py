"""An EHR's script writes launches straight into Redis, knowing nothing but docs/reference/launch-record.md."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from authz.audit.model import AuditEventRow
from authz.audit.order import ORDER
from authz.launch.launch import launch_id_of
from tests.live import live_server
from tests.servers import redis_server
from tests.world import FHIR, OTHER_FHIR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authz.services import Services
    from tests.live import Live
    from tests.servers import RedisServer
    from tests.transport import Reply

pytestmark = pytest.mark.redis

SCOPE = "launch openid fhirUser patient/*.rs"
UNUSABLE = "the launch is unknown, expired or already used, or it was made for another app, FHIR server or request"
FAR = 4_102_444_800


THE_APP_WAS_TOLD = ("authorize.refused", "refused", "invalid_request")


@dataclass(frozen=True)
class Hospital:
    live: Live
    store: RedisServer

    def write(self, seconds: int = 300, **changes: Any) -> str:
        """What the page says: a handle, its key, the record and a lifetime."""
        handle = secrets.token_urlsafe(32)
        record = {"client_id": "public", "fhir_server": FHIR, "user": "Practitioner/dr", "patient": "A", **changes}
        record.setdefault("exp", int(time.time()) + seconds)
        return self.put(handle, json.dumps({name: value for name, value in record.items() if value is not None}))

    def put(self, handle: str, value: str, seconds: int = 300) -> str:
        key = f"authz:launch:{sha256(handle.encode()).hexdigest()}"
        command = ["redis-cli", "-p", str(self.store.port), "-x", "SETEX", key, str(seconds)]
        done = subprocess.run(command, input=value, capture_output=True, text=True, check=True)
        assert done.stdout == "OK\n"
        return handle

    def trail(self, handle: str) -> list[tuple[str, str, str | None]]:
        """What the audit trail says of a launch; its id is not secret and follows from the handle."""
        made: Services = self.live.app.extensions["authz"]
        launch_id = launch_id_of(sha256(handle.encode()).hexdigest())
        with self.live.app.app_context(), made.db.read() as session:
            its = select(AuditEventRow).where(AuditEventRow.launch_id == launch_id).order_by(*ORDER)
            return [(row.event, row.outcome, row.reason) for row in session.scalars(its)]


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with (
        redis_server() as store,
        live_server(tmp_path_factory.mktemp("direct"), redis_url=store.url) as live,
    ):
        live.change_fhir_server(redis_launches=True)
        yield Hospital(live, store)


def refusal(reply: Reply) -> tuple[str, str]:
    answer = reply.location_parameters
    return answer["error"], answer["error_description"].partition(" (")[0]


def test_a_launch_written_into_redis_runs_as_any_other(hospital: Hospital) -> None:
    """Decision 4: the context arrives in the token response and at the FHIR server; its first use is audited."""
    handle = hospital.write(encounter="E1", fhirContext=[{"reference": "ServiceRequest/7"}], need_patient_banner=True)
    tokens = hospital.live.public.tokens(handle, SCOPE)
    for name in ("access_token", "id_token"):
        assert name in tokens
    context = {
        "patient": "A",
        "encounter": "E1",
        "fhirContext": [{"reference": "ServiceRequest/7"}],
        "need_patient_banner": True,
    }
    told = {name: value for name, value in tokens.items() if not name.endswith("_token")}
    assert told == {"token_type": "Bearer", "expires_in": 3600, "scope": SCOPE, **context}
    answer = hospital.live.fhir_server.introspect(tokens["access_token"])
    assert answer["active"] is True
    assert {name: answer[name] for name in context} == context
    assert answer["fhirUser"] == f"{FHIR}/Practitioner/dr"
    assert hospital.trail(handle)[:2] == [("launch.created", "success", None), ("launch.used", "success", None)]


def test_it_works_once(hospital: Hospital) -> None:
    handle = hospital.write()
    hospital.live.public.tokens(handle, SCOPE)
    assert refusal(hospital.live.public.launched(handle, SCOPE)) == ("invalid_request", UNUSABLE)
    assert hospital.trail(handle)[-2:] == [("launch.refused", "refused", "launch_used"), THE_APP_WAS_TOLD]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"patient": "Patient/A"}, "launch_malformed"),
        ({"exp": None}, "launch_malformed"),
        ({"unknown": 1}, "launch_malformed"),
        ({"exp": FAR}, "launch_long_lived"),
        ({"client_id": "nobody"}, "launch_foreign"),
        ({"fhir_server": "https://evil.example"}, "launch_foreign"),
        ({"fhir_server": OTHER_FHIR}, "launch_foreign"),
    ],
)
def test_a_malformed_long_lived_or_foreign_record_is_refused_and_audited(
    hospital: Hospital, changes: dict[str, Any], reason: str
) -> None:
    """Decision 4: the app hears nothing but ``invalid_request``, the hospital reads why."""
    handle = hospital.write(**changes)
    assert refusal(hospital.live.public.launched(handle, SCOPE)) == ("invalid_request", UNUSABLE)
    assert hospital.trail(handle) == [("launch.refused", "refused", reason), THE_APP_WAS_TOLD]


def test_a_record_that_is_no_json_is_refused_and_audited(hospital: Hospital) -> None:
    handle = hospital.put(secrets.token_urlsafe(32), "{not json")
    assert refusal(hospital.live.public.launched(handle, SCOPE)) == ("invalid_request", UNUSABLE)
    assert hospital.trail(handle) == [("launch.refused", "refused", "launch_malformed"), THE_APP_WAS_TOLD]


def test_a_key_that_lives_longer_than_300_seconds_is_refused_and_audited(hospital: Hospital) -> None:
    record = {"client_id": "public", "fhir_server": FHIR, "user": "Practitioner/dr", "exp": int(time.time()) + 300}
    handle = hospital.put(secrets.token_urlsafe(32), json.dumps(record), seconds=86_400)
    assert refusal(hospital.live.public.launched(handle, SCOPE)) == ("invalid_request", UNUSABLE)
    assert hospital.trail(handle) == [("launch.refused", "refused", "launch_long_lived"), THE_APP_WAS_TOLD]
