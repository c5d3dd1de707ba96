"""Now and then people read, after signing in, which apps go on while they are away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.my_apps.test_story import SCOPE, open_app, says

if TYPE_CHECKING:
    from tests.transport import Reply
    from tests.world import World

REMINDED = "may use records while you are away, because you allowed it."


def asked_anew(world: World, user: str = "alice", scope: str = SCOPE) -> Reply:
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope=scope, prompt="consent"))
    return browser.sign_in(page, user, f"{user}-password")


def test_after_ninety_days_a_line_names_the_apps_once(world: World) -> None:
    """BP-01: not at once, then at the next sign-in, not at the one after it, and again ninety days later."""
    tokens = open_app(world)
    assert REMINDED not in says(asked_anew(world))
    for _ in range(2):
        for days in (50, 41):
            world.clock.forward(days=days)
            tokens = world.public.refresh(tokens["refresh_token"]).json()
        page = asked_anew(world)
        assert f"Public App {REMINDED} Your apps" in says(page)
        assert 'href="/my-apps"' in page.text
        assert REMINDED not in says(asked_anew(world))


def test_nobody_is_reminded_of_what_ends_with_the_session_or_was_taken_back(world: World) -> None:
    """BP-01: "without flooding them"."""
    open_app(world, scope="launch/patient openid patient/*.rs online_access")
    world.clock.forward(days=91)
    assert REMINDED not in says(asked_anew(world))


def test_a_representative_reads_it_before_choosing(world: World) -> None:
    """BP-01: on the first page after the sign-in, and not on the next one as well."""
    tokens = open_app(world, "parent", patient="child-1")
    world.clock.forward(days=60)
    world.public.refresh(tokens["refresh_token"])
    world.clock.forward(days=31)
    page = asked_anew(world, "parent")
    assert REMINDED in says(page)


def test_a_launch_from_the_ehr_reminds_nobody(world: World) -> None:
    """Decision 14: its user may have no session here in which the page of apps would open."""
    with world.services.db.write() as session:
        world.services.clients.update(session, "public", {}, {"skip_consent_in_ehr_launch": False})
    for _ in range(2):
        handle = str(world.ehr.launch("public", "Practitioner/dr", patient="A")["launch"])
        browser = world.browser()
        page = browser.open(
            world.public.authorize_url(launch=handle, scope="launch patient/*.rs offline_access", prompt="consent")
        )
        assert REMINDED not in says(page)
        done = browser.submit(page, press="allow")
        world.public.redeem(done.location_parameters["code"])
        world.clock.forward(days=91)
