"""Every page of people, walked through in a made-up language: all that is English there is what it quotes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from flask import template_rendered

from authz import wording
from authz.users.user import Representation
from tests.federated.conftest import ALONE, hospital
from tests.federated.test_who import DANA, SEARCH
from tests.fhir import patient
from tests.flows.test_review_pages import register_at
from tests.flows.test_second_factor import alice, code
from tests.languages.pseudo import Reader, lay_down, left_over
from tests.languages.test_templates import TEMPLATES
from tests.my_apps.test_story import open_app
from tests.upstream import practitioner
from tests.world import EVERYTHING, ISSUER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jinja2 import Template

    from authz.login.second_factor import Enrolment
    from tests.federated.conftest import Hospital
    from tests.fhir import FakeFhir
    from tests.transport import Reply
    from tests.world import World

__all__ = ["alice", "hospital"]  # fixtures

DATA = frozenset(
    {
        *("Test Hospital", "Public App", "Confidential App", "Newcomer", "Hospital ID", "main", "other"),
        *("Alice Anders", "Alice", "Bo Berg", "Berg", "Parent", "Doctor", "Ella Brandt", "Jonas Brandt", "Tim"),
        *("Dana Who", "Practitioner/p-1", "Practitioner/p-2", "Children's clinic"),
        *("https://fhir.example/r4", "https://other.example/r4", "app.example", "growth.example", "maker.example"),
    }
)
FEW = "launch/patient openid patient/Immunization.rs"
MANY = "launch/patient openid fhirUser patient/*.cruds offline_access"
MESSAGING = "messaging/ui messaging/scratchpad messaging/fhir.http"
PARTS = "launch/patient patient/Observation.rs?category=laboratory,local&status=final patient/Condition.c online_access"
NOT_ALONE = frozenset({"base.html", "choices.html", "my_apps_words.html", "reminder.html"})  # parts of other pages
SEEN: dict[str, set[str]] = {
    "sign_in": {"login.html"},
    "code": {"login.html", "login_code.html", "consent.html"},
    "consent": {"login.html", "consent.html"},
    "reminded": {"login.html", "consent.html"},
    "not_approved": {"login.html", "consent.html", "way_back.html"},
    "launch": {"login.html", "wrong_user.html", "consent.html", "break_glass.html", "error.html"},
    "representative": {"login.html", "select_patient.html", "consent.html"},
    "clinician": {"login.html", "select_patient.html", "select_encounter.html", "consent.html"},
    "own_apps": {
        *("login.html", "consent.html"),
        *("my_apps_where.html", "my_apps_closed.html", "my_apps.html", "my_apps_app.html"),
        *("my_apps_receipt.html", "my_apps_stop.html", "my_apps_sessions.html"),
        *("logout.html", "still_signed_in.html", "signed_out.html"),
    },
    "refused": {"error.html", "login.html", "my_apps_where.html"},
    "elsewhere": {"login.html", "who_are_you.html", "nobody.html", "consent.html", "error.html"},
    "beside": {"login.html", "sign_in_window.html"},
}


@pytest.fixture(scope="module")
def languages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_down(tmp_path_factory.mktemp("languages"))


@pytest.fixture(autouse=True)
def pseudo(languages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wording, "OURS", languages)


@pytest.fixture
def walk(world: World) -> Iterator[Walk]:
    yield from followed(world)


@pytest.fixture
def walk_elsewhere(hospital: Hospital) -> Iterator[Walk]:
    yield from followed(hospital.world)


class Walk:
    """A person before this server, and the templates of the pages they were shown."""

    def __init__(self, world: World, templates: set[str]) -> None:
        self.world = world
        self.templates = templates
        self.readers: list[Reader] = []

    def person(self, **headers: str) -> Reader:
        self.readers.append(Reader(self.world.transport, data=DATA, headers=headers))
        return self.readers[-1]

    def ask(self, reader: Reader, scope: str, user: str = "", **changes: str | None) -> Reply:
        """An app is opened; whoever is named signs in for it."""
        page = reader.open(self.world.public.authorize_url(scope=scope, **changes))
        return reader.sign_in(page, user, f"{user}-password") if user else page

    def change(self, name: str, **values: object) -> None:
        """What is set about the main FHIR server, or the public app."""
        services = self.world.services
        with services.db.write() as session:
            if name == "main":
                services.fhir_servers.update(session, name, values)
            else:
                services.clients.update(session, name, values, {})

    @property
    def left(self) -> list[tuple[str, str]]:
        return list(dict.fromkeys(one for reader in self.readers for one in reader.left))


def followed(world: World) -> Iterator[Walk]:
    templates: set[str] = set()

    def shown(_app: object, template: Template, **_more: object) -> None:
        templates.add(template.name or "")

    with template_rendered.connected_to(shown, world.app):
        yield Walk(world, templates)


def sign_in(walk: Walk) -> None:
    reader = walk.person()
    page = walk.ask(reader, FEW, "nobody")
    for _ in range(12):
        page = reader.sign_in(page, "nobody", "wrong")
    assert page.status == 429


def code_page(walk: Walk, enrolment: Enrolment) -> None:
    reader = walk.person()
    page = reader.submit(walk.ask(reader, FEW, "alice"), {"code": "000000"}, press="code")
    assert page.status == 401
    page = reader.submit(page, {"code": code(walk.world, enrolment)}, press="code")
    assert "error" in reader.submit(page, press="deny").location_parameters


def consent(walk: Walk) -> None:
    reader = walk.person()
    walk.change("public", scope=f"{EVERYTHING} {MESSAGING} __own")
    reader.submit(walk.ask(reader, MANY, "alice"), press="allow")
    for scope in (PARTS, f"{MANY} {MESSAGING} __own patient/ResearchSubject.rs launch/imagingstudy"):
        walk.ask(reader, scope, prompt="consent")
    with walk.world.services.db.write() as session:
        walk.world.services.clients.update(session, "public", {}, {"required_scope": "patient/Immunization.rs"})
    walk.ask(reader, f"{FEW} online_access", prompt="consent")


def reminded(walk: Walk) -> None:
    tokens = open_app(walk.world, scope=MANY)
    for _ in range(2):
        walk.world.clock.forward(days=46)
        tokens = walk.world.public.refresh(tokens["refresh_token"]).json()
    reader = walk.person()
    assert "⟦Public App may use" in walk.ask(reader, FEW, "alice", prompt="consent").text


def not_approved(walk: Walk) -> None:
    reader = walk.person()
    walk.change("main", registration="open", sandbox_patients=["A"])
    client_id = register_at(walk.world, ISSUER, scope=FEW, client_name="Newcomer")
    for scope in ("", FEW):
        page = walk.ask(reader, scope, client_id=client_id, redirect_uri="https://growth.example/cb")
    with walk.world.services.db.write() as session:
        user = walk.world.services.users.by_name("alice")
        assert user is not None
        walk.world.services.users.set_sandbox(session, user.sub, is_sandbox=True)
    reader.sign_in(page, "alice", "alice-password")


def launch(walk: Walk) -> None:
    """From the EHR: somebody else signs in; protected records; a page that was used before."""
    reader = walk.person()
    with walk.world.services.db.write() as session:
        walk.world.services.clients.update(session, "public", {}, {"skip_consent_in_ehr_launch": False})

    def handle(patient_id: str) -> str:
        return str(walk.world.ehr.launch("public", "doctor", patient=patient_id)["launch"])

    walk.ask(reader, "launch openid", "alice", launch=handle("A"), prompt="login")
    walk.change("main", sensitive_patients=["B"])
    page = walk.ask(reader, "launch patient/*.rs user/*.cruds", launch=handle("B"))
    page = reader.submit(page, {"reason": "ETREAT", "text": "no"}, press="open")
    agreed = reader.submit(page, {"reason": "BTG", "text": "unconscious in the emergency room"}, press="open")
    assert reader.submit(page, {"reason": "BTG"}, press="open").status == 400
    reader.submit(agreed, press="allow")


def representative(walk: Walk) -> None:
    users = walk.world.services.users
    with walk.world.services.db.write() as session:
        user = users.by_name("parent")
        assert user is not None
        users.represent(session, user.sub, "main", Representation("B", "friend"))
    reader = walk.person()
    page = walk.ask(reader, FEW, "parent")
    reader.submit(reader.submit(page, press="child-1"), press="allow")


def clinician(walk: Walk, fhir: FakeFhir) -> None:
    fhir.records += [
        patient("D", "Berg", "Bo", gender="male", deceasedBoolean=True),
        patient("E", "Berg", "Bo", birthDate="2019", active=False, identifier=[]),
        {"resourceType": "Patient", "id": "F", "name": [{"family": "Berg"}]},
    ]
    fhir.sees["Practitioner/dr"] |= {"D", "E", "F"}
    walk.change("main", staff_picker=True)
    reader = walk.person()
    scope = "launch/patient launch/encounter openid patient/Observation.rs"
    page = walk.ask(reader, scope, "doctor")
    for typed in ({}, {"name": "x"}, {"name": "nobody at all"}, {"birthdate": "5.3.2019"}, {"name": "y" * 101}):
        page = reader.submit(page, {"action": "search", **typed})
    page = reader.submit(page, {"action": "search", "name": "berg", "birthdate": ""})
    visits = reader.submit(page, press="B")
    reader.submit(visits, press="visit-1")
    page = reader.submit(walk.ask(reader, scope, prompt="consent"), {"action": "search", "name": "jonas"})
    fhir.is_down = True
    reader.submit(page, press="child-2")
    walk.ask(reader, scope, prompt="consent")


def own_apps(walk: Walk) -> None:
    mine = f"{ISSUER}/my-apps"
    reader = walk.person()
    reader.open(mine)
    reader.submit(reader.open(f"{mine}?fhir_server=main"), press="cancel")
    reader.sign_in(reader.open(f"{mine}?fhir_server=main"), "alice", "alice-password")
    reader.open(f"{mine}?page=3")
    open_app(walk.world, scope=MANY)
    open_app(walk.world, scope="launch/patient openid patient/Condition.rs online_access")
    listed = reader.open(mine)
    (link,) = set(re.findall(r'href="/my-apps(/[0-9a-f]{32})"', listed.text))
    shown = reader.open(f"{mine}{link}")
    for receipt in set(re.findall(r'href="/my-apps(/receipts?/[^"]*)"', shown.text)):
        reader.open(f"{mine}{receipt}")
    reader.open(f"{mine}/sessions")
    reader.submit(reader.open(f"{mine}{link}/stop"))
    shown = reader.open(f"{mine}{link}")
    for receipt in set(re.findall(r'href="/my-apps(/receipts?/[^"]*)"', shown.text)):
        reader.open(f"{mine}{receipt}")
    reader.submit(reader.open(f"{ISSUER}/logout"), press="stay")
    reader.submit(reader.open(f"{ISSUER}/logout"), press="sign_out")


def refused(walk: Walk) -> None:
    reader = walk.person()
    walk.ask(reader, FEW, client_id="unknown")
    walk.ask(reader, FEW, redirect_uri="https://evil.example/")
    page = walk.ask(reader, FEW)
    for path in ("/nowhere", "/consent", f"/my-apps/{'0' * 32}", "/authorize?interaction=unknown"):
        reader.open(f"{ISSUER}{path}")
    walk.person().sign_in(page, "alice", "alice-password")


def elsewhere(walk: Walk, there: Hospital) -> None:
    there.provider.person = dict(DANA)
    reader = walk.person()
    there.arrive(reader, ALONE)
    there.network.people = [practitioner("p-1", "17", birthDate="1980-03-05"), practitioner("p-2", "17")]
    there.rules(searches=[SEARCH])
    reader = walk.person()
    page = there.arrive(reader, "openid fhirUser user/Observation.rs")
    reader.submit(page, {"reference": "Practitioner/p-2"})
    reader.submit(page, {"reference": "Practitioner/dr"})
    there.rules(local_accounts=True)
    for problem in ("access_denied", "server_error"):
        away = walk.ask(walk.person(), "openid")
        link = re.search(r'href="(/sign-in/hospital\?[^"]+)"', away.text)
        assert link is not None
        left = walk.readers[-1].open(f"{ISSUER}{link[1].replace('&amp;', '&')}")
        walk.readers[-1].open(there.provider.visited(left.location, code=None, error=problem))


def beside(walk: Walk, there: Hospital) -> None:
    there.provider.person = {"sub": "idp-doctor", "fhirUser": "Practitioner/dr"}
    walk.change("main", reauthenticate=True)
    made = walk.world.ehr.launch("public", "doctor", patient="A")["launch"]
    frame = walk.person(**{"Sec-Fetch-Dest": "iframe"})
    page = walk.ask(frame, "launch patient/*.rs openid fhirUser", launch=made)
    page = frame.submit(page, {"code": "1"}, press="collect")
    link = re.search(r'href="(/sign-in/hospital\?[^"]+)" target="_blank"', page.text)
    assert link is not None
    window = walk.person(**{"Sec-Fetch-Dest": "document"})
    left = window.open(f"{ISSUER}{link[1].replace('&amp;', '&')}")
    window.open(there.provider.visited(left.location))
    for _ in range(3):
        page = frame.submit(page, {"code": "1"}, press="collect")


HERE: dict[str, Callable[[Walk], None]] = {
    made.__name__: made
    for made in (sign_in, consent, reminded, not_approved, launch, representative, own_apps, refused)
}


@pytest.mark.parametrize("name", HERE)
def test_a_walk_meets_no_english(name: str, walk: Walk) -> None:
    """Issue 6.8, decision 53."""
    HERE[name](walk)
    assert (walk.left, walk.templates) == ([], SEEN[name])


def test_nor_does_who_types_a_code(walk: Walk, alice: Enrolment) -> None:
    code_page(walk, alice)
    assert (walk.left, walk.templates) == ([], SEEN["code"])


def test_nor_does_who_searches(walk: Walk, fhir: FakeFhir) -> None:
    clinician(walk, fhir)
    assert (walk.left, walk.templates) == ([], SEEN["clinician"])


@pytest.mark.parametrize("there", [elsewhere, beside])
def test_nor_does_who_signs_in_at_the_hospital(
    there: Callable[[Walk, Hospital], None], walk_elsewhere: Walk, hospital: Hospital
) -> None:
    there(walk_elsewhere, hospital)
    assert (walk_elsewhere.left, walk_elsewhere.templates) == ([], SEEN[there.__name__])


def test_every_page_of_people_is_walked_through() -> None:
    assert set[str]().union(*SEEN.values()) == set(TEMPLATES) - NOT_ALONE


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ("<p>⟦See ⟦allergies⟧⟧</p>", []),
        ("<p>See ⟦allergies⟧</p>", ["See"]),
        ("<p>⟦Hello <b>Public App⟧</b> you</p>", ["you"]),
        ("<p>Public App</p><p lang='en'>not registered</p><code>not this</code>", []),
        ("<p>Public App is here</p>", ["is here"]),
        ("<p><img alt='a tree'></p>", ["a tree"]),
    ],
)
def test_what_is_in_no_brackets_is_found(page: str, found: list[str]) -> None:
    assert left_over(page, DATA) == found
