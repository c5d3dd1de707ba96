"""The reason that staff give before they see protected records."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from authz.audit.event import Event, EventName, role_of
from authz.authorize.outcome import ShowGlass
from authz.authorize.show import frame
from authz.authorize.steps import Step, next_step
from authz.login.method import BrokenGlass
from authz.policy.sensitive import PURPOSES
from authz.wording import gettext, mark

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authz.audit.event import Peer
    from authz.authorize.front import FrontChannel
    from authz.authorize.outcome import BrowserFacts, Outcome
    from authz.authorize.pending import Pending
    from authz.authorize.request import AuthorizationRequest
    from authz.authorize.situation import Situation

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
            if situation.facts.needs_encounter:
                glass = replace(glass, grant_id=secrets.token_hex(16))
                self.tell(request, pending, situation, glass, browser.peer)
            return self.front.go_on(request, replace(pending, glass=glass), browser)

        return self.front.guarded(pending, browser, given)

    def tell(
        self, request: AuthorizationRequest, pending: Pending, situation: Situation, glass: BrokenGlass, peer: Peer
    ) -> None:
        """The trail has it before visits are shown, whatever is granted then; else with the grant (REQ-87)."""
        assert situation.sign_in is not None
        broken = Event(
            event=EventName.GLASS_BROKEN,
            reason=glass.code,
            sub=situation.sign_in.sub,
            role=role_of(situation.fhir_user, situation.sign_in.sub),
            client_id=request.client.client_id,
            fhir_server=request.fhir_server.name,
            patient=glass.patient,
            grant_id=glass.grant_id,
            launch_id=pending.launch_id,
            peer=peer,
            detail={"text": glass.text},
        )
        responder = self.front.responder
        with responder.db.write() as session:
            responder.trail.record(session, broken)
