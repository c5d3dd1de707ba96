"""A client that goes, is switched off or is another one now: what it was granted is over a second later, everywhere."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete

from authz.registration.initial_tokens import NewInitialToken
from authz.registration.model import EarlierDecisionRow
from tests.actors import Browser, Ehr, FhirServer
from tests.cli.conftest import Cli
from tests.live import at_once, environment, live_server
from tests.messaging import MESSAGES, Window
from tests.servers import postgres_server, redis_server
from tests.transport import OverHttp
from tests.vendor import METADATA, Vendor
from tests.world import FHIR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.actors import SmartApp
    from tests.live import Live

ASKERS = 24  # each on a connection of its own, so that each worker has many of them
WITHIN = 1.0  # seconds
SCOPE = "launch patient/Observation.rs offline_access messaging/ui"
ON = ["sqlite", pytest.param("redis and postgres", marks=[pytest.mark.redis, pytest.mark.postgres])]


@pytest.fixture(scope="module", params=ON)
def live(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Two workers, and a FHIR server where anybody may register."""
    with ExitStack() as stack:
        database = store = ""
        if request.param != "sqlite":
            database = stack.enter_context(postgres_server()).new_database()
            store = stack.enter_context(redis_server()).url
        made = stack.enter_context(live_server(tmp_path_factory.mktemp("cascade"), database, store))
        stack.enter_context(made.app.app_context())
        made.change_fhir_server(registration="open")
        yield made


@dataclass
class Granted:
    """An app that registered itself, approved by an invitation, and everything that it was granted."""

    live: Live
    vendor: Vendor
    registered: dict[str, Any]
    app: SmartApp
    tokens: dict[str, Any]
    code: str

    def all_workers_say(self) -> tuple[set[bool], set[bool]]:
        """Whether the access token and the handle are active, as each of many askers is told."""
        issuer, token, handle = self.live.settings.issuer, self.tokens["access_token"], "smart_web_messaging_handle"

        def of_token() -> bool:
            return FhirServer(OverHttp(issuer), "rs-main", "rs-main-secret").introspect(token) != {"active": False}

        def of_handle() -> bool:
            window = Window(Ehr(OverHttp(issuer), "ehr-main", "ehr-main-secret", FHIR), self.app)
            return window.is_active(self.tokens[handle])

        with ThreadPoolExecutor(ASKERS) as pool:
            return set(at_once([of_token] * ASKERS, pool)), set(at_once([of_handle] * ASKERS, pool))


@pytest.fixture
def granted(live: Live) -> Granted:
    made = live.app.extensions["authz"]
    with made.db.write() as session:
        session.execute(delete(EarlierDecisionRow))  # the same app was switched off by another test
        new = NewInitialToken("partner", made.now() + timedelta(hours=1), approves=True)
        token = made.registration.initial_tokens.issue(session, new)[1]
    vendor = Vendor(OverHttp(live.settings.issuer))
    registered = vendor.register(token, scope=f"{METADATA['scope']} {MESSAGES}", token_endpoint_auth_method="none")
    app = vendor.app(registered, FHIR)
    window = Window(live.ehr, app)
    tokens = agreed(live, window)
    return Granted(live, vendor, registered, app, tokens, code_of(live, window))


def code_of(live: Live, window: Window) -> str:
    """The code of an EHR launch, agreed to by the doctor."""
    named = {"web_messaging_origin": window.origin, "launch_url": METADATA["launch_uris"][0]}
    launch = window.ehr.launch(window.app.client_id, "Practitioner/dr", patient="A", **named)["launch"]
    browser = Browser(OverHttp(live.settings.issuer))
    page = browser.open(window.app.authorize_url(launch=launch, scope=SCOPE))
    if page.status == 200:
        page = browser.submit(page, press="allow")
    return page.location_parameters["code"]


def agreed(live: Live, window: Window) -> dict[str, Any]:
    tokens: dict[str, Any] = window.app.redeem(code_of(live, window)).json()
    assert "smart_web_messaging_handle" in tokens, tokens
    return tokens


def deleted(granted: Granted) -> None:
    assert granted.vendor.delete(granted.registered).status == 204


def disabled(granted: Granted) -> None:
    """By another process, as an administrator does it."""
    kept = {n: v for n, v in environment(granted.live.settings, 0).items() if n.startswith("AUTHZ_")}
    Cli(kept)("client", "disable", granted.registered["client_id"])


def moved(granted: Granted) -> None:
    reply = granted.vendor.replace(granted.registered, redirect_uris=["https://vendor.example/elsewhere"])
    assert reply.status == 200


@pytest.mark.parametrize(("end", "error"), [(deleted, "invalid_client"), (disabled, "invalid_client"), (moved, "")])
def test_it_is_over_for_everything_that_was_granted_on_every_worker(
    granted: Granted, end: Callable[[Granted], None], error: str
) -> None:
    """RG-25, RG-23, MGT-03, WM-05: code, access token, refresh token and messaging handle, within a second."""
    assert granted.all_workers_say() == ({True}, {True})
    end(granted)
    time.sleep(WITHIN)
    assert granted.all_workers_say() == ({False}, {False})
    for refused in (granted.app.redeem(granted.code), granted.app.refresh(granted.tokens["refresh_token"])):
        assert refused.refusal()["error"] == (error or "invalid_grant")
    status = granted.vendor.read(granted.registered).status
    assert status == (401 if end is deleted else 200)
