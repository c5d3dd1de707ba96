"""The pages of signing out, in the languages that an app asks for (OpenID Connect RP-Initiated Logout §2)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from tests.actors import FORM
from tests.flows.test_sign_out import open_app
from tests.world import ISSUER

if TYPE_CHECKING:
    from tests.world import World


def test_ui_locales_goes_before_what_the_browser_says(world: World) -> None:
    """RP-Initiated Logout §2 ``ui_locales``: the question, and the page after it."""
    alice = open_app(world)
    alice.browser.languages = "fr"
    page = alice.logout(ui_locales="tlh es fr")
    assert (page.status, page.header("Content-Language")) == (200, "es")
    page = alice.browser.submit(page, press="stay")
    assert (page.status, page.header("Content-Language")) == (200, "es")
    page = alice.browser.submit(alice.logout(ui_locales="es"), press="sign_out")
    assert (page.status, page.header("Content-Language"), alice.is_signed_in) == (200, "es", False)


def test_without_it_the_browser_says(world: World) -> None:
    alice = open_app(world)
    alice.browser.languages = "es"
    assert alice.logout().header("Content-Language") == "es"
    assert alice.logout(ui_locales="tlh").header("Content-Language") == "es"
    assert alice.logout(ui_locales="en").header("Content-Language") == "en"


def test_a_request_that_was_posted_keeps_its_languages(world: World) -> None:
    """The visit after a form of another site is in the language that the form asked for."""
    alice = open_app(world)
    form = urlencode({"client_id": "public", "ui_locales": "fr"}).encode()
    posted = world.transport.send("POST", f"{ISSUER}/logout", {"Content-Type": FORM}, form)
    page = alice.browser.open(posted.location)
    assert page.header("Content-Language") == "fr-CA"
    assert alice.browser.submit(page, press="sign_out").header("Content-Language") == "fr-CA"


def test_a_request_that_is_wrong_is_refused_in_its_language(world: World) -> None:
    """Decision 53: what is told to the person is in their language, what is quoted for developers is in English."""
    page = open_app(world).logout(ui_locales="es", post_logout_redirect_uri="https://evil.example/")
    assert (page.status, page.header("Content-Language")) == (400, "es")
    quoted = "post_logout_redirect_uri is not registered for this app"
    assert f'<p lang="en" dir="ltr">{quoted}</p>' in page.text
