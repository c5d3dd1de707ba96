"""From the ledger alone: from when a token is certainly dead, and until when it must certainly live."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from tests.faults.ledger import Operation, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

GRACE_SECONDS = 10  # ``refresh_grace_seconds`` of the server under test
PAID = {"redeem", "refresh"}


class Families:
    def __init__(self, operations: Iterable[Operation]) -> None:
        self.issued: dict[str, Operation] = {}  # access or refresh token -> the operation that delivered it
        self.access_tokens: list[str] = []
        self.attempts: dict[str, list[Operation]] = defaultdict(list)  # code or refresh token -> uses, in order
        self.ends: dict[str, list[Operation]] = defaultdict(list)  # family -> revocations
        for each in sorted(operations, key=lambda one: one.invoked):
            if each.op in PAID:
                self.attempts[each.subject].append(each)
            if each.op == "revoke":
                self.ends[each.family].append(each)
            if each.outcome is Outcome.OK and "access_token" in each.answer:
                self.access_tokens.append(each.answer["access_token"])
                for name in ("access_token", "refresh_token"):
                    if name in each.answer:
                        self.issued[each.answer[name]] = each
        self.paid_by_family: dict[str, list[list[Operation]]] = defaultdict(list)
        for uses in self.attempts.values():
            self.paid_by_family[uses[0].family].append(uses)

    def certainly_dead_from(self, token: str) -> float:
        """Infinity if nothing that was answered ended it."""
        issue = self.issued.get(token)
        if issue is None:
            return math.inf
        dead = [end.returned for end in self.ends[issue.family] if end.outcome is Outcome.OK]
        for uses in self.paid_by_family[issue.family]:
            dead += [again.returned for again in uses if is_replay(uses, again)]
        later = [use for use in self.attempts[issue.subject] if use.invoked > issue.returned]
        if issue.op == "refresh":
            dead += [use.returned for use in later if use.outcome is Outcome.OK]  # the answer was lost, says the client
        return min(dead, default=math.inf)

    def must_live(self, token: str, invoked: float, returned: float) -> bool:
        """Whether it was delivered, has time left, and nothing that may have ended it was begun before ``returned``."""
        issue = self.issued.get(token)
        if issue is None or issue.returned > invoked:
            return False
        if token == issue.answer["access_token"] and returned >= issue.invoked + issue.answer["expires_in"] - 1:
            return False
        possible = [end for end in self.ends[issue.family] if end.outcome is not Outcome.REFUSED]
        for uses in self.paid_by_family[issue.family]:
            possible += [again for again in uses[1:] if uses[0].op == "redeem" or is_late(uses, again)]
        if issue.op == "refresh":
            possible += [use for use in self.attempts[issue.subject] if use is not issue]
        return all(each.invoked >= returned for each in possible)

    def is_first_use(self, use: Operation) -> bool:
        return self.attempts[use.subject][0] is use


def is_late(uses: list[Operation], again: Operation) -> bool:
    """Whether a repeated refresh may have come after the grace, which ends the family."""
    return again.returned - uses[0].invoked > GRACE_SECONDS - 1


def is_replay(uses: list[Operation], again: Operation) -> bool:
    """A code that had paid came again and was refused: what it bought is taken back (RFC 6749 §4.1.2)."""
    had_paid = [use for use in uses if use.outcome is Outcome.OK and use.returned < again.invoked]
    return again.op == "redeem" and again.outcome is Outcome.REFUSED and bool(had_paid)
