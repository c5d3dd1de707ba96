"""What comes of an EHR's launches once it was switched off, removed or bound elsewhere: nothing (MGT-03).

The same for a client that speaks for an EHR by ``__launch`` (decision 17). A launch may wait, or its page be open.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from authz.audit.model import AuditEventRow
from authz.clients.metadata import ClientMetadata
from authz.clients.registry import HospitalDecisions
from tests.backend import KEYS, METADATA, public_key, register
from tests.launch.signing import SigningEhr, ec_key, public
from tests.world import FHIR, ISSUER

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from authz.services import Services
    from tests.backend import Backend
    from tests.world import World

    Change = Callable[[Services, Session], object]

SCOPE = "launch patient/*.rs offline_access"
UNUSABLE = "the launch is unknown, expired or already used, or it was made for another app, FHIR server or request"
RECORD = {"client_id": "public", "fhir_server": FHIR, "user": "Practitioner/dr", "patient": "A"}


def unapproved(services: Services, session: Session) -> None:
    services.clients.row(session, "bulk").approved = False


def add_bulk(services: Services, session: Session) -> None:
    keys = {"keys": [public_key(key, kid=alg, alg=alg) for alg, key in KEYS.items()]}
    metadata = ClientMetadata.load({**METADATA, "jwks": keys})
    services.clients.add(session, metadata, HospitalDecisions(("main",)), client_id="bulk")


EHR_ENDS: dict[str, Change] = {
    "switched off": lambda made, session: made.ehrs.set_enabled(session, "ehr-main", enabled=False),
    "removed": lambda made, session: made.ehrs.remove(session, "ehr-main"),
    "for another FHIR server": lambda made, session: made.ehrs.bind(session, "ehr-main", ["other"]),
}
CLIENT_ENDS: dict[str, Change] = {
    "switched off": lambda made, session: made.clients.set_enabled(session, "bulk", enabled=False),
    "removed": lambda made, session: made.clients.remove(session, "bulk"),
    "without the scope": lambda made, session: made.clients.update(session, "bulk", {"scope": "system/*.rs"}, {}),
    "for another FHIR server": lambda made, session: made.clients.update(
        session, "bulk", {}, {"fhir_servers": ("other",)}
    ),
    "not approved": unapproved,
}


EHR_BEGINS: dict[str, Change] = {
    "switched off": lambda made, session: made.ehrs.set_enabled(session, "ehr-main", enabled=True),
    "removed": lambda made, session: made.ehrs.add(session, ["main"], "ehr-main", "ehr-main-secret"),
    "for another FHIR server": lambda made, session: made.ehrs.bind(session, "ehr-main", ["main"]),
}
CLIENT_BEGINS: dict[str, Change] = {
    "switched off": lambda made, session: made.clients.set_enabled(session, "bulk", enabled=True),
    "removed": add_bulk,
}


@pytest.fixture
def speaker(world: World) -> Backend:
    return register(world, "bulk", ("main",))


def launch(world: World, **more: object) -> str:
    return str(world.ehr.launch("public", "Practitioner/dr", patient="A", **more)["launch"])


def change(world: World, what: Change) -> None:
    with world.services.db.write() as session:
        what(world.services, session)


def refusal(answer: dict[str, Any]) -> tuple[str, str]:
    return answer["error"], answer["error_description"].partition(" (support code")[0]


def last(world: World, name: str) -> AuditEventRow:
    with world.services.db.read() as session:
        found = session.scalars(select(AuditEventRow).where(AuditEventRow.event == name)).all()
    return found[-1]


def assert_it_came_to_nothing(world: World, waiting: str, opened: Any, why: str = "ehr_gone") -> None:
    """Of both the trail says why; the app hears what it hears of any launch that is of no use (AZ-73)."""
    answer = world.public.launched(waiting, SCOPE).location_parameters
    assert refusal(answer) == ("invalid_request", UNUSABLE)
    refused = last(world, "launch.refused")
    assert (refused.reason, refused.launch_id is None) == (why, False)
    answer = world.browser().submit(opened, press="allow").location_parameters
    assert refusal(answer) == ("invalid_request", UNUSABLE)
    refused = last(world, "authorize.refused")
    assert (refused.detail["cause"], refused.launch_id is None) == (why, False)
    with world.services.db.read() as session:
        events = set(session.scalars(select(AuditEventRow.event)))
    assert events.isdisjoint({"code.issued", "launch.used"})


@pytest.mark.parametrize("end", EHR_ENDS.values(), ids=EHR_ENDS.keys())
def test_no_launch_of_an_ehr_that_has_gone_becomes_a_code(world: World, end: Change) -> None:
    """MGT-03: whoever stole its secret has nothing in stock, neither a launch nor a page."""
    waiting, opened = launch(world), world.public.launched(launch(world), SCOPE, prompt="consent")
    assert opened.status == 200
    change(world, end)
    assert_it_came_to_nothing(world, waiting, opened)


@pytest.mark.parametrize("end", CLIENT_ENDS.values(), ids=CLIENT_ENDS.keys())
def test_no_launch_of_a_client_that_has_gone_becomes_a_code(world: World, speaker: Backend, end: Change) -> None:
    """MGT-03, decision 17: a client with ``__launch`` is an EHR here, and ends as one."""
    waiting, opened = speaker.launch(), world.public.launched(speaker.launch(), SCOPE, prompt="consent")
    assert opened.status == 200
    change(world, end)
    assert_it_came_to_nothing(world, waiting, opened)


@pytest.mark.parametrize("way", EHR_BEGINS)
def test_an_ehr_that_begins_anew_has_nothing_of_before(world: World, way: str) -> None:
    """MGT-03: a secret was stolen, the EHR got another; what the thief had in stock stays dead."""
    waiting, opened = launch(world), world.public.launched(launch(world), SCOPE, prompt="consent")
    change(world, EHR_ENDS[way])
    world.clock.forward(seconds=1)
    change(world, EHR_BEGINS[way])
    assert_it_came_to_nothing(world, waiting, opened)
    assert "code" in world.public.launched(launch(world), SCOPE).location_parameters


@pytest.mark.parametrize("way", CLIENT_BEGINS)
def test_a_client_that_begins_anew_has_nothing_of_before(world: World, speaker: Backend, way: str) -> None:
    """MGT-03, decision 17."""
    waiting, opened = speaker.launch(), world.public.launched(speaker.launch(), SCOPE, prompt="consent")
    change(world, CLIENT_ENDS[way])
    world.clock.forward(seconds=1)
    change(world, CLIENT_BEGINS[way])
    assert_it_came_to_nothing(world, waiting, opened)
    assert "code" in world.public.launched(speaker.launch(), SCOPE).location_parameters


def test_who_is_switched_on_already_goes_on(world: World, speaker: Backend) -> None:
    """``authz ehr enable`` and ``authz client enable`` of what is enabled change nothing."""
    waiting, spoken = launch(world), speaker.launch()
    world.clock.forward(seconds=1)
    for again in (EHR_BEGINS["switched off"], EHR_BEGINS["for another FHIR server"], CLIENT_BEGINS["switched off"]):
        change(world, again)
    assert "code" in world.public.launched(waiting, SCOPE).location_parameters
    assert "code" in world.public.launched(spoken, SCOPE).location_parameters


def test_what_an_ehr_may_still_do_is_not_touched(world: World, speaker: Backend) -> None:
    """Of two FHIR servers it keeps one; of two that make launches the other goes."""
    waiting, speaking = launch(world), speaker.launch()
    with world.services.db.write() as session:
        world.services.ehrs.bind(session, "ehr-main", ["main", "other"])
        world.services.ehrs.set_enabled(session, "ehr-other", enabled=False)
    assert "code" in world.public.launched(waiting, SCOPE).location_parameters
    assert "code" in world.public.launched(speaking, SCOPE).location_parameters


def signing(world: World) -> SigningEhr:
    key = ec_key()
    with world.services.db.write() as session:
        world.services.launch_keys.rotate(session)
        world.services.ehrs.set_keys(session, "ehr-main", public(key))
    (published,) = world.transport.send("GET", f"{ISSUER}/launch/jwks", {}, b"").json()["keys"]
    return SigningEhr("ehr-main", ISSUER, published, int(world.clock().timestamp()), key)


def test_an_ehr_that_begins_anew_has_signed_nothing_before(world: World) -> None:
    """REQ-74, MGT-03: by ``iat``; a page is as old as the request that opened it."""
    signer = signing(world)
    waiting = signer.launch(dict(RECORD), iat=signer.now)
    opened = world.public.launched(signer.launch(dict(RECORD)), SCOPE, prompt="consent")
    assert opened.status == 200
    change(world, EHR_ENDS["switched off"])
    world.clock.forward(seconds=1)
    change(world, EHR_BEGINS["switched off"])
    assert_it_came_to_nothing(world, waiting, opened)
    new = signer.launch(dict(RECORD), iat=signer.now + 1)
    assert "code" in world.public.launched(new, SCOPE).location_parameters


def test_an_ehr_whose_key_was_replaced_has_no_page_open_by_the_old_one(world: World) -> None:
    """REQ-74, MGT-03: whoever stole the old one keeps a page open at all times."""
    signer, kept = signing(world), ec_key(kid="kept")
    change(world, lambda made, session: made.ehrs.set_keys(session, "ehr-main", public(signer.key, kept)))
    stolen = world.public.launched(signer.launch(dict(RECORD)), SCOPE, prompt="consent")
    good = world.public.launched(replace(signer, key=kept).launch(dict(RECORD)), SCOPE, prompt="consent")
    assert (stolen.status, good.status) == (200, 200)
    change(world, lambda made, session: made.ehrs.set_keys(session, "ehr-main", public(ec_key(), kept)))
    answer = world.browser().submit(stolen, press="allow").location_parameters
    assert refusal(answer) == ("invalid_request", UNUSABLE)
    assert last(world, "authorize.refused").detail["cause"] == "ehr_gone"
    assert "code" in world.browser().submit(good, press="allow").location_parameters


def test_an_ehr_whose_keys_were_taken_has_no_page_open(world: World) -> None:
    """REQ-74: ``authz ehr remove-keys`` believes no launch that it signed; those that it posted are as good as ever."""
    signer = signing(world)
    signed = world.public.launched(signer.launch(dict(RECORD)), SCOPE, prompt="consent")
    posted = world.public.launched(launch(world), SCOPE, prompt="consent")
    change(world, lambda made, session: made.ehrs.set_keys(session, "ehr-main", None))
    refused = world.browser().submit(signed, press="allow").location_parameters
    assert refusal(refused) == ("invalid_request", UNUSABLE)
    assert "code" in world.browser().submit(posted, press="allow").location_parameters


def test_an_ehr_and_a_client_of_one_name_are_two(world: World) -> None:
    """Decision 17, LA-09: neither ends with the other, nor sees what the other made."""
    speaker = register(world, "ehr-main", ("main",))
    made = world.ehr.launch("public", "Practitioner/dr", patient="A")
    token = speaker.token("__launch")
    look = {"Authorization": f"Bearer {token}"}
    assert world.transport.send("GET", f"{ISSUER}/launch/{made['launch_id']}", look, b"").status == 404
    spoken = speaker.launch()
    change(world, lambda services, session: services.ehrs.remove(session, "ehr-main"))
    assert "code" in world.public.launched(spoken, SCOPE).location_parameters
    refused = world.public.launched(str(made["launch"]), SCOPE).location_parameters
    assert refusal(refused) == ("invalid_request", UNUSABLE)


def test_a_client_of_one_name_with_an_ehr_does_not_end_it(world: World) -> None:
    speaker = register(world, "ehr-main", ("main",))
    made, spoken = launch(world), speaker.launch()
    change(world, lambda services, session: services.clients.set_enabled(session, "ehr-main", enabled=False))
    assert "code" in world.public.launched(made, SCOPE).location_parameters
    assert refusal(world.public.launched(spoken, SCOPE).location_parameters) == ("invalid_request", UNUSABLE)


def test_launches_that_nobodys_credential_made_stay(world: World) -> None:
    """An operator's: ``authz launch create``."""
    with world.services.db.write() as session:
        world.services.ehrs.remove(session, "ehr-main")
    handle, _ = world.services.launches.create(None, {**RECORD, "launch_url": "https://app.example/launch"}, None)
    assert "code" in world.public.launched(handle, SCOPE).location_parameters
