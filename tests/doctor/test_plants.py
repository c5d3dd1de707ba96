"""``authz doctor`` finds each planted misconfiguration, that one only, and nothing once it is mended."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert, text, update
from sqlalchemy.engine import make_url

from authz.audit.event import Event, EventName
from authz.audit.model import AuditEventRow, AuditExportRow
from authz.clients.metadata import ClientMetadata
from authz.clients.model import ClientRow
from authz.clients.registry import HospitalDecisions
from authz.doctor.finding import KINDS
from authz.keyring.model import SigningKeyRow
from authz.login.federated.registry import NewProvider
from authz.registration.model import RegistrationRow
from tests.cli.conftest import Cli
from tests.servers import free_port, redis_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.doctor.conftest import Installation, Reply

LONG_AGO = datetime.now(UTC) - timedelta(days=800)
PLANTS: dict[str, Callable[[Installation], None]] = {}


def plants(finding: str) -> Callable[[Callable[[Installation], None]], Callable[[Installation], None]]:
    def note(plant: Callable[[Installation], None]) -> Callable[[Installation], None]:
        assert finding not in PLANTS
        PLANTS[finding] = plant
        return plant

    return note


def change(installation: Installation, **values: Any) -> None:
    with installation.app.app_context(), installation.services.db.write() as session:
        installation.services.fhir_servers.update(session, "demo", values)


def sql(installation: Installation, statement: Any) -> None:
    with installation.app.app_context(), installation.services.db.engine.begin() as connection:
        connection.execute(statement)


def fhir_says(installation: Installation, path: str, meddle: Callable[[Reply], None]) -> None:
    """Let the FHIR server's proxy change the answers whose request line ends like this."""

    def after(line: str, reply: Reply, _environ: object) -> None:
        if line.endswith(path):
            meddle(reply)

    installation.fhir.after = after


def issuer_says(installation: Installation, path: str, meddle: Callable[[Reply], None]) -> None:
    def after(line: str, reply: Reply, _environ: object) -> None:
        if line.endswith(path):
            meddle(reply)

    installation.issuer.after = after


# --- the FHIR server


@plants("fhir.none")
def no_fhir_server(installation: Installation) -> None:
    with installation.app.app_context(), installation.services.db.write() as session:
        installation.services.fhir_servers.set_enabled(session, "demo", enabled=False)


@plants("fhir.unreachable")
def fhir_server_away(installation: Installation) -> None:
    change(installation, base_url=f"http://127.0.0.1:{free_port()}/fhir")


@plants("fhir.discovery_missing")
def no_document(installation: Installation) -> None:
    fhir_says(installation, "/smart-configuration", lambda reply: reply.become(404))


@plants("fhir.discovery_differs")
def old_copy_of_the_document(installation: Installation) -> None:
    fhir_says(installation, "/smart-configuration", lambda reply: reply.put(token_endpoint="https://old.example/token"))


@plants("fhir.discovery_cors")
def document_without_cors(installation: Installation) -> None:
    fhir_says(
        installation,
        "/smart-configuration",
        lambda reply: reply.headers.update({"access-control-allow-origin": "*, *"}),
    )


@plants("fhir.metadata_security")
def metadata_without_security(installation: Installation) -> None:
    fhir_says(installation, "/metadata", lambda reply: reply.put(rest=[{"mode": "server"}]))


@plants("fhir.aud")
def another_spelling_of_the_base_url(installation: Installation) -> None:
    url = installation.config.fhir.upper().replace("HTTP", "http")
    fhir_says(installation, "/metadata", lambda reply: reply.put(implementation={"url": url}))


@plants("fhir.version")
def another_fhir_version(installation: Installation) -> None:
    fhir_says(installation, "/metadata", lambda reply: reply.put(fhirVersion="5.0.0"))


@plants("fhir.alias")
def alias_that_answers_nobody(installation: Installation) -> None:
    change(installation, aliases=(f"http://127.0.0.1:{free_port()}/fhir",))


@plants("fhir.open")
def open_door(installation: Installation) -> None:
    fhir_says(installation, "/Patient", lambda reply: reply.become(200))


@plants("fhir.any_token")
def any_token_will_do(installation: Installation) -> None:
    def after(line: str, reply: Reply, environ: dict[str, Any]) -> None:
        if line.endswith("/Patient") and "HTTP_AUTHORIZATION" in environ:
            reply.become(200)

    installation.fhir.after = after


@plants("fhir.introspection")
def introspection_secret_changed(installation: Installation) -> None:
    with installation.app.app_context(), installation.services.db.write() as session:
        installation.services.fhir_servers.rotate_secret(session, "demo", timedelta(0))


@plants("fhir.not_401")
def forbidden_instead_of_unauthorized(installation: Installation) -> None:
    fhir_says(installation, "/Observation", lambda reply: reply.become(403))


@plants("fhir.challenge")
def no_challenge(installation: Installation) -> None:
    fhir_says(installation, "/Patient", lambda reply: reply.lose("www-authenticate"))


@plants("fhir.clock")
def fhir_clock_behind(installation: Installation) -> None:
    installation.fhir.seconds_ahead = -120


# --- the public address


@plants("issuer.unreachable")
def nothing_behind_the_proxy(installation: Installation) -> None:
    issuer_says(installation, "/openid-configuration", lambda reply: reply.become(502, b"bad gateway"))


@plants("issuer.other")
def another_issuer(installation: Installation) -> None:
    issuer_says(installation, "/openid-configuration", lambda reply: reply.put(issuer="https://other.example"))


@plants("issuer.differs")
def cached_document(installation: Installation) -> None:
    issuer_says(installation, "/openid-configuration", lambda reply: reply.put(prompt_values_supported=["none"]))


@plants("issuer.well_known")
def well_known_not_routed(installation: Installation) -> None:
    issuer_says(installation, "/oauth-authorization-server", lambda reply: reply.become(404))


@plants("issuer.cors")
def proxy_drops_cors(installation: Installation) -> None:
    issuer_says(
        installation,
        "/openid-configuration",
        lambda reply: reply.lose("access-control-allow-origin"),
    )


@plants("issuer.cors_token")
def proxy_answers_preflights_itself(installation: Installation) -> None:
    issuer_says(installation, "OPTIONS /token", lambda reply: reply.lose("access-control-allow-origin"))


@plants("issuer.cors_open")
def proxy_allows_every_origin(installation: Installation) -> None:
    issuer_says(
        installation, "OPTIONS /token", lambda reply: reply.headers.update({"access-control-allow-origin": "*"})
    )


@plants("issuer.installation")
def another_installation_answers(installation: Installation) -> None:
    issuer_says(installation, "/self-test", lambda reply: reply.become(404))


@plants("issuer.clock")
def issuer_clock_behind(installation: Installation) -> None:
    issuer_says(installation, "/self-test", lambda reply: reply.put(at=datetime.now(UTC).timestamp() - 120))


@plants("jwks.unreachable")
def keys_not_routed(installation: Installation) -> None:
    issuer_says(installation, "/jwks", lambda reply: reply.become(404))


@plants("jwks.differs")
def cached_keys(installation: Installation) -> None:
    issuer_says(installation, "/jwks", lambda reply: reply.put(keys=reply.json()["keys"][:1]))


@plants("jwks.caching")
def keys_cached_for_a_day(installation: Installation) -> None:
    issuer_says(installation, "/jwks", lambda reply: reply.headers.update({"cache-control": "public, max-age=86400"}))


@plants("proxy.untrusted")
def proxy_not_named(installation: Installation) -> None:
    def before(environ: dict[str, Any]) -> None:
        given = environ.get("HTTP_X_FORWARDED_FOR")
        environ["HTTP_X_FORWARDED_FOR"] = f"{given}, 198.51.100.7" if given else "198.51.100.7"

    installation.issuer.before = before


@plants("proxy.spoofable")
def everybody_is_trusted(installation: Installation) -> None:
    installation.serve(trusted_proxies="127.0.0.0/8")


# --- inside


@plants("settings.invalid")
def secrets_readable_by_others(installation: Installation) -> None:
    (installation.services.settings.keys_dir / "secrets.json").chmod(0o644)


@plants("database.unreachable")
def no_database(installation: Installation) -> None:
    installation.extra = {"AUTHZ_DATABASE_URL": f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/none"}


@plants("database.revision")
def schema_of_another_version(installation: Installation) -> None:
    sql(installation, text("UPDATE alembic_version SET version_num = '0001'"))


@plants("database.readable")
def database_readable_by_others(installation: Installation) -> None:
    Path(make_url(installation.services.settings.database_url).database or "").chmod(0o644)


@plants("audit.unsealed")
def sealer_does_not_run(installation: Installation) -> None:
    installation.seal()
    trail = installation.services.trail
    with installation.app.app_context(), installation.services.db.write() as session:
        row = trail.row(Event(EventName.LOGOUT))
        row.at = datetime.now(UTC) - timedelta(minutes=5)
        session.add(row)
        session.execute(update(AuditEventRow).where(AuditEventRow.id != row.id).values(at=LONG_AGO))


@plants("audit.export_behind")
def second_system_is_away(installation: Installation) -> None:
    file = installation.services.settings.keys_dir / "no-such-folder" / "audit.jsonl"
    installation.serve(audit_export=str(file))
    services, exporter = installation.services, installation.services.exporter
    assert exporter is not None
    with installation.app.app_context():
        with services.db.write() as session:
            services.trail.record(session, Event(EventName.LOGOUT))
        installation.seal()
        assert exporter.tell() == 0
        sql(installation, update(AuditExportRow).values(failing_since=datetime.now(UTC) - timedelta(minutes=6)))


@plants("audit.export_mark")
def somebody_keeps_the_trail_from_the_second_system(installation: Installation) -> None:
    installation.serve(audit_export=str(installation.services.settings.keys_dir.parent / "audit.jsonl"))
    services, exporter = installation.services, installation.services.exporter
    assert exporter is not None
    with installation.app.app_context():
        with services.db.write() as session:
            services.trail.record(session, Event(EventName.LOGOUT))
        installation.seal()
        assert exporter.tell() > 0
        sql(installation, update(AuditExportRow).values(seq=9_000_000_000_000))


@plants("store.unreachable")
def no_store(installation: Installation) -> None:
    installation.extra = {"AUTHZ_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}


@plants("keys.active")
def signing_key_readable_by_others(installation: Installation) -> None:
    with installation.app.app_context():
        installation.services.keyring.keys()  # the server that runs has read it
    key_file(installation, "active").chmod(0o644)


@plants("keys.file")
def next_key_not_copied_to_this_machine(installation: Installation) -> None:
    key_file(installation, "next").unlink()


@plants("keys.next")
def no_next_key(installation: Installation) -> None:
    sql(installation, text("DELETE FROM signing_key WHERE state = 'next'"))
    installation.services.keyring.forget()


@plants("keys.directory")
def others_may_put_keys_there(installation: Installation) -> None:
    installation.services.settings.keys_dir.chmod(0o770)


@plants("keys.rotation")
def key_of_two_years(installation: Installation) -> None:
    sql(installation, update(SigningKeyRow).where(SigningKeyRow.state == "active").values(activated_at=LONG_AGO))


@plants("keys.retired")
def retired_key_still_published(installation: Installation) -> None:
    installation.authz("keys", "rotate", "--now")
    sql(installation, update(SigningKeyRow).where(SigningKeyRow.state == "retired").values(retired_at=LONG_AGO))
    installation.services.keyring.forget()


@plants("keys.secrets")
def old_secrets(installation: Installation) -> None:
    path = installation.services.settings.keys_dir / "secrets.json"
    content = json.loads(path.read_text())
    content["keys"][0]["created_at"] = LONG_AGO.isoformat()
    path.write_text(json.dumps(content))


@plants("client.jwks_uri")
def keys_of_an_app_not_published(installation: Installation) -> None:
    app = {
        "client_name": "Backend",
        "token_endpoint_auth_method": "private_key_jwt",
        "grant_types": ["client_credentials"],
        "jwks_uri": "https://127.0.0.1:1/jwks",
        "scope": "system/*.rs",
    }
    with installation.app.app_context(), installation.services.db.write() as session:
        decisions = HospitalDecisions(fhir_servers=("demo",))
        installation.services.clients.add(session, ClientMetadata.load(app), decisions, client_id="backend")


@plants("client.legacy")
def switch_that_stayed_on(installation: Installation) -> None:
    noted = {"allow-missing-pkce": {"since": LONG_AGO.isoformat(), "by": "root", "reason": "SMART 1.0 app"}}
    statement = text("UPDATE client SET legacy = :noted WHERE client_id = 'referral'")
    sql(installation, statement.bindparams(noted=json.dumps(noted)))


@plants("registration.no_tests")
def door_without_a_sandbox(installation: Installation) -> None:
    change(installation, sandbox_patients=())


@plants("registration.waiting")
def request_that_nobody_decides_about(installation: Installation) -> None:
    waits = {
        "client_id": "referral",
        "lane": "provider",
        "state": "requested",
        "token_digest": "",
        "source": "open",
        "source_id": "",
        "fhir_server": "demo",
        "reason": "",
        "created_at": LONG_AGO,
    }
    sql(installation, insert(RegistrationRow).values(waits))
    sql(installation, update(ClientRow).where(ClientRow.client_id == "referral").values(approved=False))


@plants("sign_in.administrator")
def administrator_without_an_authenticator(installation: Installation) -> None:
    users = installation.services.users
    with installation.app.app_context(), installation.services.db.write() as session:
        ada = users.add(session, "ada", "Ada")
        users.set_role(session, ada.sub, "administrator")
        installation.services.passwords.set_password(session, ada.sub, "ada-password")


@plants("sign_in.provider")
def provider_that_does_not_answer(installation: Installation) -> None:
    new = NewProvider("hospital", f"http://127.0.0.1:{free_port()}", "authz", "Hospital ID")
    with installation.app.app_context(), installation.services.db.write() as session:
        installation.services.federation.providers.add(session, new, "a secret of the provider's")


def key_file(installation: Installation, state: str) -> Any:
    with installation.app.app_context(), installation.services.db.read() as session:
        kid = session.execute(text("SELECT kid FROM signing_key WHERE state = :state"), {"state": state}).scalar_one()
    return installation.services.settings.keys_dir / f"{kid}.pem"


ELSEWHERE = {
    "database.plain": "test_addresses.py",
    "database.any_host": "test_addresses.py",
    "database.clock": "test_healthy.py",
    "database.owner": "test_healthy.py",
    "database.connections": "test_healthy.py",
    "store.plain": "test_addresses.py",
    "store.unverified": "test_addresses.py",
    "store.one_machine": "test_addresses.py",
    "store.policy": "below",
    "store.full": "below",
    "store.strangers": "below",
    "store.unbounded": "below",
    "store.persistence": "below",
    "store.version": "test_addresses.py",
    "fhir.who_is_who": "test_who_is_who.py",
    "sign_in.claim": "test_sign_in.py",
    "sign_in.local_accounts": "test_sign_in.py",
    "tls.certificate": "test_tls.py",
    "tls.expires": "test_tls.py",
    "tls.old": "test_tls.py",
    "doctor.unfinished": "test_addresses.py",
}


@pytest.mark.parametrize("finding", sorted(PLANTS))
def test_the_doctor_finds_what_was_planted(installation: Installation, finding: str) -> None:
    """Exactly one finding: its id, its severity, what it is about, and how to mend it."""
    PLANTS[finding](installation)
    if finding != "audit.unsealed":
        installation.seal()
    code, found = installation.doctor()
    assert [one["id"] for one in found] == [finding], found
    (told,) = found
    kind = KINDS[finding]
    assert (told["severity"], told["fix"]) == (kind.severity, kind.fix)
    assert told["about"]
    assert told["problem"]
    assert code == (1 if kind.severity == "error" else 0)


def test_every_kind_of_finding_is_planted_somewhere() -> None:
    assert PLANTS.keys() | ELSEWHERE.keys() == KINDS.keys()
    assert not PLANTS.keys() & ELSEWHERE.keys()


def test_a_proxy_on_the_machine_that_asks_is_nothing_to_mend(installation: Installation) -> None:
    """As `docs/how-to/production.md` has it: nginx beside the server, and the doctor run there."""

    def before(environ: dict[str, Any]) -> None:
        given = environ.get("HTTP_X_FORWARDED_FOR")
        environ["HTTP_X_FORWARDED_FOR"] = f"{given}, 127.0.0.1" if given else "127.0.0.1"

    installation.serve(trusted_proxies="127.0.0.1/32")
    installation.issuer.before = before
    installation.seal()
    assert installation.doctor() == (0, [])


def test_what_was_mended_is_found_no_more(installation: Installation) -> None:
    for finding in ("fhir.open", "proxy.untrusted"):
        PLANTS[finding](installation)
        assert [one["id"] for one in installation.doctor()[1]] == [finding]
        installation.fhir.rest()
        installation.issuer.rest()
        assert installation.doctor() == (0, [])


def test_a_mark_that_was_mended_by_the_server_is_found_for_a_week(installation: Installation) -> None:
    """Whoever looks a day later must hear that somebody wrote into the database (security.md AU-3)."""
    PLANTS["audit.export_mark"](installation)
    exporter = installation.services.exporter
    assert exporter is not None
    with installation.app.app_context():
        assert exporter.tell() == 0  # it is mended at once, and what was found has to be sealed
    installation.seal()
    assert [one["id"] for one in installation.doctor()[1]] == ["audit.export_mark"]
    before = datetime.now(UTC) - timedelta(days=8)
    with installation.app.app_context(), installation.services.db.write() as session:
        for trigger in session.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
            session.execute(text(f"DROP TRIGGER {trigger}"))
        session.execute(update(AuditEventRow).where(AuditEventRow.reason == "beyond_the_trail").values(at=before))
    assert installation.doctor() == (0, [])


def test_people_read_what_to_do(installation: Installation) -> None:
    """Two lines for each finding, the worst first; one line when there is none."""
    open_door(installation)
    installation.seal()
    code, out, _ = Cli(installation.environ).run("doctor")
    assert code == 1
    assert out.splitlines() == [
        "ERROR    fhir.open  demo: GET Patient without a token is answered",
        f"         {KINDS['fhir.open'].fix}",
        "1 findings",
    ]


@pytest.mark.redis
@pytest.mark.parametrize(
    ("finding", "options"),
    [
        ("store.policy", ("--appendonly", "yes", "--maxmemory", "1gb", "--maxmemory-policy", "allkeys-lru")),
        ("store.full", ("--appendonly", "yes", "--maxmemory", "1100kb")),
        ("store.strangers", ("--appendonly", "yes", "--maxmemory", "127mb")),
        ("store.unbounded", ("--appendonly", "yes")),
        ("store.persistence", ("--maxmemory", "1gb")),
    ],
)
def test_the_doctor_looks_into_redis(installation: Installation, finding: str, options: tuple[str, ...]) -> None:
    with redis_server(*options) as store:
        installation.serve(redis_url=store.url)
        installation.seal()
        _, found = installation.doctor()
        assert [one["id"] for one in found] == [finding], found
