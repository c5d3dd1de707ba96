"""An app that an EHR opened gets a handle for messages, and the EHR's back end learns what it is good for."""

from __future__ import annotations

import io
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from authz import logs
from authz.audit.event import Peer
from authz.audit.model import AuditEventRow
from authz.audit.order import ORDER
from authz.clients.metadata import ClientMetadata, InvalidClientMetadata
from authz.errors import InvalidValue
from authz.tokens.model import GrantRow, MessagingHandleRow
from tests.actors import Forms
from tests.backend import register
from tests.launch.signing import SigningEhr, ec_key, public
from tests.messaging import MESSAGES, SCOPE, Window, messaging_world
from tests.world import APP, EHR_ORIGIN, EVERYTHING, FHIR, ISSUER, PUBLIC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.actors import Browser
    from tests.transport import Reply
    from tests.world import World

HANDLE = re.compile(r"swm_[A-Za-z0-9_-]{43}")
INACTIVE = {"active": False}


@pytest.fixture
def window(world: World) -> Window:
    return messaging_world(world)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, at DEBUG, through the server's own formatter."""
    stream, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(stream), root.level
    handler.setFormatter(logs.JsonLines())
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def test_an_app_gets_a_handle_and_the_ehr_learns_what_it_is_good_for(world: World, window: Window) -> None:
    """REQ-2, REQ-5, REQ-13, REQ-14, REQ-15, REQ-16, REQ-17, WM-02: both members beside the token; the whole answer."""
    made, tokens = window.opened(patient="A", encounter="E1", session="s-77")
    handle = tokens["smart_web_messaging_handle"]
    assert tokens == {
        "patient": "A",
        "encounter": "E1",
        "access_token": tokens["access_token"],
        "refresh_token": tokens["refresh_token"],
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": SCOPE,
        "smart_web_messaging_handle": handle,
        "smart_web_messaging_origin": EHR_ORIGIN,
    }
    assert HANDLE.fullmatch(handle)
    now = int(world.clock().timestamp())
    said = world.fhir_server.introspect(tokens["access_token"])
    reply = window.ask(handle, origin=APP, message_type="ui.launchActivity", ehr_session="s-77", window="w-1")
    assert (reply.status, reply.header("content-type"), reply.header("cache-control")) == (
        200,
        "application/json",
        "no-store",
    )
    assert reply.json() == {
        "active": True,
        "token_type": "smart_web_messaging_handle",
        "iss": ISSUER,
        "client_id": "public",
        "client_name": "Public App",
        "scope": "messaging/ui messaging/scratchpad",
        "fhir_scope": "patient/Observation.rs",
        "app_origins": [APP],
        "smart_web_messaging_origin": EHR_ORIGIN,
        "aud": FHIR,
        "sub": said["sub"],
        "fhirUser": f"{FHIR}/Practitioner/dr",
        "patient": "A",
        "encounter": "E1",
        "launch_id": made["launch_id"],
        "ehr_session": "s-77",
        "grant_id": world.ehr.look_up(made["launch_id"]).json()["grant_id"],
        "iat": now,
        "exp": now + 12 * 3600,
        "allowed": True,
    }


def test_only_a_web_app_that_the_ehr_opened_from_its_window_gets_a_handle(world: World, window: Window) -> None:
    """REQ-21, WM-01, web-messaging 2.6, 10.8 (2, 3): else the scopes are dropped, and both members are not there."""
    told = [window.opened("launch patient/*.rs")[1]]  # not asked for
    told.append(Window(window.ehr, window.app, origin=None).opened()[1])  # the EHR named no window
    code = world.standalone(world.public, "launch/patient patient/Observation.rs messaging/ui", "alice")
    told.append(world.public.redeem(code).json())
    with world.services.db.write() as session:
        world.services.clients.update(session, "public", {"application_type": "native"}, {})
    told.append(window.opened()[1])
    with world.services.db.write() as session:
        world.services.clients.update(session, "public", {"application_type": "web", "scope": EVERYTHING}, {})
    told.append(window.opened()[1])  # not registered
    for tokens in told:
        assert "access_token" in tokens
        assert "messaging" not in f"{tokens['scope']} {' '.join(tokens)}"


DRAFTS = "Read and change unsigned drafts in your current session"
SCREENS = "Close itself or move you to another screen in the EHR"
RECORDS = "Read and write records through your EHR window, within the access listed above"


def asked(world: World, window: Window, scope: str) -> tuple[Browser, Reply]:
    made = window.ehr.launch("public", "Practitioner/dr", patient="A", web_messaging_origin=EHR_ORIGIN)
    browser = world.browser()
    return browser, browser.open(world.public.authorize_url(launch=made["launch"], scope=scope, prompt="consent"))


def test_the_consent_page_says_in_plain_words_what_messages_do(world: World, window: Window) -> None:
    """REQ-6, REQ-7, REQ-8, web-messaging 2.3: each with a box of its own, and what it means."""
    _, page = asked(
        world, window, "launch patient/Observation.rs messaging/scratchpad.create messaging/ui messaging/fhir"
    )
    labels = [text for text, _ in Forms(page.text).labels]
    short = "In the EHR's window, while your session lasts"
    assert labels[-3:] == [
        f"Add unsigned drafts in your current session {short}",
        f"{SCREENS} {short}",
        f"{RECORDS} {short}",
    ]
    assert "orders and other things that you prepared in the EHR and did not sign" in page.text


@pytest.mark.parametrize(
    ("untick", "left"),
    [([DRAFTS], "launch patient/Observation.rs messaging/ui"), ([DRAFTS, SCREENS], "launch patient/Observation.rs")],
)
def test_what_a_person_unticks_the_ehr_will_not_hear(
    world: World, window: Window, untick: list[str], left: str
) -> None:
    """10.8 (2), WM-01: unticked scopes are not granted; without any there is no handle."""
    browser, page = asked(world, window, "launch patient/Observation.rs messaging/ui messaging/scratchpad")
    done = browser.submit(page, press="allow", untick=untick)
    tokens = world.public.redeem(done.location_parameters["code"]).json()
    assert tokens["scope"] == left
    handle = tokens.get("smart_web_messaging_handle")
    assert (handle is not None) == ("messaging" in left)
    if handle is not None:
        assert window.check(handle, origin=APP, message_type="scratchpad.create")["allowed"] is False


ORIGINS = [
    f"{EHR_ORIGIN}/", f"{EHR_ORIGIN}/chart", "*", "null", "http://ehr.example", "https://user@ehr.example",
    "https://EHR.example", f"{EHR_ORIGIN}:443", "ehr.example", "https://ehr.example.evil", "javascript:alert(1)",
]  # fmt: skip


@pytest.mark.parametrize("origin", ORIGINS)
def test_only_a_registered_origin_letter_by_letter_is_a_window(world: World, window: Window, origin: str) -> None:
    """10.8 (4), web-messaging 2.6: it must be what the browser will say; everything else is refused at the launch."""
    record = {"client_id": "public", "fhir_server": FHIR, "user": "doctor", "web_messaging_origin": origin}
    reply = world.ehr.post("/launch", record)
    assert (reply.status, reply.refusal()) == (
        400,
        {
            "error": "invalid_request",
            "error_description": "web_messaging_origin: not registered for this FHIR server",
        },
    )
    if origin != "https://ehr.example.evil":
        with pytest.raises(InvalidValue), world.services.db.write() as session:
            world.services.fhir_servers.update(session, "main", {"ehr_origins": (origin,)})


def test_the_origins_of_an_app_are_those_of_its_pages_or_as_registered(world: World, window: Window) -> None:
    """REQ-17, web-messaging 2.7: of all redirect and launch URIs, each once; a list at registration replaces them."""
    uris = {
        "redirect_uris": [f"{APP}/cb", "https://b.example:8443/cb"],
        "launch_uris": ["https://c.example/l", f"{APP}/l"],
    }
    with world.services.db.write() as session:
        world.services.clients.update(session, "public", uris, {})
    told = window.check(window.handle(launch_url=f"{APP}/l"))
    assert told["app_origins"] == [APP, "https://b.example:8443", "https://c.example"]
    named = {"smart_web_messaging_origins": ["https://pages.example"]}
    with world.services.db.write() as session:
        world.services.clients.update(session, "public", named, {})
    handle = window.handle(launch_url=f"{APP}/l")
    assert window.check(handle)["app_origins"] == ["https://pages.example"]
    assert window.check(handle, origin=APP) == INACTIVE
    for wrong in (["https://pages.example/"], ["*"], ["http://pages.example"], "https://pages.example", [1]):
        with pytest.raises(InvalidClientMetadata):
            ClientMetadata.load({**PUBLIC, "smart_web_messaging_origins": wrong})


def test_the_answer_with_a_handle_is_kept_by_no_cache(world: World, window: Window) -> None:
    """10.8 (10), web-messaging 2.5: only the token answer has it, never an address."""
    made = window.ehr.launch("public", "Practitioner/dr", patient="A", web_messaging_origin=EHR_ORIGIN)
    redirect = world.public.launched(made["launch"], SCOPE)
    assert "swm_" not in redirect.location
    reply = world.public.redeem(redirect.location_parameters["code"])
    assert (reply.header("cache-control"), reply.header("pragma")) == ("no-store", "no-cache")
    assert HANDLE.fullmatch(reply.json()["smart_web_messaging_handle"])


def test_nobody_reads_a_handle_in_the_database_the_store_the_trail_or_the_log(
    world: World, window: Window, log: io.StringIO
) -> None:
    """WM-02, 10.8 (10), security.md 4.2, web-messaging 2.5: a digest, and a copy closed by a key; so of the session."""
    made, tokens = window.opened(session="session-of-the-ehr")
    handle = tokens["smart_web_messaging_handle"]
    assert window.is_active(handle, origin=APP, window="w")
    window.post("introspect", {"handle": handle}, {})
    window.ask(handle + "x")
    world.transport.send("GET", f"{ISSUER}/web-messaging/introspect?handle={handle}")
    assert world.ehr.look_up(made["launch_id"]).json()["smart_web_messaging_handle"] == handle
    window.revoke(handle=handle)
    kept = Path(world.services.settings.database_url.removeprefix("sqlite:///"))
    wal = kept.with_name(f"{kept.name}-wal")
    in_sql = kept.read_bytes() + (wal.read_bytes() if wal.exists() else b"")
    assert handle.encode() not in in_sql
    assert b"session-of-the-ehr" not in in_sql
    store = world.services.settings.short_lived_path
    assert handle.encode() not in store.read_bytes() + store.with_name(f"{store.name}-wal").read_bytes()
    assert "/web-messaging/introspect" in log.getvalue()
    assert handle not in log.getvalue()
    assert "swm_" not in log.getvalue()


def test_the_trail_tells_that_a_handle_was_made_and_ended(world: World, window: Window) -> None:
    """security.md 4.1: with the launch and the grant it belongs to."""
    made, tokens = window.opened()
    window.revoke(handle=tokens["smart_web_messaging_handle"])
    with world.services.db.read() as session:
        asked = select(AuditEventRow).where(AuditEventRow.event.startswith("handle.")).order_by(*ORDER)
        rows = session.scalars(asked.order_by(AuditEventRow.event)).all()
    told = [(row.event, row.reason, row.client_id, row.launch_id, row.patient) for row in rows]
    assert told == [
        ("handle.issued", None, "public", made["launch_id"], "A"),
        ("handle.revoked", "ehr-main", "public", made["launch_id"], "A"),
    ]


def test_a_launch_that_the_ehr_signed_itself_names_its_window_too(world: World, window: Window) -> None:
    """web-messaging 2.6: the same member, checked in the same way, and the handle is of that launch."""
    key = ec_key()
    with world.services.db.write() as session:
        world.services.launch_keys.rotate(session)
        world.services.ehrs.set_keys(session, "ehr-main", public(key))
    (published,) = world.transport.send("GET", f"{ISSUER}/launch/jwks").json()["keys"]
    signer = SigningEhr("ehr-main", ISSUER, published, int(world.clock().timestamp()), key)
    record = {"client_id": "public", "fhir_server": FHIR, "user": "doctor", "patient": "A", "session": "s-1"}
    launch = signer.launch(record, web_messaging_origin=EHR_ORIGIN)
    tokens = world.public.tokens(launch, SCOPE)
    told = window.check(tokens["smart_web_messaging_handle"], origin=APP)
    assert (told["patient"], told["ehr_session"], told["scope"]) == ("A", "s-1", "messaging/ui messaging/scratchpad")
    foreign = signer.launch(record, web_messaging_origin="https://evil.example")
    assert world.public.launched(foreign, SCOPE).location_parameters["error"] == "invalid_request"


def test_a_program_without_a_user_gets_no_messages(world: World, window: Window) -> None:
    """10.8 (3), web-messaging 2.3: client credentials have no window."""
    service = register(world, "bulk", ("main",), scope=f"system/*.rs {MESSAGES}")
    answer = service.ask(f"system/*.rs {MESSAGES}").json()
    assert (answer["scope"], [name for name in answer if "messaging" in name]) == ("system/*.rs", [])
    assert service.ask(MESSAGES).json()["error"] == "invalid_scope"


def test_a_thousand_handles_have_nothing_in_common(world: World, window: Window) -> None:
    """WM-02: 256 random bits each, whoever the user and the patient are."""
    window.handle()
    services = world.services
    with services.db.read() as session:
        grant = session.scalars(select(GrantRow)).one()
        rows = [MessagingHandleRow(grant_id=str(number), origin=EHR_ORIGIN) for number in range(1_000)]
        peer = Peer()
        handles = [services.token_server.services.handles.first(session, row, grant, peer).handle for row in rows]
    assert len(set(handles)) == len(handles)
    assert all(HANDLE.fullmatch(handle) for handle in handles)
    for place in range(len("swm_"), len("swm_") + 42):  # the last of 43 characters has 4 bits
        assert len({handle[place] for handle in handles}) > 56  # of 64
