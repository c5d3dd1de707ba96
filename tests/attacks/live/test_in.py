"""IN: who may ask about a token, and what they learn (security.md 2.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import select

from authz.audit.model import AuditEventRow
from tests.actors import FORM, basic
from tests.attacks.live.cast import ASKER_SECRET, OFF_SECRET
from tests.attacks.live.people import again, for_bob, revoke_client, revoke_user, take_everything_back
from tests.attacks.live.target import ALONE, LAUNCHED
from tests.world import FHIR, SECRET

if TYPE_CHECKING:
    from tests.attacks.live.target import Target
    from tests.transport import Reply

RS = basic("rs-main", "rs-main-secret")


def ask(target: Target, form: dict[str, str] | bytes, headers: Any = None) -> Reply:
    body = form if isinstance(form, bytes) else urlencode(form).encode()
    return target.send("POST", "/introspect", {"Content-Type": FORM, **(RS if headers is None else headers)}, body)


def test_who_may_not_ask_learns_nothing(target: Target) -> None:
    """IN-01: nobody, wrong secrets, apps, EHRs, tokens without the scope."""
    token = target.bought()["access_token"]
    for headers in (
        {},
        basic("rs-main", "wrong"),
        basic("rs-main", ""),
        basic("rs-other", "rs-main-secret"),
        basic("confidential", SECRET),
        basic("off", OFF_SECRET),
        basic("public", ""),
        basic("ehr-main", "ehr-main-secret"),
        {"Authorization": f"Bearer {token}x"},
    ):
        target.refused(ask(target, {"token": token}, headers), 401, "invalid_client", "invalid_token")
    own = ask(target, {"token": token}, {"Authorization": f"Bearer {token}"})
    target.refused(own, 403, "insufficient_scope")
    for form in ({"token": token, "client_id": "public"}, {"token": token, "client_id": target.dyn.client_id}):
        target.refused(ask(target, form, {}), 401, "invalid_client", "invalid_token")


def test_a_fhir_server_learns_nothing_of_anothers_tokens(target: Target) -> None:
    """IN-02: not active, and nothing else; also by a token of a service that is for the other."""
    token = target.bought()["access_token"]
    target.inactive(target.rs2.ask(token))
    assert target.rs.introspect(token)["aud"] == FHIR
    service = target.bulk.post("/token", {"grant_type": "client_credentials", "scope": "system/Patient.rs"}).json()
    target.inactive(target.rs2.ask(service["access_token"]))


def test_an_app_learns_nothing_of_anothers_tokens(target: Target) -> None:
    """IN-03: neither with its secret nor with its key."""
    token = target.bought()["access_token"]
    target.refused(ask(target, {"token": token}, basic("confidential", SECRET)), 401, "invalid_client")
    own = target.tokens_for_alice(scope=ALONE, app=target.sec)["access_token"]
    target.refused(ask(target, {"token": own}, basic("confidential", SECRET)), 401, "invalid_client")


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b"token=",
            b"token=x&token=y",
            b"token=x&token=x",
            b"token=%00",
            b"token=%ff%fe",
            b"token=\xff",
            b"token=%",
        ),
        *(b"Token=x", b"token[]=x", b"token=" + b"x" * 16_385, b"token=%ed%a0%80", b"token=x;y=z&token=w"),
    ],
)
def test_a_question_that_can_not_be_read_is_refused(target: Target, body: bytes) -> None:
    """IN-05."""
    target.refused(ask(target, body), 400, "invalid_request")


@pytest.mark.parametrize(
    "token", ["x", "x" * 16_000, "\u00e9", "a.b.c", "' OR 1=1--", "\U0001f600", "x y", "../../x", "%00", "0" * 64]
)
def test_whatever_is_no_token_is_inactive(target: Target, token: str) -> None:
    """IN-05: with nothing said about why."""
    target.inactive(target.rs.ask(token))


def test_a_megabyte_is_too_much(target: Target) -> None:
    """IN-05: refused by its announced length."""
    reply = ask(target, b"token=" + b"x" * 100_000)
    assert reply.status == 413


def test_a_wrong_hint_does_not_mislead(target: Target) -> None:
    """IN-06."""
    token = target.bought()["access_token"]
    for hint in ("refresh_token", "bogus", "", "access_token", "\u00e9", "x" * 1_000):
        assert target.rs.ask(token, token_type_hint=hint).json()["active"] is True


def test_tokens_are_not_asked_about_in_urls(target: Target) -> None:
    """IN-07: that the log has none of it is looked at after every case."""
    token = target.bought()["access_token"]
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        assert target.send(method, f"/introspect?token={token}", RS).status == 405
    reply = target.send("POST", f"/introspect?token={token}", {"Content-Type": FORM, **RS}, b"token=x")
    target.refused(reply, 400, "invalid_request")


def test_what_is_taken_back_is_inactive_at_every_worker(target: Target) -> None:
    """IN-09: user and client switched off, consent withdrawn, FHIR server switched off; each worker is asked."""
    tokens = target.pub.redeem(for_bob(target, ALONE)[1]).json()
    assert target.is_active(tokens["access_token"])
    take_everything_back(target, "bob")
    assert not target.is_active(tokens["access_token"])
    tokens = target.pub.redeem(for_bob(target, ALONE)[1]).json()
    with again(target, user="bob"):
        revoke_user(target, "bob")
        assert not target.is_active(tokens["access_token"])
    assert not target.is_active(tokens["access_token"])
    tokens = target.bought(target.sec)
    with again(target, client_id="confidential"):
        revoke_client(target, "confidential")
        assert not target.is_active(tokens["access_token"])


def test_the_answer_has_scope_client_and_context_and_no_name(target: Target) -> None:
    """IN-10, SMART "Token Introspection"."""
    tokens = target.bought(intent="reconcile", encounter="e-1")
    reply = target.rs.ask(tokens["access_token"])
    told = reply.json()
    assert (reply.header("cache-control"), told["active"], told["client_id"]) == ("no-store", True, "public")
    assert (told["patient"], told["encounter"], told["intent"]) == ("A", "e-1", "reconcile")
    assert (told["iss"], told["aud"], told["scope"]) == (target.issuer, FHIR, LAUNCHED)
    assert (type(told["exp"]), told["fhirUser"]) == (int, f"{FHIR}/Practitioner/dr")
    assert {"name", "email", "username", "birthdate", "access_token", "refresh_token"}.isdisjoint(told)
    assert "Doctor" not in reply.text


def test_whoever_tries_token_after_token_is_noticed(target: Target) -> None:
    """IN-11: an entry on the trail names the caller; everybody else is served."""
    token = target.bought()["access_token"]
    worker, sent = target.wire.workers[0], [("Host", "x"), ("Content-Type", FORM), ("Content-Length", "49")]
    sent += basic("asking", ASKER_SECRET).items()
    for tries in range(3_000):  # a thousand within a minute; a new minute may begin between them
        target.wire.send("POST", "/introspect", sent, f"token={tries:043}".encode(), worker)
        if tries % 500 == 499 and has_been_noticed(target, "asking"):
            break
    assert has_been_noticed(target, "asking")
    assert target.rs.introspect(token)["active"] is True


def has_been_noticed(target: Target, caller: str) -> bool:
    with target.services.db.read() as session:
        of_caller = (AuditEventRow.reason == "many_unknown", AuditEventRow.client_id == caller)
        return session.scalars(select(AuditEventRow).where(*of_caller)).first() is not None


def test_asked_for_a_signed_answer_it_is_json(target: Target) -> None:
    """IN-13, RFC 9701 is not offered."""
    token = target.bought()["access_token"]
    for accept in ("application/token-introspection+jwt", "text/html", "*/*;q=0"):
        reply = ask(target, {"token": token}, {**RS, "Accept": accept})
        assert (reply.header("content-type"), reply.json()["active"]) == ("application/json", True)
