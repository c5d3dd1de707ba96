"""An app that nobody has approved tries to get at somebody real, by every way in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select

from authz.audit.event import Peer
from authz.audit.model import AuditEventRow
from authz.clients.metadata import ClientMetadata
from authz.clients.registry import HospitalDecisions
from authz.tokens.model import LogoutNoticeRow
from authz.users.user import Representation
from tests.actors import SmartApp
from tests.backend import register
from tests.fhir import patient
from tests.launch.signing import SigningEhr, ec_key, public
from tests.pickers.test_staff_picker import offered, search, text
from tests.world import CONFIDENTIAL, FHIR, ISSUER, SECRET

if TYPE_CHECKING:
    from tests.actors import Browser
    from tests.fhir import FakeFhir
    from tests.transport import Reply
    from tests.world import World

CALLBACK = "https://trial.example/cb"
SCOPE = "launch launch/patient openid fhirUser online_access offline_access patient/*.rs user/*.rs"
ALONE = "launch/patient openid fhirUser patient/Observation.rs"
ONLY_TESTS = "the app is not approved yet: only test accounts can use it, and only for test patients"
LAUNCH_TESTS = "the app is not approved yet: launch it as a test account, with a test patient of this FHIR server"
REFUSED = {"error": "access_denied", "error_description": ONLY_TESTS, "iss": ISSUER}
MOTHER_BY_NUMBER = {
    "identifier": {"system": "urn:mrn", "value": "MRN-B"},
    "type": "Patient",
    "role": "https://x.example/mother",
}
SUPPORT = re.compile(r" \(support code [A-Z0-9]{8}\)$")
PEOPLE = {
    "tester": ("Practitioner/tester", ()),
    "test-patient": ("Patient/T1", ()),
    "test-parent": ("RelatedPerson/tp", ("T1", "T2", "B")),
    "test-guardian": ("RelatedPerson/tg", ("T2", "B")),
    "hybrid": ("Patient/B", ()),  # a test account that is somebody real
}


def told(answer: dict[str, str]) -> dict[str, str]:
    """A refusal without the support code, which must be there."""
    left = {name: SUPPORT.sub("", value) for name, value in answer.items() if name != "error_uri"}
    assert left != answer, answer
    return left


def refused(reply: Reply) -> tuple[int, dict[str, str]]:
    return reply.status, told(reply.json())


@dataclass
class Trial:
    """The hospital with a vendor's app in its sandbox, and test accounts for it."""

    world: World
    app: SmartApp

    def change(self, **values: Any) -> None:
        with self.world.services.db.write() as session:
            self.world.services.fhir_servers.update(session, "main", values)

    def decide(self, **decisions: Any) -> None:
        with self.world.services.db.write() as session:
            self.world.services.clients.update(session, "trial", {}, decisions)

    def sign_in(self, name: str, scope: str = ALONE) -> tuple[Browser, Reply]:
        browser = self.world.browser()
        page = browser.open(self.app.authorize_url(scope=scope))
        return browser, browser.sign_in(page, name, f"{name}-password")

    def tokens(self, browser: Browser, page: Reply) -> dict[str, Any]:
        reply = self.app.redeem(browser.submit(page, press="allow").location_parameters["code"])
        assert reply.status == 200, reply.text
        answer: dict[str, Any] = reply.json()
        return answer

    def post_launch(self, **changes: Any) -> Reply:
        record = {"client_id": "trial", "fhir_server": FHIR, "user": "tester", "patient": "T1", **changes}
        return self.world.ehr.post("/launch", {name: value for name, value in record.items() if value is not None})

    def opened(self, launch: str, scope: str = SCOPE) -> tuple[Browser, Reply]:
        browser = self.world.browser()
        return browser, browser.open(self.app.authorize_url(launch=launch, scope=scope))

    def causes(self) -> list[tuple[str | None, Any]]:
        with self.world.services.db.read() as session:
            found = select(AuditEventRow).where(AuditEventRow.event == "authorize.refused")
            return [(row.reason, row.detail.get("cause")) for row in session.scalars(found)]


@pytest.fixture
def trial(world: World, fhir: FakeFhir) -> Trial:
    made = world.services
    metadata = {**CONFIDENTIAL, "client_name": "Trial", "redirect_uris": [CALLBACK], "scope": SCOPE}
    decisions = HospitalDecisions(approved=False, skip_consent_in_ehr_launch=True)
    with made.db.write() as session:
        made.clients.add(session, ClientMetadata.load(metadata), decisions, "trial", SECRET)
        made.fhir_servers.update(session, "main", {"sandbox_patients": ("T1", "T2"), "staff_picker": True})
        for name, (reference, represented) in PEOPLE.items():
            user = made.users.add(session, name)
            made.users.set_sandbox(session, user.sub, is_sandbox=True)
            made.users.link(session, user.sub, "main", reference)
            made.passwords.set_password(session, user.sub, f"{name}-password")
            for child in represented:
                made.users.represent(session, user.sub, "main", Representation(child, "parent"))
    fhir.records += [
        patient("T1", "Test", "Tina"),
        patient("T2", "Test", "Tom"),
    ]
    fhir.sees["Practitioner/tester"] = {"A", "B", "child-1", "T1", "T2"}
    fhir.sees |= {"RelatedPerson/tp": {"T1", "T2", "B"}, "RelatedPerson/tg": {"T2", "B"}}
    return Trial(world, SmartApp(world.transport, "trial", CALLBACK, FHIR, SECRET))


def test_a_test_account_can_use_it_and_the_page_says_what_it_is(trial: Trial) -> None:
    """RG-15, requirements.md D14: marked, asked each time, nothing that lasts."""
    browser, page = trial.sign_in("test-patient", f"{ALONE} offline_access online_access user/*.rs")
    assert "Not approved by Test Hospital. Only test accounts can use Trial so far." in text(page)
    assert "registered here" not in text(page)
    tokens = trial.tokens(browser, page)
    assert (tokens["patient"], tokens["scope"]) == ("T1", f"{ALONE} online_access")
    again = trial.app.refresh(tokens["refresh_token"]).json()
    assert (again["patient"], again["scope"]) == ("T1", f"{ALONE} online_access")
    second = browser.open(trial.app.authorize_url(scope=ALONE))
    assert "Not approved by Test Hospital." in text(second)


@pytest.mark.parametrize("name", ["doctor", "alice", "parent", "hybrid"])
def test_nobody_real_gets_further_than_the_sign_in(trial: Trial, name: str) -> None:
    """RG-06: no page with anything of theirs, and the trail says why."""
    _, reply = trial.sign_in(name)
    assert told(reply.location_parameters) == {**REFUSED, "state": trial.app.state}
    assert trial.causes() == [("access_denied", "app_not_approved")]


def test_few_sign_outs_wait_to_be_told_to_it(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """RL-02, LO-07: who signs a published test account in and out again and again fills no queue."""
    monkeypatch.setattr("authz.tokens.logout_notices.OF_STRANGER", 2)
    with trial.world.services.db.write() as session:
        told_at = {"backchannel_logout_uri": "https://trial.example/out"}
        trial.world.services.clients.update(session, "trial", told_at, {})

    def waiting_after(sign_outs: int) -> int:
        for _ in range(sign_outs):
            browser, page = trial.sign_in("test-patient", ALONE)
            page = browser.submit(page, press="allow") if page.status == 200 else page
            trial.app.redeem(page.location_parameters["code"])
            browser.submit(browser.open(f"{ISSUER}/logout"), press="sign_out")
        with trial.world.services.db.read() as session:
            return len(session.scalars(select(LogoutNoticeRow)).all())

    assert waiting_after(4) == 2
    trial.decide(approved=True)
    assert waiting_after(2) == 4


def test_staff_choose_among_test_patients_and_can_search_for_nobody(trial: Trial, fhir: FakeFhir) -> None:
    """LC-14: the search that an approved app's user may do is not done."""
    browser, page = trial.sign_in("tester")
    assert "Trial is not approved by Test Hospital. It can open the records of test patients only." in text(page)
    assert offered(page) == ["T1", "T2"]
    page = search(browser, page, name="berg", birthdate="2019-03-05")
    assert offered(page) == ["T1", "T2"]
    assert all("B" not in dict(asked.parameters).get("_id", "").split(",") for asked in fhir.asked)
    forged = browser.submit(page, {"patient": "B"})
    assert forged.status == 403
    browser, page = trial.sign_in("tester")
    assert trial.tokens(browser, browser.submit(page, press="T2"))["patient"] == "T2"


def test_representatives_choose_among_test_patients_only(trial: Trial) -> None:
    """CTX-13."""
    _, page = trial.sign_in("test-parent")
    assert offered(page) == ["T1", "T2"]
    browser, page = trial.sign_in("test-guardian")
    assert trial.tokens(browser, page)["patient"] == "T2"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"user": "doctor"}, f"user: {LAUNCH_TESTS}"),
        ({"user": "Practitioner/unheard-of"}, f"user: {LAUNCH_TESTS}"),
        ({"user": "Practitioner/dr", "patient": None}, f"user: {LAUNCH_TESTS}"),
        ({"patient": "B"}, f"patient: {LAUNCH_TESTS}"),
        ({"fhirContext": [{"reference": "Patient/B", "role": "https://x.example/mother"}]}, f"patient: {LAUNCH_TESTS}"),
        (
            {"fhirContext": [MOTHER_BY_NUMBER]},
            f"patient: {LAUNCH_TESTS}",
        ),
        ({"patient": None, "encounter": "visit-1"}, f"patient: say whose record is open; {LAUNCH_TESTS}"),
        (
            {"patient": None, "fhirContext": [{"reference": "ImagingStudy/1"}]},
            f"patient: say whose record is open; {LAUNCH_TESTS}",
        ),
    ],
)
def test_an_ehr_is_told_that_it_can_launch_tests_only(trial: Trial, changes: dict[str, Any], why: str) -> None:
    """RG-06, AZ-78: whatever else stands in the launch."""
    reply = trial.post_launch(**changes)
    assert refused(reply) == (400, {"error": "invalid_request", "error_description": why})


def test_an_ehr_launch_with_a_test_patient_works_and_is_always_asked_about(trial: Trial) -> None:
    """``skip_consent_in_ehr_launch`` is for vetted apps."""
    browser, page = trial.opened(trial.post_launch().json()["launch"])
    assert "Not approved by Test Hospital." in text(page)
    tokens = trial.tokens(browser, page)
    assert (tokens["patient"], tokens["scope"]) == (
        "T1",
        "launch launch/patient openid fhirUser online_access patient/*.rs",
    )


def test_a_launch_from_before_the_approval_was_taken_away_opens_nothing(trial: Trial) -> None:
    """Looked at again when it is used; the person and the patient are real."""
    trial.decide(approved=True)
    launch = trial.post_launch(user="doctor", patient="B").json()["launch"]
    trial.decide(approved=False)
    _, reply = trial.opened(launch)
    assert told(reply.location_parameters) == {**REFUSED, "state": trial.app.state}


def test_somebody_real_beside_the_test_patient_is_looked_at_again_too(trial: Trial) -> None:
    """FCX-01: the app would learn the id from ``fhirContext``."""
    mother = [{"reference": "Patient/T2", "role": "https://x.example/mother"}]
    launch = trial.post_launch(fhirContext=mother).json()["launch"]
    trial.change(sandbox_patients=("T1",))
    _, reply = trial.opened(launch)
    assert told(reply.location_parameters) == {**REFUSED, "state": trial.app.state}


def test_a_signed_launch_of_somebody_real_is_refused_like_any_other(trial: Trial) -> None:
    """REQ-74: the EHR did not ask us first."""
    world, key = trial.world, ec_key()
    with world.services.db.write() as session:
        world.services.launch_keys.rotate(session)
        world.services.ehrs.set_keys(session, "ehr-main", public(key))
    (published,) = world.transport.send("GET", f"{ISSUER}/launch/jwks", {}, b"").json()["keys"]
    signer = SigningEhr("ehr-main", ISSUER, published, int(world.clock().timestamp()), key)
    record = {"client_id": "trial", "fhir_server": FHIR, "user": "Practitioner/tester", "patient": "B"}
    _, reply = trial.opened(signer.launch(record))
    assert (reply.status, reply.header("location")) == (400, None)
    assert "Go to trial.example" in text(reply)
    _, page = trial.opened(signer.launch({**record, "patient": "T1"}))
    assert "Not approved by Test Hospital." in text(page)


def test_what_is_open_can_be_chosen_among_test_patients_only(trial: Trial) -> None:
    """LAU-11: where the FHIR server lets its people choose within an EHR launch."""
    trial.change(launch_picker=True)
    _, page = trial.opened(trial.post_launch(patient=None).json()["launch"])
    assert offered(page) == ["T1", "T2"]


def test_a_code_from_before_the_approval_was_taken_away_buys_nothing(trial: Trial) -> None:
    """Whatever missed the revocation is found out when it is redeemed."""
    trial.decide(approved=True)
    browser, page = trial.sign_in("alice")
    code = browser.submit(page, press="allow").location_parameters["code"]
    trial.decide(approved=False)
    answer = refused(trial.app.redeem(code))
    assert answer == (400, {"error": "invalid_grant", "error_description": ONLY_TESTS})


def test_a_refresh_token_from_before_the_approval_was_taken_away_refreshes_nothing(trial: Trial) -> None:
    """Decision 20."""
    trial.decide(approved=True)
    browser, page = trial.sign_in("alice", f"{ALONE} offline_access")
    tokens = trial.tokens(browser, page)
    trial.decide(approved=False)
    answer = refused(trial.app.refresh(tokens["refresh_token"]))
    assert answer == (400, {"error": "invalid_grant", "error_description": ONLY_TESTS})


def test_where_everybody_is_invented_everybody_can_try_it(trial: Trial) -> None:
    """A FHIR server that is a sandbox as a whole: ``user/`` too, but nothing that lasts."""
    trial.change(is_sandbox=True)
    browser, page = trial.sign_in("doctor", "openid fhirUser user/Patient.rs offline_access")
    assert "Not approved by Test Hospital. It can be tried here, where everybody is invented." in text(page)
    assert trial.tokens(browser, page)["scope"] == "openid fhirUser user/Patient.rs"


def test_the_approval_comes_by_itself_when_its_time_has_come(trial: Trial) -> None:
    """requirements.md row 116: no thread has to be alive for it, and not a second earlier."""
    trial.decide(approves_at=trial.world.clock())
    _, page = trial.sign_in("alice")
    assert "registered here" in text(page)
    trial.decide(approves_at=trial.world.clock() + timedelta(seconds=1))
    _, reply = trial.sign_in("alice")
    assert told(reply.location_parameters) == {**REFUSED, "state": trial.app.state}


def test_an_app_is_for_those_for_whom_it_is_registered(trial: Trial) -> None:
    """``fhir_user_types``: at the authorization endpoint, in a launch and at a refresh."""
    trial.decide(approved=True)
    browser, page = trial.sign_in("alice", f"{ALONE} online_access")
    tokens = trial.tokens(browser, page)
    types = {"fhir_user_types": ["Practitioner", "RelatedPerson"]}
    with trial.world.services.db.write() as session:
        trial.world.services.clients.update(session, "trial", types, {})
    assert refused(trial.app.refresh(tokens["refresh_token"])) == (
        400,
        {"error": "invalid_grant", "error_description": "the app is no longer for users of this kind"},
    )
    whom = "the app is for people who act for a patient and staff, and this user is none of them"
    _, reply = trial.sign_in("alice")
    assert told(reply.location_parameters) == {
        "error": "access_denied",
        "error_description": f"this {whom.removeprefix('the ')}",
        "iss": ISSUER,
        "state": trial.app.state,
    }
    assert trial.causes() == [("access_denied", "user_type")]
    launch = trial.post_launch(user="Patient/A", patient="A")
    assert refused(launch) == (400, {"error": "invalid_request", "error_description": f"user: {whom}"})


def test_a_backend_service_gets_no_token_before_it_is_approved(world: World) -> None:
    """BKS-01: a key of its own is not an approval; at a FHIR server with invented people neither."""
    bulk = register(world, "bulk", ("main",))
    with world.services.db.write() as session:
        world.services.clients.update(session, "bulk", {}, {"approved": False})
        world.services.fhir_servers.update(session, "main", {"is_sandbox": True})
    why = "this backend service is not approved yet: an administrator has to decide about it"
    assert refused(bulk.ask()) == (400, {"error": "unauthorized_client", "error_description": why})
    with world.services.db.write() as session:
        world.services.clients.update(session, "bulk", {}, {"approved": True})
    assert bulk.ask().status == 200


def test_a_trial_launch_is_no_way_past_the_page_in_between(trial: Trial) -> None:
    """AZ-61, RFC 9700 §4.11.2: its makers make those themselves; only an EHR's launch says who is there."""
    world = trial.world
    with world.services.db.write() as session:
        world.services.clients.update(session, "trial", {"launch_uris": ["https://trial.example/launch"]}, {})
    client = world.services.clients.find("trial")
    assert client is not None
    trials = world.services.developers.trials
    (first, *_) = trials.places(client)[0].trials
    url = trials.start(client, "main", first.id, "", Peer(address="192.0.2.1"))
    (launch,) = parse_qs(urlsplit(url).query)["launch"]
    link = trial.app.authorize_url(launch=launch, scope="launch openid patient/*.rs", prompt="none")
    page = world.browser().open(link)
    assert page.status == 400
    assert "Go to trial.example" in text(page)
