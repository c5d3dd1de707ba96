"""Patients and those who act for them launch an app from a portal: the launch signs them in, the page asks them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authz.users.user import Representation
from tests.world import FHIR

if TYPE_CHECKING:
    from tests.transport import Reply
    from tests.world import World

SCOPE = "launch openid fhirUser patient/*.rs online_access"
PEOPLE = [
    ("Patient/A", "A"),
    (f"{FHIR}/Patient/A", "A"),
    ("alice", "A"),
    ("RelatedPerson/rel", "child-1"),
    ("parent", "child-2"),
    ("Person/p", "child-1"),
]
NOT_THEIRS = "patient: not the user's own record, nor of somebody the user is known to represent"


@pytest.fixture
def portal(world: World) -> World:
    """One more who acts for a child: a Person, known by nothing but that."""
    users = world.services.users
    with world.services.db.write() as session:
        sub = users.vouch(session, "main", "Person/p").sub
        users.represent(session, sub, "main", Representation("child-1", "guardian"))
    return world


def launched(world: World, user: str, **context: Any) -> Reply:
    handle = str(world.ehr.launch("public", user, session="portal-1", **context)["launch"])
    return world.public.launched(handle, SCOPE)


def tokens_of(world: World, page: Reply) -> dict[str, Any]:
    """What the app gets when the person agrees, in a browser without cookies."""
    answer = world.public.redeem(world.browser().submit(page, press="allow").location_parameters["code"])
    assert answer.status == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refused(world: World, user: str, **context: Any) -> tuple[int, dict[str, str]]:
    record = {"client_id": "public", "fhir_server": FHIR, "user": user, **context}
    reply = world.ehr.post("/launch", record)
    told = {name: value for name, value in reply.json().items() if name != "error_uri"}
    return reply.status, told


def represented(world: World, name: str, patient: str, *, represents: bool) -> None:
    user = world.services.users.by_name(name)
    assert user is not None
    with world.services.db.write() as session:
        if represents:
            world.services.users.represent(session, user.sub, "main", Representation(patient, "parent"))
        else:
            world.services.users.stop_representing(session, user.sub, "main", patient)


def vouching(world: World, *, on: bool) -> None:
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", {"vouched_representatives": on})


@pytest.mark.parametrize(("user", "patient"), PEOPLE)
def test_the_portal_vouches_and_the_person_is_asked(portal: World, user: str, patient: str) -> None:
    """CTX-13, AMB-30, REQ-83, REQ-88, decision 19: no sign-in page, the consent page, the context patient."""
    page = launched(portal, user, patient=patient)
    assert (page.status, "Allow" in page.text, "password" in page.text) == (200, True, False)
    tokens = tokens_of(portal, page)
    assert (tokens["patient"], tokens["scope"]) == (patient, SCOPE)
    assert portal.services.keyring.verify(tokens["id_token"])["amr"] == ["ehr"]


@pytest.mark.parametrize(("user", "patient"), PEOPLE)
def test_what_was_agreed_to_before_is_asked_again(portal: World, user: str, patient: str) -> None:
    """REQ-88: nobody has shown to be there but the portal, so no launch goes through by itself."""
    tokens_of(portal, launched(portal, user, patient=patient))
    again = launched(portal, user, patient=patient)
    assert (again.status, "Allow" in again.text) == (200, True)
    handle = str(portal.ehr.launch("public", user, patient=patient)["launch"])
    silent = portal.public.launched(handle, SCOPE, prompt="none")
    assert silent.location_parameters["error"] == "consent_required"


@pytest.mark.parametrize(
    ("user", "context"),
    [
        ("Practitioner/dr", {"patient": "A"}),
        ("PractitionerRole/cardiology", {"patient": "A"}),
        ("Patient/A", {"patient": "A"}),
        ("RelatedPerson/rel", {"patient": "child-1"}),
        ("Person/p", {"patient": "child-1"}),
    ],
)
def test_every_kind_of_user_is_told_as_an_absolute_url(portal: World, user: str, context: dict[str, str]) -> None:
    """SCP-30, OID-06, REQ-45: in the id_token and in introspection."""
    page = launched(portal, user, **context)
    tokens = tokens_of(portal, page) if page.status == 200 else portal.public.redeem(code_in(page)).json()
    assert portal.services.keyring.verify(tokens["id_token"])["fhirUser"] == f"{FHIR}/{user}"
    assert portal.fhir_server.introspect(tokens["access_token"])["fhirUser"] == f"{FHIR}/{user}"
    assert "fhirUser" not in tokens


def code_in(reply: Reply) -> str:
    return reply.location_parameters["code"]


@pytest.mark.parametrize(
    ("user", "patient"),
    [
        ("Patient/A", "B"),
        ("alice", "child-1"),
        ("Patient/first-seen", "A"),
        ("RelatedPerson/rel", "A"),
        ("RelatedPerson/first-seen", "child-1"),
        ("Person/first-seen", "child-1"),
    ],
)
def test_nobody_is_launched_with_a_strangers_record(portal: World, user: str, patient: str) -> None:
    """CTX-13, LA-03: the EHR hears it at once, nothing is kept, nobody is created."""
    before = len(portal.services.users.all())
    answer = refused(portal, user, patient=patient)
    assert answer == (400, {"error": "invalid_request", "error_description": NOT_THEIRS})
    assert len(portal.services.users.all()) == before


def test_who_stopped_representing_since_the_launch_gets_nothing(portal: World) -> None:
    """CTX-13: what is known is asked again when the app comes, and when the person agrees."""
    handle = str(portal.ehr.launch("public", "parent", patient="child-1")["launch"])
    page = launched(portal, "parent", patient="child-1")
    represented(portal, "parent", "child-1", represents=False)
    assert portal.public.launched(handle, SCOPE).location_parameters["error"] == "access_denied"
    late = portal.browser().submit(page, press="allow")
    assert late.location_parameters["error"] == "access_denied"


def test_where_the_hospital_allows_it_the_launch_vouches_for_a_representative(portal: World) -> None:
    """CTX-13, decision 19: while the portal's session lasts, so never offline; refreshed only as long as allowed."""
    vouching(portal, on=True)
    handle = str(portal.ehr.launch("public", "RelatedPerson/new", patient="child-9", session="portal-9")["launch"])
    page = portal.public.launched(handle, f"{SCOPE} offline_access")
    tokens = tokens_of(portal, page)
    assert (tokens["patient"], tokens["scope"]) == ("child-9", SCOPE)
    again = portal.public.refresh(tokens["refresh_token"])
    assert (again.status, again.json()["patient"]) == (200, "child-9")
    vouching(portal, on=False)
    assert portal.public.refresh(again.json()["refresh_token"]).json()["error"] == "invalid_grant"
    vouching(portal, on=True)
    assert portal.ehr.end_session("portal-9").status == 204
    assert portal.public.refresh(again.json()["refresh_token"]).json()["error"] == "invalid_grant"


def test_no_word_of_an_ehr_makes_a_patient_another_patient(portal: World) -> None:
    """AZ-78: the switch is about representatives only."""
    vouching(portal, on=True)
    assert refused(portal, "Patient/A", patient="B")[1]["error_description"] == NOT_THEIRS


@pytest.mark.parametrize("kind", ["offline_access", "online_access"])
def test_an_ehrs_word_does_not_carry_on_what_was_known_and_ended(portal: World, kind: str) -> None:
    """REF-13: a grant to a known representative ends with what is known, whatever an EHR said at its launch."""
    vouching(portal, on=True)
    handle = str(portal.ehr.launch("public", "parent", patient="child-1", session="s")["launch"])
    tokens = tokens_of(portal, portal.public.launched(handle, f"launch patient/*.rs {kind}"))
    assert tokens["scope"] == f"launch patient/*.rs {kind}"
    represented(portal, "parent", "child-1", represents=False)
    narrowed = portal.public.refresh(tokens["refresh_token"], scope="launch patient/*.rs")
    assert narrowed.json()["error"] == "invalid_grant"


def test_the_same_person_is_the_same_sub_launch_after_launch(portal: World) -> None:
    """REQ-12, REQ-44, REQ-46, decision 19: first seen in a launch, kept, and told apart by FHIR server."""
    answers = [tokens_of(portal, launched(portal, "Patient/first-seen", patient="first-seen")) for _ in range(2)]
    subs = [portal.fhir_server.introspect(answer["access_token"])["sub"] for answer in answers]
    assert subs[0] == subs[1]
    handle = str(portal.other_ehr.launch("public", "Patient/first-seen", patient="first-seen")["launch"])
    elsewhere = portal.public.launched(handle, SCOPE, aud=portal.other_ehr.fhir_server)
    other = portal.other_fhir_server.introspect(tokens_of(portal, elsewhere)["access_token"])["sub"]
    assert other != subs[0]


def test_a_hospital_may_want_to_know_people_beforehand(portal: World) -> None:
    """Decision 19: a switch for each FHIR server."""
    with portal.services.db.write() as session:
        portal.services.fhir_servers.update(session, "main", {"vouched_users": False})
    problem = {"error": "invalid_request", "error_description": "user: no such person here"}
    assert refused(portal, "Patient/first-seen", patient="first-seen") == (400, problem)
    assert launched(portal, "Patient/A", patient="A").status == 200
