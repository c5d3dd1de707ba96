"""The checker itself: a good history breaks nothing, and each invariant can be seen to break (security.md 3.2)."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from tests.faults.checker import INVARIANTS, violations
from tests.faults.ledger import CUT, History, Ledger, Operation, Outcome, TokenFacts, Truth, Use

OK, REFUSED, UNKNOWN = Outcome.OK, Outcome.REFUSED, Outcome.UNKNOWN
DR = {"patient": "A", "aud": "https://main", "client_id": "c", "fhirUser": "dr"}
ACTIVE = {"active": True, "scope": "s", "exp": 3600, "sub": "1", **DR}
PROOF = {"client_id": "c", "fhirUser": "dr", "sub": "1"}
DEAD = {"active": False}


def op(name: str, subject: str, at: float, outcome: Outcome = OK, answer: Any = None, **more: Any) -> Operation:
    """It takes a tenth of a second; everything is one family."""
    return Operation(0, name, subject, "f", at, at + 0.1, outcome, answer=answer or {}, **more)


def issue(name: str, subject: str, at: float, token: str, seconds: int = 3600) -> Operation:
    answer = {"access_token": token, "refresh_token": f"r-{token}", "scope": "s", "expires_in": seconds}
    return op(name, subject, at, answer=answer, arguments=DR)


GOOD = (
    op("authorize", "launch", 0),
    issue("redeem", "code", 1, "a"),
    op("introspect", "a", 2, answer=ACTIVE),
    op("peek", "a", 2, answer=DEAD),
    op("verify", "f", 2, answer=PROOF, arguments=DR),
    issue("refresh", "r-a", 3, "b"),
    op("introspect", "b", 4, answer=ACTIVE),
    op("introspect", "b", 5, UNKNOWN, {"error": "temporarily_unavailable"}, status=503, retry_after="2"),
    op("revoke", "r-b", 6, UNKNOWN, status=503, retry_after="2"),
    op("revoke", "r-b", 7),
    op("introspect", "b", 9, answer=DEAD),
    op("introspect", "a", 9, answer=DEAD),
)
TRUTH = Truth(
    tuple(TokenFacts(sha256(token.encode()).hexdigest(), f"jti-{token}", "g") for token in "ab"),
    {"g": {"scope": "s", **DR}},
    ("jti-a", "jti-b"),
    {"g": 0},
)
LATE = op("introspect", "a", 9000, answer=ACTIVE)


def history(*more: Operation, without: str = "", truth: Truth = TRUTH, **changes: Any) -> History:
    ledger = Ledger()
    for each in (*(one for one in GOOD if one.op != without), *more):
        ledger.add(replace(each, id=ledger.next_id()))
    return History(ledger, truth, **changes)


def test_a_good_history_breaks_nothing() -> None:
    """Also an answer of 503 and a revocation that had to be sent twice."""
    assert violations(history()) == {}


BROKEN = {
    "I1 a code pays twice": ("I1", history(issue("redeem", "code", 1.5, "a"))),
    "I2 three successors": ("I2", history(issue("refresh", "r-a", 3.3, "b"), issue("refresh", "r-a", 3.6, "b"))),
    "I2 a successor after the grace": ("I2", history(issue("refresh", "r-a", 30, "b"))),
    "I2 two live refresh tokens": ("I2", history(truth=replace(TRUTH, live_refresh={"g": 2}))),
    "I3 a launch opens twice": ("I3", history(op("authorize", "launch", 0.5))),
    "I3 an assertion is believed twice": (
        "I3",
        history(issue("client_credentials", "jti", 1, "a"), issue("client_credentials", "jti", 2, "b")),
    ),
    "I4 active after the revocation": ("I4", history(op("introspect", "b", 8.2, answer=ACTIVE))),
    "I4 refreshed after the revocation": ("I4", history(issue("refresh", "r-b", 8, "b"))),
    "I4 alive after its code came again": (
        "I4",
        history(op("redeem", "code", 4, REFUSED), op("introspect", "b", 5.2, answer=ACTIVE), without="revoke"),
    ),
    "I4 the lost answer's token lives beside the second": (
        "I4",
        history(issue("refresh", "r-a", 3.5, "c"), op("introspect", "b", 5.5, answer=ACTIVE), without="revoke"),
    ),
    "I5 a live token is dead": ("I5", history(op("introspect", "b", 5.5, answer=DEAD))),
    "I5 a live refresh token is refused": ("I5", history(op("refresh", "r-b", 5.5, REFUSED))),
    "I5 nobody looked": ("I5", history(without="introspect")),
    "I6 another patient": ("I6", history(op("introspect", "a", 2, answer={**ACTIVE, "patient": "B"}))),
    "I6 more scope": ("I6", history(op("introspect", "a", 2, answer={**ACTIVE, "scope": "s t"}))),
    "I6 another grant": ("I6", history(truth=replace(TRUTH, grants={"g": {**DR, "patient": "B"}}))),
    "I6 another audience": ("I6", history(op("introspect", "a", 2, answer={**ACTIVE, "aud": "https://other"}))),
    "I6 another person": ("I6", history(op("introspect", "a", 2, answer={**ACTIVE, "fhirUser": "Patient/B"}))),
    "I6 another FHIR server is told": ("I6", history(op("peek", "a", 2, answer=ACTIVE))),
    "I6 another person's id_token": (
        "I6",
        history(op("verify", "f", 2, answer={**PROOF, "fhirUser": "x"}, arguments=DR)),
    ),
    "I6 two subs of a person": ("I6", history(op("verify", "f", 2, answer={**PROOF, "sub": "2"}, arguments=DR))),
    "I6 a sub of two people": (
        "I6",
        history(op("verify", "f", 2, answer={**PROOF, "fhirUser": "n"}, arguments={**DR, "fhirUser": "n"})),
    ),
    "I7 no audit record": ("I7", history(truth=replace(TRUTH, recorded=("jti-a",)))),
    "I7 no row": ("I7", history(truth=replace(TRUTH, tokens=TRUTH.tokens[:1], recorded=("jti-a",)))),
    "I7 a record of nothing": ("I7", history(truth=replace(TRUTH, recorded=("jti-a", "jti-b", "jti-c")))),
    "I7 recorded twice": ("I7", history(truth=replace(TRUTH, recorded=("jti-a", "jti-b", "jti-b")))),
    "I8 no answer": ("I8", history(op("introspect", "a", 2, UNKNOWN, status=CUT))),
    "I8 a 500": ("I8", history(op("introspect", "a", 2, UNKNOWN, status=500))),
    "I8 no Retry-After": ("I8", history(op("introspect", "a", 2, UNKNOWN, status=503))),
    "I8 another error": (
        "I8",
        history(op("introspect", "a", 2, UNKNOWN, {"error": "invalid_grant"}, status=503, retry_after="2")),
    ),
    "I8 late": ("I8", history(replace(op("introspect", "a", 2, UNKNOWN, status=503, retry_after="2"), returned=9))),
    "I9 never well again": ("I9", history(recovered_seconds=6)),
    "I10 expired and active": ("I10", history(LATE, without="revoke")),
    "I10 no time left": ("I10", history(issue("refresh", "r-b", 6.5, "b", seconds=0), without="revoke")),
    "I11 a strange signature": ("I11", history(op("verify", "id", 2, REFUSED))),
    "I12 descriptors": ("I12", history(after=Use(descriptors=100))),
    "I12 connections": ("I12", history(after=Use(database_connections=100))),
    "I12 threads": ("I12", history(after=Use(threads=100))),
    "I12 memory": ("I12", history(after=Use(memory_kb=100_000))),
}


@pytest.mark.parametrize(("invariant", "broken"), BROKEN.values(), ids=BROKEN)
def test_what_breaks_an_invariant_is_found(invariant: str, broken: History) -> None:
    assert invariant in violations(broken)


def test_each_invariant_has_a_history_that_breaks_it() -> None:
    assert {invariant for invariant, _ in BROKEN.values()} == set(INVARIANTS)


def test_connections_break_where_workers_are_killed() -> None:
    cut = op("introspect", "a", 2, UNKNOWN, status=CUT)
    assert violations(history(cut, may_cut=True)) == {}


def test_what_may_have_been_revoked_may_be_dead() -> None:
    """An unknown revocation proves nothing, whichever way."""
    unknown = op("revoke", "r-b", 3.5, UNKNOWN, status=503, retry_after="2")
    for answer in (ACTIVE, DEAD):
        told = history(unknown, op("introspect", "a", 8, answer=answer), without="revoke")
        assert "I4" not in violations(told)
        only_unknown = history(unknown, op("introspect", "b", 5.5, answer=answer))
        assert "I5" not in violations(only_unknown)
