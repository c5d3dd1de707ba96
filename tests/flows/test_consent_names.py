"""The consent page names the patient, also where nobody had to choose one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from authz.audit.model import AuditEventRow
from authz.outbound import FetchFailed
from tests.my_apps.test_story import says

if TYPE_CHECKING:
    import pytest

    from tests.fhir import FakeFhir
    from tests.transport import Reply
    from tests.world import World


def launched(world: World, patient: str = "B") -> Reply:
    handle = str(world.ehr.launch("public", "Practitioner/dr", patient=patient)["launch"])
    return world.public.launched(handle, "launch openid patient/*.rs", prompt="consent")


def test_in_an_ehr_launch_the_patient_has_a_name_and_a_birth_date(world: World, fhir: FakeFhir) -> None:
    """LC-15: read on the user's own rights, by a token for this alone, and on the trail."""
    page = launched(world)
    assert "Records of Bo Berg born 5 Mar 2019 · male · MRN MRN-B" in says(page)
    (asked,) = fhir.asked
    assert (asked.path, asked.token["scope"], asked.token["fhirUser"].rpartition("/")[2]) == (
        "Patient/_search",
        "user/Patient.rs",
        "dr",
    )
    assert world.fhir_server.introspect(asked.bearer) == {"active": False}
    with world.services.db.read() as session:
        (event,) = session.scalars(select(AuditEventRow).where(AuditEventRow.event == "records.searched"))
    assert (event.client_id, event.outcome, event.detail) == ("public", "success", {"found": 1})


def test_the_only_child_of_a_representative_has_a_name(world: World) -> None:
    with world.services.db.write() as session:
        parent = world.services.users.by_name("parent")
        assert parent is not None
        world.services.users.stop_representing(session, parent.sub, "main", "child-2")
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope="launch/patient patient/*.rs"))
    page = browser.sign_in(page, "parent", "parent-password")
    assert "Records of Ella Brandt born 2 Jan 2024" in says(page)


def test_whom_the_user_may_not_see_stays_a_number(world: World) -> None:
    """LC-15: what the FHIR server hides is not shown here either."""
    assert "Records of Patient H You are" in says(launched(world, "H"))


def test_a_fhir_server_that_is_away_delays_one_page_in_a_minute(
    world: World, fhir: FakeFhir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REQ-70: two seconds at the most, then the number; the others don't wait."""
    tries = []

    def away(*_: Any, **more: Any) -> None:
        tries.append(more["limits"].seconds)
        raise FetchFailed("no connection")

    monkeypatch.setattr(fhir, "post", away)
    for _ in range(3):
        assert "Records of Patient B You are" in says(launched(world))
    assert tries == [2.0]
    naming = world.services.authorization.consenting.naming
    monkeypatch.setattr(naming, "monotonic", lambda: naming.away_until["main"] + 1)
    launched(world)
    assert tries == [2.0, 2.0]


def test_the_page_says_who_makes_the_app_and_since_when_it_is_known(world: World) -> None:
    """LC-15: the publisher by its own address, https only; else that it does not say."""
    since = world.clock()
    assert f"registered here since {since.day} {since:%B %Y} Made by not stated Goes to app.example" in says(
        launched(world)
    )
    for uri, shown in (("https://www.maker.example/x", "maker.example"), ("http://maker.example", "not stated")):
        with world.services.db.write() as session:
            world.services.clients.row(session, "public").about = {"client_uri": uri}
        assert f"Made by {shown} Goes to" in says(launched(world))
