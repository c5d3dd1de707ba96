"""The demo hospital on PostgreSQL and Redis: the same story as on the two SQLite files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy.engine import make_url

from demo.config import EHR_CREDENTIAL, FHIR_CREDENTIAL, GROWTH_CHART
from demo.hospital import ACCOUNTS
from tests.actors import Ehr, FhirServer, SmartApp
from tests.hospital import running_hospital
from tests.servers import RedisServer, postgres_server, redis_server
from tests.transport import OverHttp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hospital import Hospital
    from tests.transport import Reply

pytestmark = [pytest.mark.redis, pytest.mark.postgres]

SCOPE = "launch openid fhirUser online_access patient/Observation.crs patient/Patient.r"
CLINICIAN = ACCOUNTS["clinician"].fhir_user


@dataclass(frozen=True)
class Pair:
    hospital: Hospital
    database: str
    store: RedisServer
    ehr: Ehr
    fhir_server: FhirServer
    app: SmartApp

    def launch(self, **more: Any) -> str:
        launch_url = f"{self.hospital.config.app}/launch.html"
        return str(self.ehr.launch(GROWTH_CHART, CLINICIAN, launch_url=launch_url, patient="child-1", **more)["launch"])

    def fhir(self, path: str, token: str) -> Reply:
        return self.ehr.transport.send(
            "GET", f"{self.hospital.config.fhir}/{path}", {"Authorization": f"Bearer {token}"}
        )

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database) as connection:
            return connection.execute(query.encode()).fetchall()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with postgres_server() as postgres, redis_server() as store:
        database = postgres.new_database()
        environment = {"AUTHZ_DATABASE_URL": database, "AUTHZ_REDIS_URL": store.url}
        with running_hospital(tmp_path_factory.mktemp("pair"), environment) as hospital:
            config = hospital.config
            transport = OverHttp(config.issuer)
            yield Pair(
                hospital,
                make_url(database).set(drivername="postgresql").render_as_string(hide_password=False),
                store,
                Ehr(transport, EHR_CREDENTIAL.name, EHR_CREDENTIAL.secret, config.fhir),
                FhirServer(transport, FHIR_CREDENTIAL.name, FHIR_CREDENTIAL.secret),
                SmartApp(transport, GROWTH_CHART, f"{config.app}/", config.fhir),
            )


def test_a_launched_app_reads_its_patient_until_its_token_is_revoked(pair: Pair) -> None:
    """SMART section 6.1, INT-02, MGT-03: launch, token, FHIR read, introspection, revocation; MGT-01, REQ-67."""
    tokens = pair.app.tokens(pair.launch(need_patient_banner=False), SCOPE)
    token = tokens["access_token"]
    kept = {name: value for name, value in tokens.items() if not name.endswith("_token")}
    assert kept == {
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": SCOPE,
        "patient": "child-1",
        "need_patient_banner": False,
    }
    patient = pair.fhir("Patient/child-1", token)
    assert (patient.status, patient.json()["id"]) == (200, "child-1")
    assert pair.fhir("Patient/child-2", token).status in {403, 404}
    answer = pair.fhir_server.introspect(token)
    config = pair.hospital.config
    for name in ("jti", "sub", "iat", "exp"):
        assert answer.pop(name)
    assert answer == {
        "active": True,
        "scope": SCOPE,
        "client_id": GROWTH_CHART,
        "token_type": "Bearer",
        "iss": config.issuer,
        "aud": config.fhir,
        "fhirUser": f"{config.fhir}/{CLINICIAN}",
        "patient": "child-1",
        "need_patient_banner": False,
    }
    assert pair.app.revoke(tokens["refresh_token"]).status == 200
    assert pair.fhir_server.introspect(token) == {"active": False}
    assert pair.fhir("Patient/child-1", token).status == 401
    assert pair.app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_refresh_and_the_end_of_the_ehr_session_work_as_on_one_machine(pair: Pair) -> None:
    """SMART REF-11, REF-12, decision 3."""
    first = pair.app.tokens(pair.launch(session="pair-session"), SCOPE)
    second = pair.app.refresh(first["refresh_token"]).json()
    assert pair.fhir("Patient/child-1", second["access_token"]).status == 200
    assert pair.ehr.end_session("pair-session").status == 204
    assert pair.fhir_server.introspect(second["access_token"]) == {"active": False}
    assert pair.app.refresh(second["refresh_token"]).json()["error"] == "invalid_grant"


def test_the_truth_lies_in_postgresql_and_what_is_short_lived_in_redis(pair: Pair) -> None:
    """house.md: no SQLite file is made beside them."""
    pair.app.tokens(pair.launch(), SCOPE)
    assert pair.sql("SELECT count(*) > 0 FROM grant_record") == [(True,)]
    assert pair.store.command("KEYS", "authz:hot:*")
    assert not list((pair.hospital.folder / ".demo").glob("*.sqlite3"))


def test_the_trail_of_it_all_verifies(pair: Pair) -> None:
    """Decision 5, and the command line on the same two servers."""
    pair.app.tokens(pair.launch(), SCOPE)
    pair.hospital.authz("audit", "verify")
    events = {event for (event,) in pair.sql("SELECT DISTINCT event FROM audit_event")}
    assert {"launch.created", "launch.used", "token.issued"} <= events
