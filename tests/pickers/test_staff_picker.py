"""A clinician opens an app by itself: sign-in, a search of the real FHIR server on the clinician's own rights."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import select

from authz.audit.model import AuditEventRow
from authz.audit.order import ORDER
from authz.fhir_servers.model import FhirServerRow
from authz.outbound import Answer
from authz.policy.rights import HookedRights
from authz.tokens.store import OWN_CLIENT_ID
from tests.actors import FORM, Forms
from tests.fhir import MRN, patient
from tests.world import FHIR, ISSUER

if TYPE_CHECKING:
    from authz.policy.rights import RightsQuestion
    from tests.actors import Browser
    from tests.fhir import FakeFhir
    from tests.transport import Reply
    from tests.world import World

ALONE = "launch/patient openid fhirUser patient/Observation.rs"


@pytest.fixture(autouse=True)
def staff_picker(world: World) -> None:
    change(world, staff_picker=True)


def change(world: World, **values: Any) -> None:
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", values)


def doctor(world: World, scope: str = ALONE, **changes: str | None) -> tuple[Browser, Reply]:
    """A clinician who has just signed in."""
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope=scope, **changes))
    return browser, browser.sign_in(page, "doctor", "doctor-password")


def search(browser: Browser, page: Reply, **typed: str) -> Reply:
    return browser.submit(page, {"action": "search", **typed})


def offered(page: Reply, name: str = "patient") -> list[str]:
    return [value for button, value in Forms(page.text).buttons if button == name]


def text(page: Reply) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.text).split())


def granted(world: World, browser: Browser, page: Reply) -> dict[str, Any]:
    """What the app gets, agreed to now or before."""
    reply = browser.submit(page, press="allow") if page.status == 200 else page
    body: dict[str, Any] = world.public.redeem(reply.location_parameters["code"]).json()
    return body


def trail(world: World, *names: str) -> list[AuditEventRow]:
    with world.services.db.read() as session:
        rows = session.scalars(select(AuditEventRow).where(AuditEventRow.event.in_(names)).order_by(*ORDER))
        return list(rows)


def test_a_clinician_searches_chooses_agrees_and_the_app_gets_that_patient(world: World) -> None:
    """SMART LAU-11, CTX-10, CTX-13, REQ-124, LC-15: a search on own rights, consent, then the token."""
    browser, page = doctor(world)
    assert "Whose records should Public App open?" in page.text
    assert offered(page) == []
    page = search(browser, page, name="bra el")
    assert offered(page) == ["child-1"]
    assert "Ella Brandt born 2 Jan 2024 · female · MRN MRN-child-1" in text(page)
    consent = browser.submit(page, press="child-1")
    assert "Share health records with Public App?" in consent.text
    assert "Records of Ella Brandt born 2 Jan 2024 · female · MRN MRN-child-1" in text(consent)
    answer = granted(world, browser, consent)
    assert (answer["patient"], answer["scope"]) == ("child-1", ALONE)


@pytest.mark.parametrize("scope", ["openid fhirUser user/Patient.rs", "user/*.cruds", "openid fhirUser"])
def test_nobody_is_asked_for_a_patient_whom_no_scope_is_about(world: World, scope: str) -> None:
    """The picker is for ``patient/`` scopes and ``launch/patient`` only."""
    _, page = doctor(world, scope)
    assert "Share health records with Public App?" in page.text


@pytest.mark.parametrize("scope", ["patient/Observation.rs", "launch/patient", "launch/patient user/*.rs"])
def test_a_patient_is_asked_for_with_and_without_the_launch_scope(world: World, scope: str) -> None:
    """SMART CTX-12, SCP-21, SCP-31, AMB-28: ``launch/patient`` is inferred, and a patient is always told (AMB-24)."""
    browser, page = doctor(world, scope)
    consent = browser.submit(search(browser, page, name="bo"), press="B")
    answer = granted(world, browser, consent)
    assert (answer["patient"], answer["scope"]) == ("B", scope)


def test_where_the_fhir_server_can_not_enforce_rights_there_is_no_picker(world: World, fhir: FakeFhir) -> None:
    """Decision 16: off unless switched on for this FHIR server, and the app is told what to do."""
    change(world, staff_picker=False)
    _, reply = doctor(world)
    told = reply.location_parameters
    assert told["error"] == "access_denied"
    assert told["error_description"].startswith("open this app from the EHR")
    assert fhir.asked == []


# --- the token of the search


def test_the_search_uses_a_token_of_the_clinician_for_this_search_alone(world: World, fhir: FakeFhir) -> None:
    """Item 1 of the issue: 60 seconds at most, ``user/Patient.rs`` and no more, seen by introspection, then revoked."""
    browser, page = doctor(world)
    search(browser, page, name="Berg")
    (asked,) = fhir.asked
    user = world.services.users.by_name("doctor")
    assert user is not None
    now = int(world.clock().timestamp())
    assert {**asked.token, "jti": "j"} == {
        "active": True,
        "scope": "user/Patient.rs",
        "client_id": OWN_CLIENT_ID,
        "token_type": "Bearer",
        "exp": now + 60,
        "iat": now,
        "jti": "j",
        "iss": ISSUER,
        "aud": FHIR,
        "sub": user.sub,
        "fhirUser": f"{FHIR}/Practitioner/dr",
    }
    assert world.fhir_server.introspect(asked.bearer) == {"active": False}
    assert {(row.event, row.client_id, row.sub) for row in trail(world, "token.issued", "grant.revoked")} == {
        ("token.issued", OWN_CLIENT_ID, user.sub),
        ("grant.revoked", OWN_CLIENT_ID, user.sub),
    }


def test_nobody_can_be_the_client_of_these_tokens(world: World) -> None:
    """Its name can't be registered, looked up or authenticated; it has no secret, key or redirect URI."""
    page = world.browser().open(world.public.authorize_url(scope=ALONE, client_id=OWN_CLIENT_ID))
    assert (page.status, page.header("location")) == (400, None)
    form = {"grant_type": "client_credentials", "scope": "user/*.rs", "client_id": OWN_CLIENT_ID}
    for body in (form, {**form, "client_secret": ""}, {"grant_type": "refresh_token", "client_id": OWN_CLIENT_ID}):
        sent = {"Content-Type": FORM}
        reply = world.transport.send("POST", f"{ISSUER}/token", sent, urlencode(body).encode())
        assert reply.json()["error"] in {"invalid_client", "unauthorized_client", "invalid_request"}
    assert world.services.clients.find(OWN_CLIENT_ID) is None


def test_the_trail_says_who_searched_and_how_many_were_found_not_what_was_typed(world: World, fhir: FakeFhir) -> None:
    """security.md 4.1, 4.2: no name, birth date or record number outside the page."""
    browser, page = doctor(world)
    search(browser, page, name="ZZ9PHIname", birthdate="1999-12-31", identifier="ZZ9PHImrn")
    fhir.is_down = True
    search(browser, search(browser, page_of(browser), name="ZZ9PHIname"), name="bra")
    rows = trail(world, "records.searched")  # what happened at one moment has no order
    (found,), failed = [row for row in rows if not row.reason], [row for row in rows if row.reason]
    assert (found.outcome, found.client_id, found.fhir_server, found.scope) == (
        "success",
        "public",
        "main",
        "user/Patient.rs",
    )
    assert (found.detail, found.patient) == ({"found": 0}, None)
    assert {(row.outcome, row.reason) for row in failed} == {("refused", "fhir_server_unavailable")}
    with world.services.db.read() as session:
        everything = [str(vars(row)) for row in session.scalars(select(AuditEventRow))]
    assert not [row for row in everything if "ZZ9PHI" in row or "1999-12-31" in row]


def page_of(browser: Browser) -> Reply:
    """The page that the browser is at, loaded again."""
    return browser.open(browser.url)


def test_what_was_typed_travels_in_a_body_and_is_in_no_address(world: World, fhir: FakeFhir) -> None:
    """security.md 4.2: PHI never stands in a URL that somebody logs; the interaction is encrypted in the store."""
    browser, page = doctor(world)
    search(browser, page, name="Brandt")
    (asked,) = fhir.asked
    assert (asked.method, asked.path) == ("POST", "Patient/_search")
    assert "Brandt" not in browser.url
    stored = world.services.settings.short_lived_path.parent.glob("short-lived*")
    assert not [file for file in stored if b"Brandt" in file.read_bytes()]


# --- what is searched for


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ({"name": "Brandt, Ella"}, [("name", "Brandt"), ("name", "Ella")]),
        ({"name": "  d'Arc  "}, [("name", "d'Arc")]),
        ({"name": "a|b$c\\d"}, [("name", "a\\|b\\$c\\\\d")]),
        ({"birthdate": "2019-03-05"}, [("birthdate", "2019-03-05")]),
        ({"identifier": "LG-1,LG-2"}, [("identifier", f"{MRN}|LG-1\\,LG-2")]),
        ({"identifier": "http://x|1"}, [("identifier", f"{MRN}|http://x\\|1")]),
        ({"name": "A Berg A"}, [("name", "A"), ("name", "Berg")]),
        ({"name": "Bo", "birthdate": "2019"}, [("name", "Bo"), ("birthdate", "2019")]),
    ],
)
def test_what_is_typed_becomes_search_parameters_and_nothing_else(
    world: World, fhir: FakeFhir, typed: dict[str, str], asked: list[tuple[str, str]]
) -> None:
    """Each word of a name must fit; characters with a meaning in FHIR search have none here."""
    change(world, patient_search={"mrn_system": MRN})
    browser, page = doctor(world)
    search(browser, page, **typed)
    assert fhir.asked[0].parameters == [*asked, ("_count", "20")]


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ({}, "Type a name, a birth date or a record number."),
        ({"name": "b"}, "Type at least 2 letters of the name."),
        ({"name": "-- .."}, "Type at least 2 letters of the name."),
        ({"name": "b b b"}, "Type at least 2 letters of the name."),
        ({"name": "b,c"}, "Type at least 2 letters of the name."),
        ({"name": "a b c d e f g h Berg"}, "Type at least 2 letters of the name."),
        ({"name": "b b", "birthdate": "2019"}, "Type at least 2 letters of the name."),
        ({"birthdate": "5.3.2019"}, "Write the birth date as year, month and day: 2019-03-05."),
        ({"name": "b" * 101}, "That is too long to search for."),
    ],
)
def test_a_search_that_makes_no_sense_is_not_sent(
    world: World, fhir: FakeFhir, typed: dict[str, str], problem: str
) -> None:
    browser, page = doctor(world)
    page = search(browser, page, **typed)
    assert problem in page.text
    assert "<title>Error: Whose records?" in page.text
    assert fhir.asked == []
    assert offered(search(browser, page, name="Berg", birthdate="")) == ["B"]


def test_the_parameters_are_those_of_the_fhir_server(world: World, fhir: FakeFhir) -> None:
    """A FHIR server without one of them has no field for it on the page."""
    settings = {"name": "family:contains", "birthdate": "", "minimum_letters": 3, "page_size": 5}
    change(world, patient_search=settings)
    browser, page = doctor(world)
    assert 'name="birthdate"' not in page.text
    fhir.says = [Answer(400, {}, b"")]
    page = search(browser, page, name="Berg", birthdate="2019-03-05")
    assert fhir.asked[0].parameters == [("family:contains", "Berg"), ("_count", "5")]
    assert "can&#39;t be used" in page.text
    assert "at least 3 letters" in search(browser, page, name="Be").text


# --- many, nobody, no answer


def test_further_people_come_on_further_pages(world: World, fhir: FakeFhir) -> None:
    fhir.records = [patient(f"p{number}", "Many", f"No{number}") for number in range(7)]
    fhir.sees["Practitioner/dr"] = {f"p{number}" for number in range(7)}
    change(world, patient_search={"page_size": 3})
    browser, page = doctor(world)
    page = search(browser, page, name="many")
    assert offered(page) == ["p0", "p1", "p2"]
    assert "3 of 7 people found" in page.text
    page = browser.submit(page, press="more")
    assert offered(page) == ["p3", "p4", "p5"]
    page = browser.submit(page, press="more")
    assert (offered(page), "More people" in page.text) == (["p6"], False)
    assert "Share health records" in browser.submit(page, press="p6").text


def test_somebody_of_an_earlier_page_is_not_offered_by_a_later_one(world: World, fhir: FakeFhir) -> None:
    """security.md LC-14: each page offers what stands on it."""
    change(world, patient_search={"page_size": 1})
    browser, page = doctor(world)
    page = browser.submit(search(browser, page, name="brandt"), press="more")
    assert offered(page) == ["child-2"]
    assert browser.submit(page, {"patient": "child-1"}).status == 403


def test_a_next_link_that_leads_elsewhere_is_not_followed(world: World, fhir: FakeFhir) -> None:
    """Our token is sent to the FHIR server and nowhere else."""
    found = json.loads(bundle_of(patient("B", "Berg", "Bo")))
    found["link"] = [{"relation": "next", "url": "https://evil.example/r4?page=2"}]
    browser, page = doctor(world)
    fhir.says = [Answer(200, {}, json.dumps(found).encode())]
    page = search(browser, page, name="berg")
    assert offered(page) == ["B"]
    assert "More people" not in page.text
    browser.submit(page, {"action": "more"})
    assert [one.path for one in fhir.asked] == ["Patient/_search", "Patient/_search"]


def bundle_of(*resources: dict[str, Any]) -> bytes:
    entries = [{"resource": resource} for resource in resources]
    return json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": entries}).encode()


def test_nobody_found_is_said_and_another_search_is_possible(world: World) -> None:
    browser, page = doctor(world)
    page = search(browser, page, name="nobody at all")
    assert "Nobody was found whose records you may open." in text(page)
    assert 'value="nobody at all"' in page.text
    assert offered(search(browser, page, name="Berg")) == ["B"]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Answer(503, {}, b""), "The health record system does not answer."),
        (Answer(429, {}, b""), "The health record system does not answer."),
        (Answer(403, {}, b""), "The health record system did not allow this search."),
        (Answer(401, {}, b""), "The health record system did not allow this search."),
        (Answer(302, {"location": "https://evil.example"}, b""), "can't be used"),
        (Answer(200, {}, b"<html>"), "can't be used"),
        (Answer(200, {}, b'{"resourceType":"OperationOutcome"}'), "can't be used"),
    ],
)
def test_a_fhir_server_that_does_not_answer_is_not_mistaken_for_nobody_found(
    world: World, fhir: FakeFhir, answer: Answer, problem: str
) -> None:
    """Never a silent empty list: the page says so, and the same search can be tried again."""
    browser, page = doctor(world)
    fhir.says = [answer]
    page = search(browser, page, name="Berg")
    assert problem in page.text.replace("&#39;", "'")
    assert 'role="alert"' in page.text
    assert "Nobody" not in page.text
    assert offered(browser.submit(page, press="search")) == ["B"]


def test_people_who_look_alike_are_marked(world: World, fhir: FakeFhir) -> None:
    """Wrong patient: full name, birth date, sex and record number, and what speaks against a record."""
    fhir.records = [
        patient("B", "Berg", "Bo"),
        patient("A", "berg", "bo"),
        patient("child-1", "Berg", "Bo", "1950-01-01", active=False),
        patient("child-2", "Berg", "Bo", "1951", deceasedBoolean=True, identifier=[]),
    ]
    browser, page = doctor(world)
    shown = text(search(browser, page, name="berg"))
    assert "Bo Berg same name and birth date as another born 5 Mar 2019 · female · MRN MRN-B" in shown
    assert "bo berg same name and birth date as another born 5 Mar 2019 · female · MRN MRN-A" in shown
    assert "Bo Berg record not in use born 1 Jan 1950 · female · MRN MRN-child-1" in shown
    assert "Bo Berg deceased born 1951 · female · record child-2" in shown
    assert "SSN" not in shown


# --- rights


@pytest.mark.parametrize("forged", ["H", "nobody", "../A", "A,B", "Patient/B", "b", "B ", ""])
def test_only_who_was_offered_can_be_chosen(world: World, fhir: FakeFhir, forged: str) -> None:
    """security.md LC-14: whom the clinician may not see, another tenant's, a path, a list: 403, on the trail."""
    browser, page = doctor(world)
    page = search(browser, page, name="berg")
    reply = browser.submit(page, {"patient": forged})
    assert reply.status == 403
    assert [(row.event, row.reason) for row in trail(world, "authorize.refused")] == [("authorize.refused", "page")]
    assert trail(world, "code.issued") == []


def test_a_list_of_patients_is_refused(world: World) -> None:
    """security.md LC-14: ``patient`` twice."""
    browser, page = doctor(world)
    page = search(browser, page, name="brandt")
    handle = dict(Forms(page.text).fields)["interaction"]
    body = urlencode([("interaction", handle), ("patient", "child-1"), ("patient", "child-2")]).encode()
    assert browser.request("POST", f"{ISSUER}/select-patient", body, {"Content-Type": FORM}).status == 400


def test_what_one_interaction_was_offered_is_nothing_to_another(world: World) -> None:
    """security.md LC-14, LC-26: the handle of a page chooses from that page only, once, in its browser."""
    browser, page = doctor(world)
    found = search(browser, page, name="berg")
    other_browser, other = doctor(world)
    assert other_browser.submit(other, {"patient": "B"}).status == 403
    other_browser.url = browser.url
    assert other_browser.submit(found, press="B").status == 400


class Hook:
    """A hospital's own rules, which change while somebody is at the page."""

    def __init__(self) -> None:
        self.forbidden: set[str] = set()

    def allows(self, question: RightsQuestion) -> bool:
        return question.patient not in self.forbidden


@pytest.fixture
def hook(world: World) -> Hook:
    made = Hook()
    rights = HookedRights(world.services.authorization.judge.rights, made)  # type: ignore[arg-type]  # StatedRights
    object.__setattr__(world.services.authorization.judge, "rights", rights)
    return made


def test_the_hospitals_rules_are_asked_at_the_choice_and_at_the_code(world: World, hook: Hook) -> None:
    """Decision 20: whoever was offered must still be allowed when chosen, and when the code is issued."""
    browser, page = doctor(world)
    found = search(browser, page, name="brandt")
    hook.forbidden = {"child-1"}
    assert browser.submit(found, press="child-1").location_parameters["error"] == "access_denied"
    browser, page = doctor(world, prompt="login")
    consent = browser.submit(search(browser, page, name="brandt"), press="child-2")
    hook.forbidden = {"child-2"}
    assert browser.submit(consent, press="allow").location_parameters["error"] == "access_denied"
    assert trail(world, "code.issued") == []


def test_a_form_of_another_step_chooses_nothing(world: World) -> None:
    """security.md LC-27: the steps are done in order, whatever is posted."""
    browser = world.browser()
    login = browser.open(world.public.authorize_url(scope=ALONE))
    handle = dict(Forms(login.text).fields)["interaction"]
    for path, body in (("/select-patient", {"action": "search", "name": "Berg"}), ("/select-encounter", {})):
        reply = browser.request(
            "POST", ISSUER + path, urlencode({"interaction": handle, **body}).encode(), {"Content-Type": FORM}
        )
        page = browser.follow(reply)
        assert "code=" not in browser.url
        assert ('name="password"' in page.text) or page.status == 403
        login = browser.open(world.public.authorize_url(scope=ALONE))
        handle = dict(Forms(login.text).fields)["interaction"]


def test_cancel_tells_the_app_and_leaves_the_session_alone(world: World) -> None:
    """``access_denied``; whoever comes again need not sign in anew."""
    browser, page = doctor(world)
    told = browser.submit(search(browser, page, name="berg"), press="cancel").location_parameters
    assert (told["error"], told["state"]) == ("access_denied", world.public.state)
    again = browser.open(world.public.authorize_url(scope=ALONE))
    assert "Whose records should Public App open?" in again.text


def test_with_prompt_none_a_choice_is_an_error(world: World, fhir: FakeFhir) -> None:
    """OIDC Core §3.1.2.6; oauth.md 23.1: ``interaction_required``, and nothing is searched."""
    browser, _ = doctor(world)
    reply = browser.open(world.public.authorize_url(scope=ALONE, prompt="none"))
    assert reply.location_parameters["error"] == "interaction_required"
    assert fhir.asked == []


def test_somebody_who_was_switched_off_searches_no_more(world: World, fhir: FakeFhir) -> None:
    browser, page = doctor(world)
    user = world.services.users.by_name("doctor")
    assert user is not None
    with world.services.db.write() as session:
        world.services.users.set_enabled(session, user.sub, enabled=False)
    assert search(browser, page, name="Berg").status == 403
    assert fhir.asked == []


# --- patients of before


def test_patients_of_before_are_offered_first_if_they_may_still_be_seen(world: World, fhir: FakeFhir) -> None:
    """Only whom this user was granted before, at this FHIR server; asked again when shown."""
    for name, key in (("Berg", "B"), ("Ella", "child-1"), ("Berg", "B"), ("Alice", "A")):
        world.clock.forward(seconds=1)
        browser, page = doctor(world)
        granted(world, browser, browser.submit(search(browser, page, name=name), press=key))
    fhir.asked.clear()
    browser, page = doctor(world)
    assert offered(page) == ["A", "B", "child-1"]
    assert "Patients you opened before" in page.text
    assert fhir.asked[0].parameters == [("_id", "A,B,child-1"), ("_count", "3")]
    fhir.sees["Practitioner/dr"] -= {"B"}
    assert offered(page_of(browser)) == ["A", "child-1"]
    assert browser.submit(page_of(browser), {"patient": "B"}).status == 403


def test_somebody_elses_patients_are_not_offered(world: World) -> None:
    browser, page = doctor(world)
    granted(world, browser, browser.submit(search(browser, page, name="Berg"), press="B"))
    with world.services.db.write() as session:
        other = world.services.users.add(session, "nurse", "Nurse")
        world.services.users.link(session, other.sub, "main", "Practitioner/nurse")
        world.services.passwords.set_password(session, other.sub, "nurse-password")
    browser = world.browser()
    page = browser.sign_in(browser.open(world.public.authorize_url(scope=ALONE)), "nurse", "nurse-password")
    assert offered(page) == []


def test_a_role_is_staff_too(world: World, fhir: FakeFhir) -> None:
    """Item 2 of the issue: a user who is a PractitionerRole searches like a Practitioner."""
    user = world.services.users.by_name("doctor")
    assert user is not None
    with world.services.db.write() as session:
        world.services.users.link(session, user.sub, "main", "PractitionerRole/role-1")
    fhir.sees["PractitionerRole/role-1"] = {"B"}
    browser, page = doctor(world)
    page = search(browser, page, name="b")
    page = search(browser, page, name="be")
    assert offered(page) == ["B"]
    assert granted(world, browser, browser.submit(page, press="B"))["patient"] == "B"


def test_the_record_of_the_server_is_what_the_administrator_wrote(world: World) -> None:
    change(world, patient_search={"page_size": "7"})
    with world.services.db.read() as session:
        row = session.get(FhirServerRow, "main")
    assert row is not None
    server = world.services.fhir_servers.get("main")
    assert server is not None
    assert (server.patient_search.page_size, server.staff_picker, server.launch_picker) == (7, True, False)
