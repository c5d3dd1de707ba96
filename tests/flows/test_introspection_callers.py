"""Who may ask about tokens besides a FHIR server with its credential; and what is said of refresh tokens (INT-07)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import func, select, update

from authz.audit.model import AuditEventRow
from authz.clients.metadata import ClientMetadata
from authz.clients.model import ClientRow
from authz.clients.registry import HospitalDecisions
from authz.tokens import scan_alarm
from tests.actors import FORM, SmartApp, basic
from tests.backend import register
from tests.world import CONFIDENTIAL, FHIR, ISSUER, OTHER_FHIR

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tests.backend import Backend
    from tests.transport import Reply
    from tests.world import World

INACTIVE = {"active": False}
FAILED = {"error": "invalid_client", "error_description": "client authentication failed"}
SCOPE = "launch openid fhirUser patient/*.rs"


def post(world: World, form: dict[str, str], headers: dict[str, str] | None = None) -> Reply:
    sent = {"Content-Type": FORM, **(headers or {})}
    return world.transport.send("POST", f"{ISSUER}/introspect", sent, urlencode(form).encode())


def tokens(world: World, scope: str = "offline_access", **context: Any) -> dict[str, str]:
    handle = str(world.ehr.launch("public", "Practitioner/dr", patient="A", **context)["launch"])
    answer: dict[str, str] = world.public.tokens(handle, f"{SCOPE} {scope}")
    return answer


def tokens_of_the_other(world: World) -> dict[str, str]:
    handle = str(world.other_ehr.launch("public", "Practitioner/dr", patient="B")["launch"])
    app = SmartApp(world.transport, "public", world.public.redirect_uri, OTHER_FHIR)
    answer: dict[str, str] = app.tokens(handle, SCOPE)
    return answer


@pytest.fixture
def gateway(world: World) -> Backend:
    """A gateway in front of the FHIR server "main" that signs with a key."""
    return register(world, "gateway", ("main",), scope="__introspect")


def with_secret(world: World, method: str, scope: str = "__introspect", fhir_servers: tuple[str, ...] = ()) -> str:
    """Register an app that has a secret; the secret."""
    metadata = ClientMetadata.load({**CONFIDENTIAL, "token_endpoint_auth_method": method, "scope": scope})
    with world.services.db.write() as session:
        decisions = HospitalDecisions(fhir_servers)
        _, secret = world.services.clients.add(session, metadata, decisions, client_id="asking")
    assert secret is not None
    return secret


def test_a_gateway_asks_with_its_key(world: World, gateway: Backend) -> None:
    """INT-06..08, AMB-19, RFC 7523 §2.2: whole answers about any client's tokens, each assertion good once."""
    token = tokens(world)["access_token"]
    for aud in (f"{ISSUER}/introspect", f"{ISSUER}/token", ISSUER):
        reply = gateway.post("/introspect", client_assertion=gateway.assertion(aud=aud), token=token)
        assert (reply.status, reply.json()) == (200, world.fhir_server.introspect(token))
    assertion = gateway.assertion()
    assert gateway.post("/introspect", client_assertion=assertion, token=token).status == 200
    again = gateway.post("/introspect", client_assertion=assertion, token=token)
    assert (again.status, again.json()) == (401, FAILED)


def test_a_gateway_learns_of_its_own_fhir_servers_only(world: World, gateway: Backend) -> None:
    """IN-02, REQ-69: a key for "main" says nothing about "other"; one for both does."""
    token = tokens_of_the_other(world)["access_token"]
    assert gateway.post("/introspect", token=token).json() == INACTIVE
    both = register(world, "both", ("main", "other"), scope="__introspect")
    assert both.post("/introspect", token=token).json() == world.other_fhir_server.introspect(token)
    everywhere = register(world, "everywhere", (), scope="__introspect")
    assert everywhere.post("/introspect", token=token).json()["aud"] == OTHER_FHIR


def test_a_client_whose_approval_was_taken_back_learns_nothing_any_more(world: World, gateway: Backend) -> None:
    """RG-23, IN-03."""
    token = tokens(world)["access_token"]
    assert gateway.post("/introspect", token=token).json()["active"] is True
    with world.services.db.write() as session:
        world.services.clients.row(session, "gateway").approved = False
    reply = gateway.post("/introspect", token=token)
    assert (reply.status, reply.json()) == (401, FAILED)


def test_a_client_that_is_not_registered_for_it_learns_nothing(world: World) -> None:
    """IN-01, IN-03, CA-05: good keys and secrets, but no ``__introspect``."""
    own = register(world, "bulk", ("main",), scope="system/*.rs")
    for token in (own.token("system/*.rs"), tokens(world)["access_token"]):
        reply = own.post("/introspect", token=token)
        assert (reply.status, reply.json()) == (401, FAILED)
        reply = post(world, {"token": token}, basic("confidential", "confidential-test-secret"))
        assert (reply.status, reply.json()) == (401, FAILED)
        reply = post(world, {"token": token, "client_id": "public"})
        assert (reply.status, reply.json()["error"]) == (401, "invalid_token")


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_client_asks_with_its_secret(world: World, method: str) -> None:
    """INT-06..08, RFC 7662 §2.1: the way it is registered for, and no other."""
    secret = with_secret(world, method)
    token = tokens(world)["access_token"]
    by_header = post(world, {"token": token}, basic("asking", secret))
    by_body = post(world, {"token": token, "client_id": "asking", "client_secret": secret})
    good, bad = (by_header, by_body) if method == "client_secret_basic" else (by_body, by_header)
    assert (good.status, good.json()) == (200, world.fhir_server.introspect(token))
    assert (bad.status, bad.json()) == (401, FAILED)
    wrong = post(world, {"token": token}, basic("asking", secret + "x"))
    assert (wrong.status, wrong.json()) == (401, FAILED)


def test_two_ways_at_once_are_refused(world: World, gateway: Backend) -> None:
    """CA-02, CA-03, RFC 6749 §2.3: Basic, a secret, an assertion and a token exclude each other."""
    secret = with_secret(world, "client_secret_basic")
    header = basic("asking", secret)
    for form in (
        {"client_id": "asking", "client_secret": secret},
        {"client_assertion": gateway.assertion(), "client_assertion_type": "x"},
    ):
        reply = post(world, {"token": "x", **form}, header)
        assert (reply.status, reply.json()["error"]) == (400, "invalid_request")
    reply = post(world, {"token": "x", "client_id": "public"}, header)
    assert (reply.status, reply.json()) == (401, FAILED)


def test_a_remembered_secret_is_remembered_with_its_whole_request(world: World) -> None:
    """CA-03: what was good a moment ago is not good with another client_id beside it."""
    header = basic("asking", with_secret(world, "client_secret_basic"))
    assert post(world, {"token": "x"}, header).json() == INACTIVE
    assert post(world, {"token": "x", "client_id": "asking"}, header).json() == INACTIVE
    assert post(world, {"token": "x", "client_id": "public"}, header).status == 401


def test_a_client_that_is_switched_off_may_not_ask_within_a_second(
    world: World, gateway: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IN-09: the one second for which a good secret is remembered; a key is looked up each time."""
    secret = with_secret(world, "client_secret_basic")
    header = basic("asking", secret)
    assert post(world, {"token": "x"}, header).status == 200

    def disable(session: Session) -> None:
        for client_id in ("asking", "gateway"):
            world.services.clients.set_enabled(session, client_id, enabled=False)

    with world.services.db.write() as session:
        disable(session)
    later = time.monotonic() + 1
    monkeypatch.setattr(world.services.callers.recent, "monotonic", lambda: later)
    for reply in (post(world, {"token": "x"}, header), gateway.post("/introspect", token="x")):
        assert (reply.status, reply.json()) == (401, FAILED)


def test_a_client_switched_off_elsewhere_asks_for_a_second_and_no_longer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 9.3, decision 0080: what is remembered of what is remembered would be believed for two."""
    header, now = basic("asking", with_secret(world, "client_secret_basic")), [0.0]
    for remembered in (world.services.callers.recent, world.services.clients.rows):
        monkeypatch.setattr(remembered, "monotonic", lambda: now[0])
    assert world.services.clients.recent("asking") is not None  # as when it has just got a token
    with world.services.db.write() as session:
        session.execute(update(ClientRow).values(enabled=False))  # this process is not told
    statuses = []
    for now[0] in (0.9, 1.0, 1.5):
        statuses.append(post(world, {"token": "x"}, header).status)
    assert statuses == [200, 401, 401]


def test_a_hint_changes_nothing_for_an_access_token(world: World) -> None:
    """RFC 7662 §2.1, IN-06: right, wrong or unknown, the token is found."""
    token = tokens(world)["access_token"]
    answers = [
        world.fhir_server.ask(token, token_type_hint=hint).json()
        for hint in ("access_token", "refresh_token", "bogus", "id_token")
    ]
    assert answers == [world.fhir_server.introspect(token)] * 4


def test_a_refresh_token_is_spoken_of_to_who_asks_for_one(world: World) -> None:
    """RFC 7662 §2.2, INT-02..05 for what came with it: its scope, its end, its context; it is for this server only."""
    answer = tokens(world, "online_access", encounter="E1", tenant="t-1")
    reply = world.fhir_server.ask(answer["refresh_token"], token_type_hint="refresh_token")
    now = int(world.clock().timestamp())
    claims = world.services.keyring.verify(answer["id_token"])
    assert (reply.status, reply.json(), reply.header("cache-control")) == (
        200,
        {
            "active": True,
            "scope": answer["scope"],
            "client_id": "public",
            "sub": claims["sub"],
            "fhirUser": claims["fhirUser"],
            "iss": ISSUER,
            "aud": ISSUER,
            "iat": now,
            "exp": now + 4 * 3600,
            "patient": "A",
            "encounter": "E1",
            "tenant": "t-1",
        },
        "no-store",
    )


@pytest.mark.parametrize("hint", [{}, {"token_type_hint": "access_token"}, {"token_type_hint": "bogus"}])
def test_a_refresh_token_is_never_taken_for_an_access_token(world: World, hint: dict[str, str]) -> None:
    """RS-01, RFC 6749 §1.5: a FHIR server asks about what came as a Bearer token; "active" would let it in."""
    answer = tokens(world)
    assert world.fhir_server.ask(answer["refresh_token"], **hint).json() == INACTIVE
    assert world.fhir_server.ask(answer["access_token"], **hint).json()["active"] is True


def refresh_token_is(world: World, token: str) -> bool:
    reply = world.fhir_server.ask(token, token_type_hint="refresh_token")
    assert reply.status == 200
    answer = reply.json()
    assert answer == INACTIVE or answer["active"] is True
    return bool(answer["active"])


def test_a_refresh_token_that_was_used_revoked_or_is_over_is_inactive(world: World) -> None:
    """INT-09, ERR-16, TK-30: exactly like an access token, and nothing more is said."""
    used = tokens(world)["refresh_token"]
    successor = world.public.refresh(used).json()["refresh_token"]
    assert (refresh_token_is(world, used), refresh_token_is(world, successor)) == (False, True)
    world.public.revoke(successor)
    assert not refresh_token_is(world, successor)
    ended, over = (tokens(world, "online_access", session="shift")["refresh_token"] for _ in range(2))
    assert refresh_token_is(world, ended)
    world.ehr.end_session("shift")
    assert not refresh_token_is(world, ended)
    late = tokens(world, "online_access")["refresh_token"]
    world.clock.forward(hours=4)
    assert not refresh_token_is(world, late)
    assert not refresh_token_is(world, over)
    assert not refresh_token_is(world, "unknown")


@pytest.mark.parametrize("whom", ["client", "user", "fhir server"])
def test_a_refresh_token_of_somebody_switched_off_is_inactive(world: World, whom: str) -> None:
    """IN-09: whoever it depends on."""
    token = tokens(world)["refresh_token"]
    assert refresh_token_is(world, token)
    services = world.services
    doctor = services.users.by_name("doctor")
    assert doctor is not None
    sub = doctor.sub
    with services.db.write() as session:
        if whom == "client":
            services.clients.set_enabled(session, "public", enabled=False)
        elif whom == "user":
            services.users.set_enabled(session, sub, enabled=False)
        else:
            services.fhir_servers.set_enabled(session, "main", enabled=False)
    if whom == "fhir server":
        everywhere = register(world, "everywhere", (), scope="__introspect")
        reply = everywhere.post("/introspect", token=token, token_type_hint="refresh_token")
        assert reply.json() == INACTIVE
    else:
        assert not refresh_token_is(world, token)


def test_a_refresh_token_of_another_fhir_server_is_inactive(world: World) -> None:
    """IN-02: the same isolation."""
    token = tokens(world)["refresh_token"]
    reply = world.other_fhir_server.ask(token, token_type_hint="refresh_token")
    assert (reply.status, reply.json()) == (200, INACTIVE)


@pytest.mark.parametrize("token", ["", None])
def test_without_a_token_there_is_nothing_to_say(world: World, token: str | None) -> None:
    """IN-05, RFC 7662 §2.1."""
    form = {} if token is None else {"token": token}
    reply = post(world, form, basic("rs-main", "rs-main-secret"))
    assert (reply.status, reply.json()["error"]) == (400, "invalid_request")


def test_a_malformed_question_is_refused_in_oauths_form(world: World) -> None:
    """IN-05, IN-07: twice, too long, NUL, not UTF-8, in the URL; never an error of the server."""
    header = {"Content-Type": FORM, **basic("rs-main", "rs-main-secret")}
    for body in (b"token=a&token=b", b"token=" + b"x" * 20_000, b"token=%00", b"token=%ff"):
        reply = world.transport.send("POST", f"{ISSUER}/introspect", header, body)
        assert (reply.status, reply.json()["error"]) == (400, "invalid_request")
    reply = world.transport.send("POST", f"{ISSUER}/introspect", header, b"token=" + b"x" * 1_000_000)
    assert reply.status == 413
    reply = world.transport.send("GET", f"{ISSUER}/introspect?token=x", header)
    assert (reply.status, reply.json()["error"]) == (405, "invalid_request")


def test_a_signed_answer_is_not_offered_and_json_is_what_comes(world: World) -> None:
    """IN-13: ``Accept`` of RFC 9701 changes nothing."""
    token = tokens(world)["access_token"]
    headers = {"Accept": "application/token-introspection+jwt", **basic("rs-main", "rs-main-secret")}
    reply = post(world, {"token": token}, headers)
    assert (reply.header("content-type"), reply.json()["active"]) == ("application/json", True)


def test_an_answer_holds_ids_and_no_name_of_a_person(world: World) -> None:
    """IN-10, INT-10: what a FHIR server needs, and nothing that identifies somebody to it who has no access."""
    said = world.fhir_server.introspect(tokens(world)["access_token"])
    assert said.keys() == {
        "active", "scope", "client_id", "token_type", "exp", "iat", "jti", "iss", "aud", "sub", "fhirUser", "patient",
    }  # fmt: skip
    assert said["aud"] == FHIR


def events(world: World, reason: str) -> int:
    where = (AuditEventRow.event == "introspection.refused", AuditEventRow.reason == reason)
    with world.services.db.read() as session:
        return session.scalar(select(func.count()).select_from(AuditEventRow).where(*where)) or 0


def test_a_refused_question_stands_on_the_trail(world: World) -> None:
    """security.md 4.1: introspection, always when refused; G-11."""
    post(world, {"token": "x"}, basic("rs-main", "wrong"))
    post(world, {"token": "x"}, {"Authorization": "Bearer unknown"})
    post(world, {"token": "x"})
    assert (events(world, "invalid_client"), events(world, "invalid_token")) == (1, 2)


def test_a_caller_that_guesses_raises_an_alarm(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """IN-11: once a minute, at a number of tokens that no caller meets by accident; good ones do not count."""
    monkeypatch.setattr(scan_alarm, "MANY", 3)
    alarm = world.services.introspection.alarm
    monkeypatch.setattr(alarm, "monotonic", lambda: 600.0)
    good = tokens(world)["access_token"]
    for token in ("a", good, good, good, "b"):
        world.fhir_server.ask(token)
    world.other_fhir_server.ask("c")
    assert events(world, "many_unknown") == 0
    for token in "cdefgh":
        world.fhir_server.ask(token)
    assert events(world, "many_unknown") == 1
    monkeypatch.setattr(alarm, "monotonic", lambda: 660.0)
    for token in "abc":
        world.fhir_server.ask(token)
    assert events(world, "many_unknown") == 2
