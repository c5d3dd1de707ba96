"""What a person unticks is what the app does not get: from the page to the token, the refresh and the next visit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from authz.audit.model import AuditEventRow
from authz.consent.model import ConsentRow
from authz.tokens.model import GrantRow
from tests.actors import Forms

if TYPE_CHECKING:
    from tests.actors import Browser
    from tests.transport import Reply
    from tests.world import World

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
LAB = f"patient/Observation.rs?category={CATEGORY}|laboratory"
VITAL = f"patient/Observation.rs?category={CATEGORY}|vital-signs"
SCOPE = "launch/patient openid patient/Observation.rs patient/Condition.read offline_access"
OBSERVATIONS = "See measurements and results"


def consent_page(world: World, browser: Browser, scope: str = SCOPE, user: str = "alice") -> Reply:
    page = browser.open(world.public.authorize_url(scope=scope))
    return browser.sign_in(page, user, f"{user}-password")


def tokens(world: World, reply: Reply) -> dict[str, Any]:
    answer: dict[str, Any] = world.public.redeem(reply.location_parameters["code"]).json()
    return answer


def all_but(page: Reply, *kept: str) -> list[str]:
    """The labels of all kinds of measurements and results but these."""
    labels = [text for text, (_, box) in Forms(page.text).labels if box.startswith("patient/Observation.rs ")]
    return [label for label in labels if not label.startswith((OBSERVATIONS, *kept))]


def last_verdicts(world: World) -> dict[str, tuple[str, list[str]]]:
    with world.services.db.read() as session:
        grant = session.scalars(select(GrantRow).order_by(GrantRow.created_at.desc())).first()
        assert grant is not None
        return {one["requested"]: (one["reason"], one["granted"]) for one in grant.verdicts}


def require(world: World, scope: str) -> None:
    with world.services.db.write() as session:
        world.services.clients.update(session, "public", {}, {"required_scope": scope})


def test_two_categories_of_many_become_two_constrained_scopes_and_no_bare_one(world: World) -> None:
    """N07, SCP-16: and the verdict says that the person unticked the rest."""
    browser = world.browser()
    page = consent_page(world, browser)
    reply = browser.submit(page, press="allow", untick=all_but(page, "Lab results", "Vital signs"))
    answer = tokens(world, reply)
    assert answer["scope"] == f"launch/patient openid {LAB} {VITAL} patient/Condition.read offline_access"
    assert world.fhir_server.introspect(answer["access_token"])["scope"] == answer["scope"]
    assert last_verdicts(world) == {
        "launch/patient": (None, ["launch/patient"]),
        "openid": (None, ["openid"]),
        "patient/Observation.rs": ("unticked", [LAB, VITAL]),
        "patient/Condition.read": (None, ["patient/Condition.read"]),
        "offline_access": (None, ["offline_access"]),
    }


def test_a_refresh_keeps_to_what_was_agreed(world: World) -> None:
    """REF-04, REF-05: the same narrower scopes, and nothing of what was unticked can be asked for."""
    browser = world.browser()
    page = consent_page(world, browser)
    first = tokens(world, browser.submit(page, press="allow", untick=all_but(page, "Lab results")))
    second = world.public.refresh(first["refresh_token"]).json()
    assert second["scope"] == first["scope"] == f"launch/patient openid {LAB} patient/Condition.read offline_access"
    wider = world.public.refresh(second["refresh_token"], scope="patient/Observation.rs")
    assert (wider.status, wider.json()["error"]) == (400, "invalid_scope")


def test_what_was_agreed_is_remembered_and_what_was_unticked_is_asked_again(world: World) -> None:
    """AZ-59, REQ-88: the decision covers what it granted, in any spelling, and no more."""
    browser = world.browser()
    page = consent_page(world, browser)
    browser.submit(page, press="allow", untick=all_but(page, "Lab results"))
    again = browser.open(world.public.authorize_url(scope=SCOPE))
    assert OBSERVATIONS in again.text
    narrower = browser.open(world.public.authorize_url(scope=f"openid {LAB}&status=final patient/Condition.r"))
    assert tokens(world, narrower)["scope"] == f"openid {LAB}&status=final patient/Condition.r"
    with world.services.db.read() as session:
        (row,) = session.scalars(select(ConsentRow))
    assert row.requested_scope == SCOPE
    assert row.granted_scope == f"launch/patient openid {LAB} patient/Condition.read offline_access"


def test_changing_can_be_left_out_while_seeing_stays(world: World) -> None:
    """N02, REQ-122: a v1 request is answered in v1; AMB-30: a clinician is asked unless the app is vetted."""
    with world.services.db.write() as session:
        world.services.clients.update(session, "public", {}, {"skip_consent_in_ehr_launch": False})
    handle = world.ehr.launch("public", "Practitioner/dr", patient="A")["launch"]
    browser = world.browser()
    scope = "launch patient/Observation.* patient/*.cruds user/Encounter.cruds"
    page = browser.open(world.public.authorize_url(launch=handle, scope=scope))
    assert "See all kinds of health data, also kinds added later" in page.text
    reply = browser.submit(
        page,
        press="allow",
        untick=[
            "Add, change and delete all kinds of health data",
            "Add, change and delete visits and hospital stays of every patient you may see",
        ],
    )
    assert browser.cookies == {}  # in the EHR's frame there are none
    assert tokens(world, reply)["scope"] == "launch patient/Observation.read patient/*.rs user/Encounter.rs"


def test_offline_access_can_be_refused_and_then_access_ends(world: World) -> None:
    """SCP-33, SCP-34, SCP-35, AMB-13, AZ-57: no prompt=consent is needed to be asked; online access stands in."""
    browser = world.browser()
    page = consent_page(world, browser, f"{SCOPE} online_access")
    answer = tokens(world, browser.submit(page, press="allow", untick=["Keep this access"]))
    assert answer["scope"] == SCOPE.replace("offline_access", "online_access")
    browser = world.browser()
    page = consent_page(world, browser)  # what was left out is not ticked again
    answer = tokens(world, browser.submit(page, press="allow"))
    assert (answer["scope"], "refresh_token" in answer) == (SCOPE.removesuffix(" offline_access"), False)


def test_only_the_sign_in_may_be_left(world: World) -> None:
    """CTX-12, SCP-16: then the app learns whose record it is only if that was asked for by itself."""
    browser = world.browser()
    page = consent_page(world, browser, "launch/patient openid patient/Condition.rs")
    answer = tokens(world, browser.submit(page, press="allow", untick=["See problems and diagnoses"]))
    assert (answer["scope"], answer["patient"]) == ("launch/patient openid", "A")
    page = browser.open(world.public.authorize_url(scope="openid patient/Condition.rs"))  # not ticked again
    answer = tokens(world, browser.submit(page, press="allow"))
    assert answer["scope"] == "openid"
    assert "patient" not in answer
    assert "patient" not in world.fhir_server.introspect(answer["access_token"])


@pytest.mark.parametrize("scope", ["launch/patient patient/Condition.rs", "patient/Condition.rs online_access"])
def test_a_launch_without_data_and_sign_in_is_nothing(world: World, scope: str) -> None:
    """SCP-17, AMB-11: to untick everything is to refuse; the app does not even learn whose record it was."""
    browser = world.browser()
    page = consent_page(world, browser, scope)
    told = browser.submit(page, press="allow", untick=["See problems and diagnoses"]).location_parameters
    assert (told["error"], "code" in told) == ("access_denied", False)


def denied(world: World) -> list[tuple[str | None, str]]:
    """Reason and description of each no on the audit trail."""
    with world.services.db.read() as session:
        rows = session.scalars(select(AuditEventRow).where(AuditEventRow.event == "consent.denied"))
        return [(row.reason, row.detail["description"]) for row in rows]


def test_a_no_is_on_the_trail_as_a_no(world: World) -> None:
    """LC-18: by the button, or by unticking everything."""
    browser = world.browser()
    browser.submit(consent_page(world, browser, "patient/Condition.rs"), press="deny")
    page = browser.open(world.public.authorize_url(scope="patient/Condition.rs"))
    browser.submit(page, press="allow", untick=["See problems and diagnoses"])
    assert sorted(denied(world)) == [  # what happened at one moment has no order
        ("access_denied", "the user agreed to none of the scopes"),
        ("access_denied", "the user did not agree"),
    ]


def test_who_unticks_what_the_app_needs_refuses_the_app(world: World) -> None:
    """REQ-122: required and optional stand apart; without a required one there is no code."""
    require(world, "patient/Condition.rs")
    browser = world.browser()
    page = consent_page(world, browser)
    needs, asks = page.text.split("You choose what Public App may do")
    assert "See problems and diagnoses" in needs
    assert OBSERVATIONS in asks
    told = browser.submit(page, press="allow", untick=["See problems and diagnoses"]).location_parameters
    assert told["error"] == "access_denied"
    description = "the user did not agree to what the app can not work without"
    assert told["error_description"].startswith(description)
    assert denied(world) == [("access_denied", description)]
    page = browser.open(world.public.authorize_url(scope=SCOPE))
    answer = tokens(world, browser.submit(page, press="allow", untick=[OBSERVATIONS]))
    assert answer["scope"] == "launch/patient openid patient/Condition.read offline_access"


def test_a_page_that_would_ask_something_else_now_is_shown_again(world: World) -> None:
    """LC-10: what is agreed to is what was on the page, whatever the hospital changes meanwhile."""
    browser = world.browser()
    page = consent_page(world, browser, "openid patient/Condition.rs patient/Immunization.rs")
    with world.services.db.write() as session:
        narrower = "openid patient/Condition.rs patient/Goal.rs"
        world.services.clients.update(session, "public", {"scope": narrower}, {})
    again = browser.submit(page, press="allow")
    assert again.status == 200
    assert "See vaccinations" not in again.text
    assert tokens(world, browser.submit(again, press="allow"))["scope"] == "openid patient/Condition.rs"


def test_a_page_about_somebody_else_now_is_shown_again(world: World) -> None:
    """LC-10: who the user is has been put right while the page waited."""
    browser = world.browser()
    page = consent_page(world, browser, "launch/patient patient/Condition.rs")
    alice = world.services.users.by_name("alice")
    assert alice is not None
    with world.services.db.write() as session:
        world.services.users.link(session, alice.sub, "main", "Patient/B")
    again = browser.submit(page, press="allow")
    assert again.status == 200
    assert tokens(world, browser.submit(again, press="allow"))["patient"] == "B"


def test_what_was_unticked_is_on_the_audit_trail(world: World) -> None:
    browser = world.browser()
    page = consent_page(world, browser, "openid patient/Condition.rs patient/Goal.rs")
    browser.submit(page, press="allow", untick=["See health goals"])
    with world.services.db.read() as session:
        found = session.scalars(select(AuditEventRow).where(AuditEventRow.event == "consent.granted")).one()
    assert (found.scope, found.detail) == ("openid patient/Condition.rs", {"unticked": ["patient/Goal.rs"]})


def test_many_scopes_can_be_agreed_to(world: World) -> None:
    """LC-15: a request of the largest size has its page, and its form arrives."""
    types = sorted(world.services.fhir_servers.all()[0].resource_types)[:140]
    scope = "openid " + " ".join(f"patient/{type_}.rs" for type_ in types)
    browser = world.browser()
    page = consent_page(world, browser, scope)
    assert len(Forms(page.text).labels) > 140
    assert tokens(world, browser.submit(page, press="allow"))["scope"] == scope
