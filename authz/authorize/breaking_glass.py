"""The reason that staff give before they see protected records."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from authz.authorize.outcome import ShowGlass
from authz.authorize.show import frame
from authz.authorize.steps import Step, next_step
from authz.login.method import BrokenGlass
from authz.policy.sensitive import PURPOSES
from authz.wording import gettext, mark

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authz.authorize.front import FrontChannel
    from authz.authorize.outcome import BrowserFacts, Outcome
    from authz.authorize.request import AuthorizationRequest

SHORTEST, LONGEST = 10, 500
PROBLEM = mark("Choose a reason, and say in %(least)s to %(most)s characters why you need these records now.")


@dataclass(frozen=True, slots=True)
class BreakingGlass:
    front: FrontChannel

    def give(self, handle: str, sent: Mapping[str, str], browser: BrowserFacts) -> Outcome:
        """A code and a text, both; without them the page is shown again and nothing is granted."""
        pending = self.front.take(handle, browser)

        def given(request: AuthorizationRequest) -> Outcome:
            situation = self.front.judge.look(request, pending, browser)
            if next_step(situation.facts) is not Step.BREAK_GLASS:
                return self.front.go_on(request, pending, browser)
            code, text = sent.get("reason", ""), " ".join(sent.get("text", "").split())
            if code not in PURPOSES or not SHORTEST <= len(text) <= LONGEST or not text.isprintable():
                kept = self.front.interactions.keep(pending)
                shown, name = frame(request, pending), request.client.shown_name
                problem = gettext(PROBLEM, least=SHORTEST, most=LONGEST)
                return ShowGlass(kept, shown, name, text[:LONGEST], code, problem=problem, status=400)
            glass = BrokenGlass(code, text, situation.context.patient)
            return self.front.go_on(request, replace(pending, glass=glass), browser)

        return self.front.guarded(pending, browser, given)
