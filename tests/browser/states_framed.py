"""The pages of a launch in the EHR's frame (decision 14), in every state that they have there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.flows.test_administration import add_administrator
from tests.world import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Frame

    from tests.browser.visit import Visit

SCOPE = "launch patient/Observation.rs patient/Condition.rs"
AS_IT_WAS: dict[str, object] = {"ehr_origins": [], "reauthenticate": False, "sensitive_patients": []}


def in_a_frame(visit: Visit) -> Iterator[tuple[str, Frame]]:
    """The FHIR server demands a sign-in within the launch; afterwards it is as it was."""
    visit.set_up(lambda session: visit.world.services.clients.update(session, "public", {"scope": EVERYTHING}, {}))
    change(visit, "other", ehr_origins=[])
    change(visit, "main", ehr_origins=[visit.ehr], reauthenticate=True, sensitive_patients=["B"])
    yield from signing_in(visit)
    yield from breaking_the_glass(visit)
    change(visit, "main", **AS_IT_WAS)


def change(visit: Visit, fhir_server: str, **members: object) -> None:
    visit.set_up(lambda session: visit.world.services.fhir_servers.update(session, fhir_server, members))


def launched(visit: Visit, scope: str = SCOPE, **context: object) -> Frame:
    made = visit.world.ehr.launch("public", "Practitioner/dr", **context)
    return visit.ask_in_frame(scope, launch=made["launch"], prompt="consent")


def signing_in(visit: Visit) -> Iterator[tuple[str, Frame]]:
    yield "sign-in", launched(visit, patient="A")
    visit.sign_in("doctor", "wrong")
    yield "sign-in, wrong", visit.says("The user name or the password is not right.")
    dave = f"dave-{visit.words.tag}"  # one in each language
    add_administrator(visit.world, dave, role=None)
    visit.sign_in(dave)
    yield "code", visit.is_at("Enter a code")
    visit.press("Start again")
    visit.sign_in("alice")
    yield "somebody else", visit.is_at("This was opened for somebody else")
    visit.press("Sign in as Doctor")
    visit.sign_in("doctor")
    yield "consent", visit.is_at("Share health records with Public App?")
    launched(visit, f"{SCOPE} patient/*.cruds", patient="A")
    visit.sign_in("doctor")
    yield "consent to all", visit.is_at("Share health records with Public App?")


def breaking_the_glass(visit: Visit) -> Iterator[tuple[str, Frame]]:
    launched(visit, patient="B")
    visit.sign_in("doctor")
    yield "a reason", visit.is_at("These records are protected")
    visit.frame.get_by_role("radio").first.press("Space")
    visit.frame.fill("[name=text]", "no         time")
    visit.press("Open the records")
    yield (
        "too short a reason",
        visit.says("Choose a reason, and say in 10 to 500 characters why you need these records now."),
    )
