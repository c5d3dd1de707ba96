"""Decisions about apps: a vendor registers and asks, reviewers decide, both read the same history."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from authz.audit.model import AuditEventRow
from authz.audit.order import ORDER
from authz.errors import InvalidValue, NotFound, OAuthError
from authz.registration.case import asked_for
from authz.registration.decision import AlreadyDecided, Reviewer, Terms
from authz.registration.model import State
from authz.registration.report import Finding, Level, Report
from tests.backend import KEYS, Backend, key_set
from tests.vendor import Vendor
from tests.world import FHIR

if TYPE_CHECKING:
    from authz.registration.applications import Application
    from authz.registration.parts import Registration
    from tests.actors import SmartApp
    from tests.world import World

ANN, BOB = Reviewer("ann"), Reviewer("bob")
TAKEN = Finding(Level.ERROR, "client_name", "is that of another app")
SCOPE = "launch/patient openid fhirUser offline_access patient/*.rs user/*.rs"
CALLBACK = "https://vendor.example/cb"


@dataclass
class Office:
    """The hospital where one app has registered itself, and those who decide about it."""

    world: World
    vendor: Vendor
    answer: dict[str, Any] = field(default_factory=dict)

    def register(self, **changes: Any) -> None:
        self.answer = self.vendor.register(None, **{"scope": SCOPE, **changes})

    @property
    def client_id(self) -> str:
        return str(self.answer["client_id"])

    @property
    def parts(self) -> Registration:
        return self.world.services.registration

    @property
    def app(self) -> SmartApp:
        return self.vendor.app(self.answer, FHIR)

    def show(self) -> Application:
        return self.parts.review.show(self.client_id)

    def check(self, *found: Finding) -> None:
        """The automatic checks are made, and find this."""
        with self.world.services.db.write() as session:
            asked = asked_for(session, self.client_id)
            self.parts.checks.keep(session, self.client_id, Report.of(self.world.clock(), found), asked)

    def lines(self) -> list[tuple[str, str, str, dict[str, Any]]]:
        return [(row.actor, row.what, row.note, row.changes) for row in self.show().history]

    def trail(self) -> list[tuple[str | None, dict[str, Any]]]:
        with self.world.services.db.read() as session:
            found = select(AuditEventRow).where(AuditEventRow.event == "client.changed").order_by(*ORDER)
            return [(row.reason, row.detail) for row in session.scalars(found) if row.client_id == self.client_id]

    def granted(self, user: str, scope: str = SCOPE) -> dict[str, Any]:
        app = self.app
        reply = app.redeem(self.world.standalone(app, scope, user))
        assert reply.status == 200, reply.text
        answer: dict[str, Any] = reply.json()
        return answer


@pytest.fixture
def office(world: World) -> Office:
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", {"registration": "open"})
    made = Office(world, Vendor(world.transport))
    made.register()
    return made


def test_a_provider_app_is_asked_for_reviewed_and_approved(office: Office) -> None:
    """REQ-116, requirements.md D14: request, decision, production; both sides read the history."""
    assert (office.show().registration.lane, office.show().state) == ("provider", State.SANDBOX)
    office.world.clock.forward(seconds=1)  # the trail's order is that of its times
    office.parts.review.request_production(office.client_id, "we are ready")
    office.world.clock.forward(seconds=1)
    assert [one.client.client_id for one in office.parts.review.list(undecided=True)] == [office.client_id]
    office.parts.review.approve(office.client_id, ANN, note="welcome", seen=office.show().seen)
    assert office.show().state is State.APPROVED
    assert office.parts.review.list(undecided=True) == []
    assert office.lines() == [
        ("vendor", "registered", "", {}),
        ("vendor", "requested", "we are ready", {}),
        ("administrator:ann", "approved", "welcome", {}),
    ]
    assert office.trail()[1:] == [("requested", {}), ("approved", {"operator": "ann"})]
    assert office.granted("doctor", "openid fhirUser user/Patient.rs")["scope"] == "openid fhirUser user/Patient.rs"


def test_an_approval_can_narrow_what_was_asked_and_the_vendor_sees_how(office: Office) -> None:
    """Approve with changes: scope, user types, FHIR servers, required scope."""
    narrower = "launch/patient openid fhirUser patient/*.rs"
    terms = Terms(narrower, ("Practitioner",), ("main", "other"), "patient/*.rs")
    office.parts.review.approve(office.client_id, ANN, terms)
    shown = office.show().as_dict()
    assert (shown["metadata"]["scope"], shown["metadata"]["fhir_user_types"]) == (narrower, ["Practitioner"])
    assert (shown["fhir_servers"], shown["required_scope"]) == (["main", "other"], "patient/*.rs")
    assert office.lines()[-1] == (
        "administrator:ann",
        "approved",
        "",
        {
            "scope": [SCOPE, narrower],
            "fhir_user_types": [None, ["Practitioner"]],
            "fhir_servers": [["main"], ["main", "other"]],
            "required_scope": ["", "patient/*.rs"],
        },
    )
    assert office.vendor.read(office.answer).json()["scope"] == narrower


@pytest.mark.parametrize("terms", [Terms(scope=f"{SCOPE} patient/*.cruds"), Terms(user_types=())])
def test_an_approval_never_widens_what_was_asked(office: Office, terms: Terms) -> None:
    """RG-06."""
    office.register(fhir_user_types=["Practitioner"])
    with pytest.raises(InvalidValue):
        office.parts.review.approve(office.client_id, ANN, terms)
    assert (office.show().state, office.lines()[-1][1]) == (State.SANDBOX, "registered")


def test_a_declined_vendor_reads_why_and_may_ask_again(office: Office) -> None:
    office.parts.review.request_production(office.client_id)
    office.parts.review.decline(office.client_id, ANN, "no privacy policy")
    assert (office.show().state, office.show().registration.reason) == (State.DECLINED, "no privacy policy")
    office.parts.review.request_production(office.client_id, "there is one now")
    office.parts.review.approve(office.client_id, BOB)
    assert [(actor, what) for actor, what, _, _ in office.lines()[1:]] == [
        ("vendor", "requested"),
        ("administrator:ann", "declined"),
        ("vendor", "requested"),
        ("administrator:bob", "approved"),
    ]


@pytest.mark.parametrize("what", ["decline", "hold"])
def test_taking_an_approval_away_ends_all_that_was_granted(office: Office, what: str) -> None:
    """INT-02, decision 2: tokens, refresh tokens and the decisions people made die with it."""
    office.parts.review.approve(office.client_id, ANN)
    tokens = office.granted("alice", "launch/patient openid offline_access patient/*.rs")
    assert office.world.fhir_server.introspect(tokens["access_token"])["active"] is True
    assert getattr(office.parts.review, what)(office.client_id, BOB, "a complaint") == 1
    assert office.world.fhir_server.introspect(tokens["access_token"]) == {"active": False}
    assert office.app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("reason", ["", "  ", "x" * 2001, "a\x00b"])
def test_nobody_is_declined_without_a_word(office: Office, reason: str) -> None:
    for decide in (office.parts.review.decline, office.parts.review.hold):
        with pytest.raises(InvalidValue):
            decide(office.client_id, ANN, reason)
    assert office.show().state is State.SANDBOX


def test_what_has_changed_since_it_was_looked_at_is_not_decided_about(office: Office) -> None:
    """Of two administrators one wins and the other is told; a vendor can't swap the app under a reviewer's eyes."""
    seen = office.show().seen
    office.parts.review.approve(office.client_id, ANN, seen=seen)
    with pytest.raises(AlreadyDecided) as refused:
        office.parts.review.decline(office.client_id, BOB, "no", seen=seen)
    assert refused.value.description == f"{office.client_id}: approved by administrator:ann meanwhile; look at it again"
    with pytest.raises(AlreadyDecided, match="is approved already"):
        office.parts.review.approve(office.client_id, BOB)
    office.register()
    seen = office.show().seen
    office.answer = office.vendor.replace(office.answer, redirect_uris=["https://evil.example/cb"]).json()
    with pytest.raises(AlreadyDecided, match="changed by vendor meanwhile"):
        office.parts.review.approve(office.client_id, ANN, seen=seen)
    assert office.show().state is State.SANDBOX


def test_of_two_who_decide_at_once_one_wins(office: Office) -> None:
    """Race: eight decisions at once about the same app, one line in the history."""
    seen, together = office.show().seen, Barrier(8)

    def decide(number: int) -> str:
        with office.world.app.app_context():
            together.wait()
            try:
                if number % 2:
                    office.parts.review.approve(office.client_id, Reviewer(f"n{number}"), seen=seen)
                else:
                    office.parts.review.decline(office.client_id, Reviewer(f"n{number}"), "no", seen=seen)
            except AlreadyDecided:
                return "told"
            return f"administrator:n{number}"

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(decide, range(8)))
    assert results.count("told") == 7
    assert [line[0] for line in office.lines()] == ["vendor", next(r for r in results if r != "told")]


def test_there_is_nothing_to_ask_for_while_somebody_looks_at_it(office: Office) -> None:
    office.parts.review.request_production(office.client_id)
    for state in ("requested", "held", "approved"):
        with pytest.raises(AlreadyDecided, match=f"is {state}: there is nothing to ask for"):
            office.parts.review.request_production(office.client_id)
        if state == "requested":
            office.parts.review.hold(office.client_id, ANN, "a moment")
        else:
            office.parts.review.approve(office.client_id, ANN) if state == "held" else None
    with pytest.raises(NotFound):
        office.parts.review.request_production("public")


# --- the approval that comes by itself


def test_a_patient_facing_app_is_approved_after_the_hold_whether_or_not_a_thread_lives(office: Office) -> None:
    """REQ-116: after 48 hours to the second, put down once by whoever gets to it."""
    office.register(scope="launch/patient openid patient/*.rs")
    office.check()
    assert (office.show().state, office.show().registration.lane) == (State.SANDBOX, "patient")
    office.world.clock.forward(hours=48, seconds=-1)
    assert office.parts.automatic.approve_due() == []
    assert office.show().state is State.SANDBOX
    office.world.clock.forward(seconds=1)
    assert office.show().state is State.APPROVED
    assert office.vendor.read(office.answer).json()["registration_state"] == "approved"
    assert office.granted("alice", "launch/patient patient/*.rs")["patient"] == "A"
    assert office.parts.automatic.approve_due() == [office.client_id]
    assert office.parts.automatic.approve_due() == []
    assert office.show().registration.state == "approved"
    note = "The waiting time is over, and nobody has decided otherwise."
    assert office.lines()[1:] == [("server", "approved", note, {})]
    assert office.trail()[-1] == ("approved_by_time", {})


@pytest.mark.parametrize("what", ["decline", "hold"])
def test_an_administrator_who_decides_before_stops_the_time(office: Office, what: str) -> None:
    office.register(scope="patient/*.rs")
    getattr(office.parts.review, what)(office.client_id, ANN, "let us talk")
    office.world.clock.forward(days=30)
    assert office.parts.automatic.approve_due() == []
    assert office.show().state is (State.DECLINED if what == "decline" else State.HELD)


def test_an_error_of_the_automatic_checks_leaves_it_to_a_person(office: Office) -> None:
    office.register(scope="patient/*.rs")
    office.check(TAKEN)
    office.world.clock.forward(hours=48)
    assert office.parts.automatic.approve_due() == []
    assert office.show().state is State.HELD
    assert [one.client.client_id for one in office.parts.review.list(undecided=True)] == [office.client_id]


def test_a_machine_whose_clock_is_far_ahead_approves_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """R-15: nobody takes back an approval that came two days early."""
    office.register(scope="patient/*.rs")
    office.check()
    office.world.clock.forward(hours=49)
    monkeypatch.setattr("authz.storage.witness.seconds_ahead", lambda *_: 49 * 3600.0)
    assert office.parts.automatic.approve_due() == []
    monkeypatch.setattr("authz.storage.witness.seconds_ahead", lambda *_: -1.0)
    assert office.parts.automatic.approve_due() == [office.client_id]


def test_an_app_that_nobody_has_checked_is_not_approved_by_time(office: Office) -> None:
    """The checks may be late or dead: it stays in the sandbox, and goes on from there once they were made."""
    office.register(scope="launch/patient patient/*.rs")
    office.world.clock.forward(days=30)
    assert office.parts.automatic.approve_due() == []
    assert office.show().state is State.SANDBOX
    office.check()
    assert office.show().state is State.APPROVED
    assert office.parts.automatic.approve_due() == [office.client_id]


def test_an_error_that_is_found_after_the_time_leaves_it_to_a_person(office: Office) -> None:
    """Nothing was granted meanwhile: without the checks the time counts for nothing."""
    office.register(scope="launch/patient patient/*.rs")
    office.world.clock.forward(hours=48)
    office.check(TAKEN)
    assert office.parts.automatic.approve_due() == []
    assert office.show().state is State.HELD
    found = "The automatic checks found: client_name: is that of another app"
    assert office.lines()[1:] == [("server", "held", found, {})]
    assert office.parts.automatic.approve_due() == []


def test_an_error_that_a_later_check_finds_takes_the_approval_back(office: Office) -> None:
    """Before it was put down: with all that was granted."""
    office.register(scope="launch/patient patient/*.rs")
    office.check()
    office.world.clock.forward(hours=48)
    token = office.granted("alice", "launch/patient patient/*.rs")["access_token"]
    office.check(TAKEN)
    assert office.parts.automatic.approve_due() == []
    assert office.show().state is State.HELD
    assert office.world.fhir_server.introspect(token) == {"active": False}


def test_a_patient_facing_app_may_be_asked_for_earlier_and_its_time_goes_on(office: Office) -> None:
    office.register(scope="patient/*.rs")
    office.check()
    office.parts.review.request_production(office.client_id)
    assert office.show().state is State.REQUESTED
    office.world.clock.forward(hours=48)
    assert office.parts.automatic.approve_due() == [office.client_id]
    assert (office.show().state, office.show().registration.state) == (State.APPROVED, "approved")


def test_a_backend_service_waits_from_the_beginning_and_gets_nothing_until_it_is_approved(office: Office) -> None:
    """BKS-01, RG-06: a key, and somebody's word."""
    backend = {"token_endpoint_auth_method": "private_key_jwt", "grant_types": ["client_credentials"]}
    empty = {"redirect_uris": None, "launch_uris": None, "jwks": key_set(**KEYS)}
    office.register(scope="system/*.rs", **backend, **empty)
    assert [one.client.client_id for one in office.parts.review.list(undecided=True)] == [office.client_id]
    service = Backend(office.world, office.client_id)
    assert service.ask(scope="system/*.rs").json()["error"] == "unauthorized_client"
    office.world.clock.forward(days=30)
    assert office.parts.automatic.approve_due() == []
    office.parts.review.approve(office.client_id, ANN)
    token = service.ask(scope="system/*.rs").json()["access_token"]
    assert office.world.fhir_server.introspect(token)["active"] is True
    office.parts.review.hold(office.client_id, BOB, "a complaint")
    assert office.world.fhir_server.introspect(token) == {"active": False}


# --- change requests


def test_a_proposed_change_changes_nothing_until_somebody_has_looked_at_it(office: Office) -> None:
    """RFC 7592 has no such thing: an update would take the approval away."""
    office.parts.review.approve(office.client_id, ANN)
    said = {**office.show().metadata, "client_name": "Better", "scope": f"{SCOPE} launch"}
    changes = {"client_name": (office.show().client.client_name, "Better"), "scope": (SCOPE, f"{SCOPE} launch")}
    assert office.parts.proposals.propose(office.client_id, said, "a launch") == changes
    shown = office.show()
    assert (shown.state, shown.client.client_name, shown.changes) == (
        State.APPROVED,
        changes["client_name"][0],
        changes,
    )
    assert [one.client.client_id for one in office.parts.review.list(undecided=True)] == [office.client_id]
    assert office.parts.proposals.apply(office.client_id, BOB, shown.seen, "fine") == 0
    shown = office.show()
    assert (shown.state, shown.client.client_name, str(shown.client.scope)) == (
        State.APPROVED,
        "Better",
        f"{SCOPE} launch",
    )
    pairs = {name: list(pair) for name, pair in changes.items()}
    assert office.lines()[2:] == [
        ("vendor", "change_proposed", "a launch", pairs),
        ("administrator:bob", "change_applied", "fine", pairs),
    ]
    with pytest.raises(AlreadyDecided):
        office.parts.proposals.apply(office.client_id, BOB, shown.seen)


def test_a_vendor_who_proposes_for_ever_fills_no_disk(office: Office) -> None:
    """RG-19: of each kind of line that a vendor can write at will the newest fifty are kept."""
    office.parts.review.approve(office.client_id, ANN)
    for number in range(52):
        office.parts.proposals.propose(office.client_id, {**office.show().metadata, "client_name": f"App {number}"})
    kinds = Counter((actor, what) for actor, what, _, _ in office.lines())
    assert kinds == {
        ("vendor", "registered"): 1,
        ("administrator:ann", "approved"): 1,
        ("vendor", "change_proposed"): 50,
    }


def test_a_change_of_where_codes_go_ends_what_was_granted(office: Office) -> None:
    """RG-23."""
    office.parts.review.approve(office.client_id, ANN)
    token = office.granted("alice", "launch/patient patient/*.rs")["access_token"]
    said = {**office.show().metadata, "redirect_uris": ["https://vendor.example/new"]}
    office.parts.proposals.propose(office.client_id, said)
    assert office.world.fhir_server.introspect(token)["active"] is True
    assert office.parts.proposals.apply(office.client_id, ANN, office.show().seen) == 1
    assert office.world.fhir_server.introspect(token) == {"active": False}
    assert office.show().client.redirect_uris == ("https://vendor.example/new",)


def test_a_refused_change_is_gone_and_the_vendor_reads_why(office: Office) -> None:
    office.parts.review.approve(office.client_id, ANN)
    office.parts.proposals.propose(office.client_id, {**office.show().metadata, "client_name": "Better"})
    office.parts.proposals.refuse(office.client_id, BOB, "too like another one")
    shown = office.show()
    assert (shown.changes, shown.state, shown.needs_decision) == ({}, State.APPROVED, False)
    assert office.lines()[-1] == ("administrator:bob", "change_refused", "too like another one", {})
    office.parts.proposals.propose(office.client_id, {**shown.metadata, "client_name": "Best"})
    office.parts.proposals.take_back(office.client_id)
    assert office.lines()[-1] == ("vendor", "change_taken_back", "", {})


@pytest.mark.parametrize("changes", [{}, {"redirect_uris": ["javascript:alert(1)"]}, {"scope": "__launch"}])
def test_what_could_not_be_registered_can_not_be_proposed(office: Office, changes: dict[str, Any]) -> None:
    """RG-02, RG-06: nor what would change nothing."""
    with pytest.raises(OAuthError):
        office.parts.proposals.propose(office.client_id, {**office.show().metadata, **changes})
    assert office.show().registration.proposed is None
