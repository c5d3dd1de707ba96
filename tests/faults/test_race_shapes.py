"""Twelve at once against each shape of the server: one process and four, threads and none (security.md R-14).

``test_races`` holds two processes of eight threads, which is how the server is shipped, over fifty rounds; here each
race is run over fewer, and there are races with whoever switches off a person or an app. PAR is not offered.
"""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from authz.clients.metadata import ClientMetadata
from authz.registration.initial_tokens import NewInitialToken
from tests.actors import Browser, Ehr, FhirServer, SmartApp, new_verifier
from tests.faults.load import service_form
from tests.faults.site import site
from tests.live import at_once
from tests.servers import postgres_server, wait_until
from tests.transport import OverHttp
from tests.vendor import METADATA, Vendor, bearer
from tests.world import PUBLIC, VETTED, actors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.orm import Session

    from tests.faults.site import Site
    from tests.transport import Reply

pytestmark = [pytest.mark.race, pytest.mark.fault, pytest.mark.campaign]

RACERS, ROUNDS = 12, 10
SIGN_INS = 6  # of one person within ten minutes, of the ten that are allowed
SCOPE = "launch openid fhirUser patient/*.rs offline_access"
STANDALONE = "launch/patient openid patient/*.rs offline_access"
LAUNCH = {"patient": "A", "launch_url": "https://app.example/launch"}
SHAPES: dict[str, dict[str, Any]] = {
    "1 worker": {"WEB_CONCURRENCY": 1},
    "4 workers": {"WEB_CONCURRENCY": 4},
    "4 sync workers": {"WEB_CONCURRENCY": 4, "GUNICORN_CMD_ARGS": "--worker-class sync"},
}
DATABASES = ("SQLite", "PostgreSQL")


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((shape, database), marks=[pytest.mark.postgres] if database == "PostgreSQL" else [])
        for shape in SHAPES
        for database in DATABASES
    ],
    ids=", ".join,
)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    shape, database = request.param
    with ExitStack() as stack:
        server = stack.enter_context(postgres_server()) if database == "PostgreSQL" else None
        limits: dict[str, Any] = {"AUTHZ_REGISTRATIONS_PER_HOUR": 100_000, "AUTHZ_UNAPPROVED_APPS": 100_000}
        made = stack.enter_context(site(tmp_path_factory.mktemp("shape"), server, **SHAPES[shape], **limits))
        own = made.app.extensions["authz"]
        with made.app.app_context(), own.db.write() as session:
            own.fhir_servers.update(session, "main", {"registration": "open"})
        yield made
        with made.app.app_context():
            own.db.engine.dispose()
        assert made.errors() == []


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(RACERS) as threads:
        yield threads


@pytest.fixture
def cast(running: Site) -> tuple[Ehr, SmartApp, FhirServer]:
    found = actors(OverHttp(running.issuer))
    ehr, app, fhir_server = found["ehr"], found["public"], found["fhir_server"]
    assert isinstance(ehr, Ehr)
    assert isinstance(app, SmartApp)
    assert isinstance(fhir_server, FhirServer)
    return ehr, app, fhir_server


def launched(ehr: Ehr, app: SmartApp, user: str = "Practitioner/dr") -> str:
    return str(ehr.launch(app.client_id, user, **LAUNCH)["launch"])


def told(replies: list[Reply]) -> Counter[tuple[int, str]]:
    """Status and error of each answer; ``""`` where it is a success."""
    return Counter((reply.status, reply.json().get("error", "")) for reply in replies)


def is_dead(app: SmartApp, fhir_server: FhirServer, tokens: dict[str, Any]) -> bool:
    again = app.refresh(tokens["refresh_token"])
    return fhir_server.introspect(tokens["access_token"]) == {"active": False} and again.status in {400, 401}


def test_a_code(running: Site, cast: Any, pool: ThreadPoolExecutor) -> None:
    """R-14, TK-11: one is paid, and as the code came again, what it bought is taken back."""
    ehr, app, fhir_server = cast
    for _ in range(ROUNDS):
        code = app.code(launched(ehr, app), SCOPE)
        replies = at_once([partial(app.redeem, code)] * RACERS, pool)
        assert told(replies) == {(200, ""): 1, (400, "invalid_grant"): RACERS - 1}
        (tokens,) = [reply.json() for reply in replies if reply.status == 200]
        assert is_dead(app, fhir_server, tokens)
    assert running.truth().live_refresh == {}


def test_a_refresh_token(running: Site, cast: Any, pool: ThreadPoolExecutor) -> None:
    """R-14, TK-25: one successor, or one more for a lost answer, of which one is alive."""
    ehr, app, fhir_server = cast
    for _ in range(ROUNDS):
        first = app.tokens(launched(ehr, app), SCOPE)
        replies = at_once([partial(app.refresh, first["refresh_token"])] * RACERS, pool)
        answers = told(replies)
        assert answers[200, ""] in {1, 2}
        assert answers == {(200, ""): answers[200, ""], (400, "invalid_grant"): RACERS - answers[200, ""]}
        pairs = [reply.json() for reply in replies if reply.status == 200]
        assert [fhir_server.introspect(pair["access_token"])["active"] for pair in pairs].count(True) == 1
    assert set(running.truth().live_refresh.values()) <= {1}


def test_a_launch(cast: Any, pool: ThreadPoolExecutor) -> None:
    """R-14, decisions 4 and 14."""
    ehr, app, _ = cast
    for _ in range(ROUNDS):
        launch = launched(ehr, app)
        racers = [replace(app, verifier=new_verifier(), state=new_verifier()) for _ in range(RACERS)]
        replies = at_once([partial(racer.launched, launch, SCOPE) for racer in racers], pool)
        assert Counter((reply.status, reply.location_parameters.get("error", "")) for reply in replies) == {
            (303, ""): 1,
            (303, "invalid_request"): RACERS - 1,
        }


def test_an_assertion(running: Site, cast: Any, pool: ThreadPoolExecutor) -> None:
    """R-14, RFC 7523 §3: a ``jti`` is believed once."""
    _, app, _ = cast
    for _ in range(ROUNDS):
        form = service_form(running.issuer, running.keys, secrets.token_hex(16))
        service = replace(app, client_id="bulk")
        answers = told(at_once([partial(service.post, "/token", form)] * RACERS, pool))
        assert answers.pop((200, "")) == 1
        assert answers.total() == RACERS - 1
        assert answers.keys() <= {(401, "invalid_client"), (429, "temporarily_unavailable")}  # 30 failures a minute


def test_a_consent(running: Site, cast: Any, pool: ThreadPoolExecutor) -> None:
    """R-14: the page is sent twelve times, and one code comes of it."""
    _, app, _ = cast
    browser = Browser(OverHttp(running.issuer))
    browser.sign_in(browser.open(app.authorize_url(scope=STANDALONE)), "alice", "alice-password")
    for _ in range(ROUNDS):
        own = replace(app, verifier=new_verifier(), state=new_verifier())
        page = browser.open(own.authorize_url(scope=STANDALONE, prompt="consent"))
        assert page.status == 200
        tabs = [replace(browser, cookies=dict(browser.cookies)) for _ in range(RACERS)]
        replies = at_once([partial(tab.submit, page, press="allow") for tab in tabs], pool)
        assert max(reply.status for reply in replies) < 500
        codes = {reply.location_parameters["code"] for reply in replies if reply.status in {302, 303}}
        assert len(codes) == 1
        assert own.redeem(codes.pop()).status == 200


def test_a_person_who_is_switched_off(running: Site, cast: Any, pool: ThreadPoolExecutor) -> None:
    """R-14, I4: whatever was answered meanwhile is dead."""
    ehr, app, fhir_server = cast
    own = running.app.extensions["authz"]
    for _ in range(ROUNDS):
        first = app.tokens(launched(ehr, app, f"Practitioner/{secrets.token_hex(4)}"), SCOPE)
        sub = fhir_server.introspect(first["access_token"])["sub"]

        def switch_off(session: Session, sub: str = sub) -> None:
            own.users.set_enabled(session, sub, enabled=False)

        end = partial(own.revocation.revoke_user, sub, "user_disabled", within=switch_off)
        check_end(running, cast, pool, first, end)


def test_a_person_who_gets_a_new_password(running: Site, cast: Any, pool: ThreadPoolExecutor) -> None:
    """R-14, I4: whoever has stolen their session keeps nothing of what it was good for meanwhile."""
    _, app, fhir_server = cast
    own = running.app.extensions["authz"]
    thief = Browser(OverHttp(running.issuer))
    page = thief.sign_in(thief.open(app.authorize_url(scope=STANDALONE)), "alice", "alice-password")
    page = page if page.status != 200 else thief.submit(page, press="allow")
    first = app.redeem(page.location_parameters["code"]).json()
    sub = fhir_server.introspect(first["access_token"])["sub"]

    def operate() -> None:
        def set_password(session: Session) -> None:
            own.passwords.set_password(session, sub, "alice-password")

        with running.app.app_context():
            own.revocation.revoke_user(sub, "password_changed", within=set_password)

    for _ in range(SIGN_INS):
        tabs = [replace(thief, cookies=dict(thief.cookies)) for _ in range(RACERS - 1)]
        jobs: list[Callable[[], Reply | None]] = [operate]
        jobs += [partial(tab.open, app.authorize_url(scope=STANDALONE, prompt="none")) for tab in tabs]
        replies = [reply for reply in at_once(jobs, pool) if reply is not None]
        for code in [reply.location_parameters.get("code") for reply in replies]:
            redeemed = None if code is None else app.redeem(code)
            assert redeemed is None or redeemed.status == 400 or is_dead(app, fhir_server, redeemed.json())
        thief = Browser(OverHttp(running.issuer))
        assert (
            "code"
            in thief.sign_in(
                thief.open(app.authorize_url(scope=STANDALONE)), "alice", "alice-password"
            ).location_parameters
        )


def test_a_person_whose_session_grants_without_a_pause(running: Site, cast: Any, pool: ThreadPoolExecutor) -> None:
    """I4: the operator's turn comes, however many requests of a stolen session are always on their way."""
    _, app, fhir_server = cast
    own = running.app.extensions["authz"]
    thief = Browser(OverHttp(running.issuer))
    page = thief.sign_in(thief.open(app.authorize_url(scope=STANDALONE)), "alice", "alice-password")
    page = page if page.status != 200 else thief.submit(page, press="allow")
    sub = fhir_server.introspect(app.redeem(page.location_parameters["code"]).json()["access_token"])["sub"]
    codes: list[str] = []
    is_over = threading.Event()

    def grant() -> None:
        tab = replace(thief, cookies=dict(thief.cookies))
        while not is_over.is_set():
            code = tab.open(app.authorize_url(scope=STANDALONE, prompt="none")).location_parameters.get("code")
            codes.extend([code] if code else [])

    granting = [pool.submit(grant) for _ in range(RACERS)]
    wait_until(lambda: len(codes) > RACERS, "grants")

    def set_password(session: Session) -> None:
        own.passwords.set_password(session, sub, "alice-password")

    try:
        with running.app.app_context():
            own.revocation.revoke_user(sub, "password_changed", within=set_password)
    finally:
        is_over.set()
    for each in granting:
        each.result(30)
    assert {app.redeem(code).status for code in codes[-RACERS:]} == {400}


def test_an_app_that_is_removed(running: Site, cast: Any, pool: ThreadPoolExecutor) -> None:
    """R-14, I4: whatever was answered meanwhile is dead; the app is not known any more."""
    ehr, app, fhir_server = cast
    own = running.app.extensions["authz"]
    for number in range(ROUNDS):
        gone = replace(app, client_id=f"gone-{number}-{secrets.token_hex(4)}")
        with running.app.app_context(), own.db.write() as session:
            own.clients.add(session, ClientMetadata.load(PUBLIC), VETTED, client_id=gone.client_id)
        first = gone.tokens(launched(ehr, gone), SCOPE)

        def remove(session: Session, client_id: str = gone.client_id) -> None:
            own.clients.remove(session, client_id)

        end = partial(own.revocation.revoke_client, gone.client_id, "client_removed", within=remove)
        check_end(running, (ehr, gone, fhir_server), pool, first, end)


def check_end(
    running: Site, cast: Any, pool: ThreadPoolExecutor, first: dict[str, Any], end: Callable[[], int]
) -> None:
    """Eleven refreshes, and the operator, who ends it all."""
    _, app, fhir_server = cast

    def operate() -> None:
        with running.app.app_context():
            end()

    jobs: list[Callable[[], Reply | None]] = [operate]
    jobs += [partial(app.refresh, first["refresh_token"])] * (RACERS - 1)
    answered = [reply for reply in at_once(jobs, pool) if reply is not None]
    assert len(answered) == RACERS - 1
    assert {reply.status for reply in answered} <= {200, 400, 401}, [reply.text for reply in answered]
    for pair in [first, *(reply.json() for reply in answered if reply.status == 200)]:
        assert is_dead(app, fhir_server, pair)


def test_an_initial_access_token(running: Site, pool: ThreadPoolExecutor) -> None:
    """R-14, RG-01: its quota gets in, and nobody beyond it."""
    own, vendor = running.app.extensions["authz"], Vendor(OverHttp(running.issuer))
    for _ in range(ROUNDS):
        new = NewInitialToken("Acme", datetime.now(UTC) + timedelta(days=1), quota=3)
        with running.app.app_context(), own.db.write() as session:
            _, token = own.registration.initial_tokens.issue(session, new)
        replies = at_once([partial(vendor.send, METADATA, bearer(token))] * RACERS, pool)
        assert Counter(reply.status for reply in replies) == {201: 3, 401: RACERS - 3}
