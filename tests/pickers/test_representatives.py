"""Me, my children, people I look after: somebody with a record of their own who acts for others as well."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from authz.cli.representation_file import import_file
from authz.errors import InvalidValue
from authz.users.user import Representation
from tests.pickers.test_staff_picker import granted, offered

if TYPE_CHECKING:
    from pathlib import Path

    from tests.actors import Browser
    from tests.fhir import FakeFhir
    from tests.transport import Reply
    from tests.world import World

SCOPE = "launch/patient openid fhirUser patient/Observation.rs offline_access"
FOR_THREE = {"child-1": "mother", "child-2": "Parent", "B": "guardian"}


@pytest.fixture
def alice(world: World, fhir: FakeFhir) -> str:
    """Alice, who is Patient/A, and acts for two children and a neighbour; her sub."""
    user = world.services.users.by_name("alice")
    assert user is not None
    with world.services.db.write() as session:
        for patient, relationship in FOR_THREE.items():
            world.services.users.represent(session, user.sub, "main", Representation(patient, relationship))
    fhir.sees["Patient/A"] = {"A", *FOR_THREE}
    return user.sub


def opened(world: World, scope: str = SCOPE) -> tuple[Browser, Reply]:
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope=scope))
    return browser, browser.sign_in(page, "alice", "alice-password")


def tokens(world: World, patient: str) -> dict[str, Any]:
    browser, page = opened(world)
    return granted(world, browser, browser.submit(page, press=patient))


def test_she_chooses_between_herself_her_children_and_others(world: World, alice: str, fhir: FakeFhir) -> None:
    """Issue 6.3, CTX-13: under headings, each with what she is to them; one question to the FHIR server."""
    _, page = opened(world)
    assert re.findall("<h2>([^<]+)</h2>", page.text) == ["Me", "My children", "People I look after"]
    assert offered(page) == ["A", "child-1", "child-2", "B"]
    assert "You are their mother" in page.text
    assert "You are their self" not in page.text
    (asked,) = fhir.asked
    assert dict(asked.parameters)["_count"] == "4"


@pytest.mark.parametrize("patient", ["A", "child-2", "B"])
def test_the_app_gets_whom_she_chose_and_who_she_is(world: World, alice: str, patient: str) -> None:
    """Issue 6.3, OID-14: the patient is another; fhirUser stays she herself."""
    answer = tokens(world, patient)
    claims = world.services.keyring.verify(answer["id_token"])
    told = world.fhir_server.introspect(answer["access_token"])
    assert (answer["patient"], told["patient"]) == (patient, patient)
    assert claims["fhirUser"] == "https://fhir.example/r4/Patient/A"


def test_who_acts_for_nobody_is_not_asked(world: World, fhir: FakeFhir) -> None:
    """CTX-13: the only patient there can be."""
    _, page = opened(world)
    assert offered(page) == []
    assert fhir.asked == []


def test_nobody_else_can_be_chosen(world: World, alice: str) -> None:
    """LC-14."""
    browser, page = opened(world)
    assert browser.submit(page, {"patient": "H"}).status == 403


def test_what_ends_is_gone_at_the_next_refresh(world: World, alice: str) -> None:
    """Issue 6.3, decision 20: the end of a relationship, by its date or by hand; her own record is not concerned."""
    own, child, other = tokens(world, "A"), tokens(world, "child-1"), tokens(world, "B")
    with world.services.db.write() as session:
        until = world.clock() + timedelta(hours=1)
        world.services.users.represent(session, alice, "main", Representation("child-1", "mother", until))
        world.services.users.stop_representing(session, alice, "main", "B")
    refused = world.public.refresh(other["refresh_token"])
    assert (refused.status, refused.json()["error"]) == (400, "invalid_grant")
    child = world.public.refresh(child["refresh_token"]).json()
    world.clock.forward(hours=2)
    refused = world.public.refresh(child["refresh_token"])
    assert (refused.status, refused.json()["error"]) == (400, "invalid_grant")
    assert world.public.refresh(own["refresh_token"]).json()["patient"] == "A"
    _, page = opened(world)
    assert offered(page) == ["A", "child-2"]


def test_a_portal_launches_her_with_her_childs_record_and_no_strangers(world: World, alice: str) -> None:
    """Issue 6.3, decision 0010: what is known here counts; the word of an EHR makes no patient a representative."""
    launch = world.ehr.launch("public", "alice", patient="child-1")["launch"]
    page = world.public.launched(launch, "launch patient/Observation.rs openid")
    code = world.browser().submit(page, press="allow").location_parameters["code"]
    assert world.public.redeem(code).json()["patient"] == "child-1"
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", {"vouched_representatives": True})
    record = {"client_id": "public", "fhir_server": world.ehr.fhir_server, "user": "alice", "patient": "H"}
    assert world.ehr.post("/launch", record).status == 400


def test_what_a_file_ends_is_revoked_at_once(world: World, alice: str, tmp_path: Path) -> None:
    """Issue 6.3: left out of a file that is the whole truth, or in it with an end that is past; the rest goes on."""
    tokens_of = {patient: tokens(world, patient) for patient in ("A", "child-1", "child-2", "B")}
    path = tmp_path / "people.csv"
    header, rows = "user,patient,relationship", ["alice,child-1,mother", "alice,child-2,parent"]
    path.write_text("\n".join([header, *rows]))
    with pytest.raises(InvalidValue, match="line 2: say which fhir_server: there are several; line 3: "):
        import_file(world.services, path, replace=True, dry_run=False)
    path.write_text(f"{header},fhir_server,until\n{rows[0]},main,\n{rows[1]},main,2020-01-31\n")
    told = import_file(world.services, path, replace=True, dry_run=False)
    assert told["revoked_grants"] == 2
    active = {
        patient: world.fhir_server.introspect(found["access_token"])["active"] for patient, found in tokens_of.items()
    }
    assert active == {"A": True, "child-1": True, "child-2": False, "B": False}
