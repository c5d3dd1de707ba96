"""Apps are told that a session has ended (OpenID Connect Back-Channel Logout)."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
from joserfc import jws
from joserfc.jwk import KeySet
from sqlalchemy import select

from authz.audit.model import AuditEventRow
from authz.outbound import Answer, FetchFailed
from authz.tokens.model import LogoutNoticeRow
from tests.actors import SmartApp
from tests.outside import FakeOutbound, Outside
from tests.world import APP, CONFIDENTIAL, FHIR, ISSUER, OTHER_FHIR, SECRET, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from authz.notices.courier import Letter
    from tests.actors import Browser, Ehr
    from tests.world import World

PUBLIC_URI, OTHER_URI = f"{APP}/signed-out", "https://conf.example/signed-out"
EVENT = "http://schemas.openid.net/event/backchannel-logout"
SCOPE = "launch/patient patient/*.rs openid online_access"


@pytest.fixture
def outside() -> Outside:
    return Outside({uri: Answer(200, {}, b"") for uri in (PUBLIC_URI, OTHER_URI)})


@pytest.fixture
def world(tmp_path: Path, outside: Outside) -> Iterator[World]:
    made = build(settings_in(tmp_path), FakeOutbound(outside))
    with made.app.app_context():
        for client_id, uri in (("public", PUBLIC_URI), ("confidential", OTHER_URI)):
            with made.services.db.write() as session:
                made.services.clients.update(session, client_id, {"backchannel_logout_uri": uri}, {})
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()


def open_app(world: World, browser: Browser, app: SmartApp, scope: str = SCOPE) -> dict[str, Any]:
    page = browser.open(app.authorize_url(scope=scope))
    if "password" in page.text:
        page = browser.sign_in(page, "alice", "alice-password")
    if page.status == 200:
        page = browser.submit(page, press="allow")
    answer: dict[str, Any] = app.redeem(page.location_parameters["code"]).json()
    return answer


def sign_out(world: World, browser: Browser) -> None:
    browser.submit(browser.open(f"{ISSUER}/logout"), press="sign_out")


def send(world: World) -> int:
    return world.services.sign_out.notices.send_due()


def claim(world: World) -> list[Letter]:
    notices = world.services.sign_out.notices
    return notices.courier.claim(notices)


def logout_tokens(outside: Outside) -> list[str]:
    return [parse_qs((asked.body or b"").decode(), strict_parsing=True)["logout_token"][0] for asked in outside.asked]


def notices(world: World) -> list[tuple[str, str, int]]:
    with world.services.db.read() as session:
        rows = session.scalars(select(LogoutNoticeRow).order_by(LogoutNoticeRow.client_id)).all()
        return [(row.client_id, row.state, row.attempts) for row in rows]


def trail(world: World) -> list[tuple[str | None, str, str | None]]:
    with world.services.db.read() as session:
        rows = session.scalars(select(AuditEventRow).where(AuditEventRow.event == "logout.notice")).all()
        return sorted((row.client_id, row.outcome, row.reason) for row in rows)


def test_each_app_of_the_session_is_told(world: World, outside: Outside) -> None:
    """LO-06, Back-Channel Logout §2.4, §2.5: the one that was left and the others, each with a token for itself."""
    browser = world.browser()
    first = open_app(world, browser, world.public)
    open_app(world, browser, world.confidential)
    sign_out(world, browser)
    assert outside.asked == []  # not while the person waits
    assert send(world) == 2
    assert sorted((asked.method, asked.url, asked.trusted) for asked in outside.asked) == [
        ("POST", PUBLIC_URI, False),
        ("POST", OTHER_URI, False),
    ]
    assert {asked.headers["Content-Type"] for asked in outside.asked} == {"application/x-www-form-urlencoded"}
    keys = KeySet.import_key_set(world.transport.send("GET", f"{ISSUER}/jwks").json())
    sid, sub = (world.services.keyring.verify(first["id_token"])[name] for name in ("sid", "sub"))
    for asked, token in zip(outside.asked, logout_tokens(outside), strict=True):
        header = jws.deserialize_compact(token, keys, algorithms=["RS256"]).headers()
        assert (header["typ"], header["alg"]) == ("logout+jwt", "RS256")
        claims = world.services.keyring.verify(token, "logout+jwt")
        now = int(world.clock().timestamp())
        assert claims.pop("jti")
        assert claims == {
            "iss": ISSUER,
            "aud": "public" if asked.url == PUBLIC_URI else "confidential",
            "iat": now,
            "exp": now + 120,
            "sub": sub,
            "sid": sid,
            "events": {EVENT: {}},
        }
    assert notices(world) == [("confidential", "told", 1), ("public", "told", 1)]
    assert trail(world) == [("confidential", "success", "told"), ("public", "success", "told")]
    assert send(world) == 0


def test_a_logout_token_is_no_id_token(world: World, outside: Outside) -> None:
    """Back-Channel Logout §2.4 (no nonce, own type): neither a hint nor anything else here takes it for one."""
    browser = world.browser()
    open_app(world, browser, world.public)
    sign_out(world, browser)
    send(world)
    (token,) = logout_tokens(outside)
    assert "nonce" not in world.services.keyring.verify(token, "logout+jwt")
    assert world.browser().open(f"{ISSUER}/logout?id_token_hint={token}").status == 400


def test_only_apps_that_know_the_user_and_want_to_hear_are_told(world: World, outside: Outside) -> None:
    """Back-Channel Logout §2.2: an app without ``openid``, and one that registered no address, hear nothing."""
    browser = world.browser()
    open_app(world, browser, world.public, "launch/patient patient/*.rs")
    with world.services.db.write() as session:
        world.services.clients.update(session, "confidential", {"backchannel_logout_uri": None}, {})
    open_app(world, browser, world.confidential)
    sign_out(world, browser)
    assert (send(world), notices(world)) == (0, [])


def test_another_session_of_the_same_person_goes_on(world: World, outside: Outside) -> None:
    """Back-Channel Logout §2.1: the ``sid`` says which one ended."""
    here, there = world.browser(), world.browser()
    open_app(world, here, world.public)
    elsewhere = open_app(world, there, world.confidential)
    sign_out(world, here)
    assert send(world) == 1
    assert [asked.url for asked in outside.asked] == [PUBLIC_URI]
    assert world.confidential.refresh(elsewhere["refresh_token"]).status == 200


def test_two_hospitals_may_have_one_id_for_their_sessions(world: World, outside: Outside) -> None:
    """Back-Channel Logout §2.1, security.md H3: a ``sid`` is of one FHIR server, and each end is told."""
    there = replace(world.public, aud=OTHER_FHIR)
    at = {
        "other": there.tokens(launched(world.other_ehr, "mallory", "X"), "launch openid patient/*.rs"),
        "main": world.public.tokens(launched(world.ehr, "dr", "A"), "launch openid patient/*.rs online_access"),
    }
    ids = {name: world.services.keyring.verify(answer["id_token"]) for name, answer in at.items()}
    assert ids["main"]["sid"] != ids["other"]["sid"]
    told = []
    for name, ehr in (("other", world.other_ehr), ("main", world.ehr)):
        assert ehr.end_session("shift").status == 204
        assert send(world) == 1
        claims = world.services.keyring.verify(logout_tokens(outside)[-1], "logout+jwt")
        told.append((name, claims["sid"], claims["sub"]))
    assert told == [(name, ids[name]["sid"], ids[name]["sub"]) for name in ("other", "main")]


def test_each_person_of_a_session_is_told_of(world: World, outside: Outside) -> None:
    """Back-Channel Logout §2.4: ``sub`` and ``sid`` say together who it was; an EHR may name two in one session."""
    for who in ("dr", "nurse"):
        world.public.tokens(launched(world.ehr, who, "A"), "launch openid patient/*.rs")
    world.ehr.end_session("shift")
    assert send(world) == 2
    told = [world.services.keyring.verify(token, "logout+jwt") for token in logout_tokens(outside)]
    assert len({claims["sub"] for claims in told}) == 2


def launched(ehr: Ehr, who: str, patient: str) -> str:
    return str(ehr.launch("public", f"Practitioner/{who}", patient=patient, session="shift")["launch"])


def test_the_end_of_an_ehr_session_is_told_once(world: World, outside: Outside) -> None:
    """Back-Channel Logout §2.5, decision 3: with the ``sid`` of the id_token; said twice, told once."""
    apps = {"public": world.public, "confidential": world.confidential}
    answers = {}
    for client_id, app in apps.items():
        handle = str(world.ehr.launch(client_id, "Practitioner/dr", patient="A", session="shift")["launch"])
        kind = "online_access" if client_id == "public" else "offline_access"
        answers[client_id] = app.tokens(handle, f"launch openid patient/*.rs {kind}")
    for _ in range(2):
        assert world.ehr.end_session("shift").status == 204
        send(world)
    told = [world.services.keyring.verify(token, "logout+jwt") for token in logout_tokens(outside)]
    ids = {name: world.services.keyring.verify(answer["id_token"]) for name, answer in answers.items()}
    assert sorted((token["aud"], token["sid"], token["sub"]) for token in told) == sorted(
        (name, claims["sid"], claims["sub"]) for name, claims in ids.items()
    )
    assert world.public.refresh(answers["public"]["refresh_token"]).json()["error"] == "invalid_grant"
    assert world.confidential.refresh(answers["confidential"]["refresh_token"]).status == 200


@pytest.mark.parametrize("status", [500, 502, 503, None])
def test_a_fault_that_may_pass_is_tried_five_times(world: World, outside: Outside, status: int | None) -> None:
    """Back-Channel Logout §2.5: with a delay that grows, then no more; a new token each time."""
    browser = world.browser()
    open_app(world, browser, world.public)
    sign_out(world, browser)
    if status is None:
        outside.answers.clear()
    else:
        outside.answers[PUBLIC_URI] = Answer(status, {}, b"")
    for seconds in (10, 60, 600, 1800):
        assert send(world) == 1
        world.clock.forward(seconds=seconds - 1)
        assert send(world) == 0
        world.clock.forward(seconds=1)
    assert send(world) == 1
    world.clock.forward(days=1)
    assert send(world) == 0
    assert notices(world) == [("public", "given_up", 5)]
    assert trail(world) == [("public", "refused", "given_up")]
    assert len(set(logout_tokens(outside))) == 5


def test_an_app_that_is_back_is_told_then(world: World, outside: Outside) -> None:
    browser = world.browser()
    open_app(world, browser, world.public)
    sign_out(world, browser)
    outside.answers[PUBLIC_URI] = Answer(503, {}, b"")
    send(world)
    outside.answers[PUBLIC_URI] = Answer(204, {}, b"")
    world.clock.forward(seconds=10)
    assert (send(world), notices(world)) == (1, [("public", "told", 2)])


@pytest.mark.parametrize("status", [302, 400, 404])
def test_a_refusal_is_not_tried_again(world: World, outside: Outside, status: int) -> None:
    """LO-07, Back-Channel Logout §2.8: 400 is the app's last word; a redirect leads nowhere."""
    browser = world.browser()
    open_app(world, browser, world.public)
    sign_out(world, browser)
    outside.answers[PUBLIC_URI] = Answer(status, {"location": OTHER_URI}, b"")
    assert send(world) == 1
    world.clock.forward(days=1)
    assert (send(world), notices(world)) == (0, [("public", "refused", 1)])
    assert trail(world) == [("public", "refused", "refused")]


def test_an_address_that_may_not_be_called_is_not_and_the_sign_out_stands(world: World) -> None:
    """LO-07: the guard refuses a private address; the person is signed out all the same."""

    class Guarded(FakeOutbound):
        def post(self, url: str, body: bytes, **_: object) -> Answer:
            assert body
            raise FetchFailed(f"{url} is private", refused=True)

    notices_ = world.services.sign_out.notices
    browser = world.browser()
    tokens = open_app(world, browser, world.public)
    object.__setattr__(notices_.courier, "outbound", Guarded(Outside()))
    sign_out(world, browser)
    assert world.public.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert (send(world), notices(world)) == (1, [("public", "refused", 1)])


def test_what_a_crash_left_behind_is_sent_after_the_lease(world: World, outside: Outside) -> None:
    """The row is written with the sign-out, and is taken again when whoever took it is silent for a minute."""
    browser = world.browser()
    open_app(world, browser, world.public)
    sign_out(world, browser)
    assert len(claim(world)) == 1  # and then this process dies
    assert (send(world), outside.asked) == (0, [])
    world.clock.forward(seconds=60)
    assert (send(world), notices(world)) == (1, [("public", "told", 2)])


def test_of_several_processes_one_sends(world: World) -> None:
    """Each notice is taken by one conditional write."""
    browser = world.browser()
    open_app(world, browser, world.public)
    open_app(world, browser, world.confidential)
    sign_out(world, browser)
    taken: list[str] = []
    start = threading.Barrier(4)

    def take() -> None:
        with world.app.app_context():
            start.wait(10)
            taken.extend(str(letter.about.client_id) for letter in claim(world))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(taken) == ["confidential", "public"]


def test_an_app_that_was_switched_off_hears_nothing(world: World, outside: Outside) -> None:
    browser = world.browser()
    open_app(world, browser, world.public)
    sign_out(world, browser)
    with world.services.db.write() as session:
        world.services.clients.set_enabled(session, "public", enabled=False)
    assert (send(world), outside.asked, notices(world)) == (1, [], [("public", "refused", 1)])


def test_registration_knows_the_members_of_logout(world: World) -> None:
    """Back-Channel Logout §2.2, RP-Initiated Logout §3.1: as registered, so answered."""
    members = {
        "post_logout_redirect_uris": ["https://conf.example/bye"],
        "backchannel_logout_uri": OTHER_URI,
        "backchannel_logout_session_required": True,
    }
    app = SmartApp(world.transport, "confidential", CONFIDENTIAL["redirect_uris"][0], FHIR, SECRET)
    assert app.client_id == "confidential"
    with world.services.db.write() as session:
        world.services.clients.update(session, "confidential", members, {})
    with world.services.db.read() as session:
        said = world.services.clients.metadata(session, "confidential")
    assert {name: said[name] for name in members} == members
