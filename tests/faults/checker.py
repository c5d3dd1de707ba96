"""Holds a history against the invariants I1-I12 (security.md 3.2); each check yields what it found, in words."""

from __future__ import annotations

from collections import defaultdict
from hashlib import sha256
from typing import TYPE_CHECKING

from tests.faults.families import GRACE_SECONDS, Families
from tests.faults.ledger import CUT, Operation, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.faults.ledger import History

ISSUES = frozenset({"redeem", "refresh", "client_credentials"})
ANSWER_SECONDS = 2.0
SLACK_SECONDS = 1.5  # a busy machine's, on top of what is promised
RECOVERY_SECONDS = 5.0
MORE_DESCRIPTORS, MORE_THREADS, MORE_CONNECTIONS, MORE_KB = 40, 40, 20, 60_000
SINGLE_USE = {"authorize": "launch", "client_credentials": "assertion", "par": "request_uri"}


def ok(operations: Iterable[Operation], *names: str) -> list[Operation]:
    return [each for each in operations if each.outcome is Outcome.OK and each.op in names]


def by_subject(operations: Iterable[Operation]) -> dict[str, list[Operation]]:
    found: dict[str, list[Operation]] = defaultdict(list)
    for each in operations:
        found[each.subject].append(each)
    return found


def one_token_set_for_a_code(history: History) -> Iterator[str]:
    for code, redeemed in by_subject(ok(history.ledger.operations, "redeem")).items():
        if len(redeemed) > 1:
            yield f"code {code[:12]} paid {len(redeemed)} times: {', '.join(str(each.id) for each in redeemed)}"


def one_successor_of_a_refresh_token(history: History) -> Iterator[str]:
    for token, uses in by_subject(ok(history.ledger.operations, "refresh")).items():
        uses.sort(key=lambda each: each.invoked)
        if len(uses) > 2:
            yield f"refresh token {token[:12]} was exchanged {len(uses)} times"
        if uses[-1].invoked - uses[0].returned > GRACE_SECONDS + 1:
            yield f"refresh token {token[:12]} was exchanged again after the grace: {uses[-1].id}"
    for grant, number in history.truth.live_refresh.items():
        if number > 1:
            yield f"grant {grant} has {number} refresh tokens that could be used"


def one_success_of_anything_single_use(history: History) -> Iterator[str]:
    for op, kind in SINGLE_USE.items():
        for subject, uses in by_subject(ok(history.ledger.operations, op)).items():
            if len(uses) > 1:
                yield f"{kind} {subject[:12]} was accepted {len(uses)} times"


def what_was_revoked_stays_dead(history: History) -> Iterator[str]:
    families = Families(history.ledger.operations)
    for look in ok(history.ledger.operations, "introspect"):
        dead_from = families.certainly_dead_from(look.subject)
        if look.answer.get("active") is True and look.invoked > dead_from + 1:
            yield f"{look.id}: active {look.invoked - dead_from:.1f} s after it was revoked"
    for use in ok(history.ledger.operations, "refresh"):
        if use.invoked > families.certainly_dead_from(use.subject):
            yield f"{use.id}: a revoked refresh token was exchanged"


def what_was_promised_is_not_lost(history: History) -> Iterator[str]:
    families = Families(history.ledger.operations)
    seen = {look.subject for look in ok(history.ledger.operations, "introspect")}
    for look in ok(history.ledger.operations, "introspect"):
        if look.answer.get("active") is not True and families.must_live(look.subject, look.invoked, look.returned):
            yield f"{look.id}: a live token is told to be dead"
    for use in history.ledger.operations:
        is_no = use.op == "refresh" and use.outcome is Outcome.REFUSED
        if is_no and families.must_live(use.subject, use.invoked, use.returned) and families.is_first_use(use):
            yield f"{use.id}: a live refresh token was refused"
    for token in families.access_tokens:
        if token not in seen:
            yield f"token {token[:12]} was never looked at: the campaign is not complete"


def tokens_say_what_was_granted(history: History) -> Iterator[str]:
    delivered = {str(each.answer["access_token"]): each for each in ok(history.ledger.operations, *ISSUES)}
    for look in ok(history.ledger.operations, "introspect"):
        issue = delivered.get(look.subject)
        if issue is None or look.answer.get("active") is not True:
            continue
        wanted = {"scope": issue.answer.get("scope")} | issue.arguments
        told = {name: look.answer.get(name) for name in wanted}
        if told != wanted:
            yield f"{look.id}: says {told}, granted was {wanted}"
    for proof in ok(history.ledger.operations, "verify"):
        wanted = {name: proof.arguments.get(name) for name in ("client_id", "fhirUser")}
        told = {name: proof.answer.get(name) for name in wanted}
        if told != wanted:
            yield f"{proof.id}: the id_token says {told}, granted was {wanted}"
    for look in ok(history.ledger.operations, "peek"):
        if look.answer.get("active") is not False:
            yield f"{look.id}: the FHIR server of another hospital is told of a token"
    yield from a_person_has_one_sub(history)
    yield from grants_are_as_asked(history)


def a_person_has_one_sub(history: History) -> Iterator[str]:
    """And a ``sub`` is one person's, in introspection and in id_tokens."""
    people: dict[str, set[str]] = defaultdict(set)
    for each in ok(history.ledger.operations, "introspect", "verify"):
        if {"sub", "fhirUser"} <= each.answer.keys():
            people[each.answer["fhirUser"]].add(each.answer["sub"])
    for person, subs in people.items():
        others = set().union(*(found for name, found in people.items() if name != person))
        if len(subs) > 1 or subs & others:
            yield f"{person} has {len(subs)} subs, of which {len(subs & others)} are somebody else's too"


def grants_are_as_asked(history: History) -> Iterator[str]:
    delivered = {str(each.answer["access_token"]): each for each in ok(history.ledger.operations, *ISSUES)}
    jtis = {row.digest: row for row in history.truth.tokens}
    for token, issue in delivered.items():
        row = jtis.get(sha256(token.encode()).hexdigest())
        grant = history.truth.grants.get(row.grant_id) if row else None
        different = {name for name, value in issue.arguments.items() if grant and grant.get(name) != value}
        if different:
            yield f"{issue.id}: its grant has another {', '.join(sorted(different))}"


def every_issue_is_recorded(history: History) -> Iterator[str]:
    rows = {row.digest: row.jti for row in history.truth.tokens}
    recorded = set(history.truth.recorded)
    for issue in ok(history.ledger.operations, *ISSUES):
        jti = rows.get(sha256(str(issue.answer["access_token"]).encode()).hexdigest())
        if jti is None:
            yield f"{issue.id}: a token was answered that the database does not have"
        elif jti not in recorded:
            yield f"{issue.id}: a token was issued without an audit record"
    for jti in recorded - set(rows.values()):
        yield f"the audit trail records token {jti}, which does not exist"
    if len(recorded) != len(history.truth.recorded):
        yield "a token has two audit records of its issue"


def failures_are_told_as_failures(history: History) -> Iterator[str]:
    for each in history.ledger.operations:
        if each.status == CUT:
            if not history.may_cut:
                yield f"{each.id}: {each.op} got no answer"
        elif each.returned - each.invoked > ANSWER_SECONDS + SLACK_SECONDS and each.outcome is Outcome.UNKNOWN:
            yield f"{each.id}: {each.op} failed after {each.returned - each.invoked:.1f} s"
        if each.status >= 500 and (each.status != 503 or each.retry_after is None):
            yield f"{each.id}: {each.op} was answered {each.status}, Retry-After {each.retry_after}"
        if each.status == 503 and each.answer.get("error") not in {"temporarily_unavailable", None}:
            yield f"{each.id}: {each.op} was answered 503 {each.answer}"


def it_heals(history: History) -> Iterator[str]:
    if history.recovered_seconds > RECOVERY_SECONDS:
        yield f"healthy only {history.recovered_seconds:.1f} s after the fault"


def nothing_expired_works(history: History) -> Iterator[str]:
    for each in ok(history.ledger.operations, "introspect"):
        if each.answer.get("active") is True and each.answer["exp"] <= each.invoked - 1:
            yield f"{each.id}: active {each.invoked - each.answer['exp']:.0f} s after it expired"
    for each in ok(history.ledger.operations, *ISSUES):
        if each.answer["expires_in"] <= 0:
            yield f"{each.id}: expires_in is {each.answer['expires_in']}"


def signatures_verify(history: History) -> Iterator[str]:
    for each in history.ledger.operations:
        if each.op == "verify" and each.outcome is Outcome.REFUSED:
            yield f"{each.id}: an id_token does not verify with the keys that are published"


def nothing_grows(history: History) -> Iterator[str]:
    limits = {
        "descriptors": MORE_DESCRIPTORS,
        "threads": MORE_THREADS,
        "database_connections": MORE_CONNECTIONS,
        "memory_kb": MORE_KB,
    }
    for name, limit in limits.items():
        grown = getattr(history.after, name) - getattr(history.before, name)
        if grown > limit:
            yield f"{name} grew by {grown}"


INVARIANTS: dict[str, Callable[[History], Iterator[str]]] = {
    "I1": one_token_set_for_a_code,
    "I2": one_successor_of_a_refresh_token,
    "I3": one_success_of_anything_single_use,
    "I4": what_was_revoked_stays_dead,
    "I5": what_was_promised_is_not_lost,
    "I6": tokens_say_what_was_granted,
    "I7": every_issue_is_recorded,
    "I8": failures_are_told_as_failures,
    "I9": it_heals,
    "I10": nothing_expired_works,
    "I11": signatures_verify,
    "I12": nothing_grows,
}


def violations(history: History) -> dict[str, list[str]]:
    """What each invariant found; an invariant that holds is not in it."""
    found = {name: list(check(history)) for name, check in INVARIANTS.items()}
    return {name: each for name, each in found.items() if each}
