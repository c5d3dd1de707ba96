"""Why each requested scope was granted, narrowed or dropped."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from authz.scopes.reason import Reason
from authz.scopes.resource import ResourceScope
from authz.scopes.scope_set import ScopeSet
from authz.scopes.unknown import UnknownScope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from authz.scopes.scope import Scope


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound on what may be granted: a set to stay within, or a test that each scope passes or fails."""

    reason: Reason
    allowed: ScopeSet | Callable[[Scope], bool]
    detail: str  # a sentence for the app's developer

    def apply(self, scopes: ScopeSet) -> ScopeSet:
        if isinstance(self.allowed, ScopeSet):
            return scopes.narrow_to(self.allowed)
        kept = tuple(filter(self.allowed, scopes))
        return scopes if len(kept) == len(scopes) else ScopeSet(kept)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one requested scope; why is the limit that left nothing of it, else the first that changed it."""

    requested: str  # unchecked: may hold any character if it is no scope
    granted: tuple[str, ...]
    reason: Reason | None = None
    detail: str = ""

    @property
    def outcome(self) -> Literal["granted", "narrowed", "dropped"]:
        if not self.granted:
            return "dropped"
        return "granted" if self.granted == (self.requested,) else "narrowed"

    def as_dict(self) -> dict[str, Any]:
        return {
            "requested": self.requested,
            "outcome": self.outcome,
            "granted": list(self.granted),
            "reason": self.reason.value if self.reason else None,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is left of a request, and a verdict for each scope in the order asked."""

    granted: ScopeSet
    verdicts: tuple[Verdict, ...]

    def as_dict(self) -> dict[str, Any]:
        return {"granted": str(self.granted), "verdicts": [verdict.as_dict() for verdict in self.verdicts]}


def judge(requested: ScopeSet, limits: Sequence[Limit]) -> Judgement:
    """Apply ``limits`` one after the other; never grants more than was asked (SMART 2.2 would permit it, we do not).

    Raises InvalidScope if what is left takes too many scopes to say.
    """
    granted = ScopeSet()
    verdicts = []
    for scope in requested:
        left, verdict = _judge_one(scope, limits, _hint(scope, requested))
        granted |= left
        verdicts.append(verdict)
    return Judgement(granted, tuple(verdicts))


def _hint(scope: Scope, requested: ScopeSet) -> str:
    """What looks like a mistake in a scope that is valid, or ``""``."""
    if str(scope) == "profile" and "fhirUser" not in requested:
        return "did you mean fhirUser? That was its name in SMART 1.0; profile gives a person's name"
    return scope.hint if isinstance(scope, ResourceScope) else ""


def _judge_one(scope: Scope, limits: Sequence[Limit], hint: str) -> tuple[ScopeSet, Verdict]:
    if isinstance(scope, UnknownScope):
        return ScopeSet(), Verdict(str(scope), (), scope.code, scope.reason)
    left = ScopeSet((scope,))
    first: Limit | None = None
    for limit in limits:
        before, left = left, limit.apply(left)
        if not left:
            return left, Verdict(str(scope), (), limit.reason, limit.detail)
        if first is None and left is not before and str(left) != str(before):
            first = limit
    spellings = tuple(map(str, left))
    if first:
        return left, Verdict(str(scope), spellings, first.reason, first.detail)
    return left, Verdict(str(scope), spellings, None, hint)


def without_repetition(judgement: Judgement) -> Judgement:
    """Leave out what further constraints made of a scope where scopes with fewer say it already (SMART SCP-11).

    Of ``patient/Observation.rs`` and ``patient/Observation.rs?category=a`` within ``?category=b`` one scope remains,
    not a second one for what is in both categories. What has the constraints asked for stays, repeated or not (N12).
    """
    if all(verdict.outcome != "narrowed" for verdict in judgement.verdicts):
        return judgement
    asked = {scope.query for verdict in judgement.verdicts for scope in ScopeSet.parse(verdict.requested).resources}
    made = [scope for scope in judgement.granted.resources if scope.query not in asked]
    repeated = [scope for scope in made if _others(judgement.granted, scope).covers(scope)]
    granted = judgement.granted.without(*repeated)
    verdicts = (
        replace(verdict, granted=tuple(text for text in verdict.granted if text in granted))
        for verdict in judgement.verdicts
    )
    return replace(judgement, granted=granted, verdicts=tuple(verdicts)) if repeated else judgement


def _others(granted: ScopeSet, scope: ResourceScope) -> ScopeSet:
    return ScopeSet.of(*(other for other in granted.resources if other.query != scope.query))


def keep_one_refresh_scope(judgement: Judgement) -> Judgement:
    """Of ``offline_access`` and ``online_access`` grant one (SMART digest SCP-34): offline, if it got this far.

    The last step of a grant: only then is it known whether offline access remains.
    """
    if not {"offline_access", "online_access"} <= set(map(str, judgement.granted)):
        return judgement
    dropped = Verdict("online_access", (), Reason.SUPERSEDED, "offline_access is granted, which outlasts it")
    verdicts = (dropped if v.requested == dropped.requested else v for v in judgement.verdicts)
    return replace(judgement, granted=judgement.granted.without("online_access"), verdicts=tuple(verdicts))
