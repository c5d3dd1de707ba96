"""An app is called by its name in the language of the page (RFC 7591 §2.2 "Human-Readable Client Metadata")."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.my_apps.test_story import MINE, SCOPE, links

if TYPE_CHECKING:
    from tests.world import World


NAMES = {
    "client_name": "Growth",
    "client_name#fr": "Croissance",
    "client_name#es-MX": "Crecimiento",
    "client_uri": "https://www.maker.example/",
    "client_uri#fr": "https://www.fabricant.example/",
    "policy_uri": "https://www.maker.example/privacy",
    "policy_uri#fr": "https://www.maker.example/confidentialite",
    "tos_uri": "https://www.maker.example/terms",
    "tos_uri#es": "https://www.maker.example/terminos",
}


@pytest.fixture
def named(world: World) -> World:
    with world.services.db.write() as session:
        world.services.clients.update(session, "public", NAMES, {})
    return world


@pytest.mark.parametrize(
    ("languages", "name", "privacy", "terms"),
    [
        ("", "Growth", "privacy", "terms"),
        ("en", "Growth", "privacy", "terms"),
        ("fr-CA", "Croissance", "confidentialite", "terms"),
        ("es", "Crecimiento", "privacy", "terminos"),
    ],
)
def test_pages_of_people_say_it_in_their_language(
    named: World, languages: str, name: str, privacy: str, terms: str
) -> None:
    """The nearest one, else the one without a language: at sign-in, consent, and among one's apps."""
    browser = replace(named.browser(), languages=languages)
    page = browser.open(named.public.authorize_url(scope=SCOPE))
    assert name in page.text
    page = browser.sign_in(page, "alice", "alice-password")
    seen = [page.text]
    named.public.redeem(browser.submit(page, press="allow").location_parameters["code"])
    listed = browser.open(MINE)
    (link,) = links(listed)
    seen += [browser.open(MINE + link.removeprefix("/my-apps")).text]
    others = {"Growth", "Croissance", "Crecimiento"} - {name}
    for text in (*seen, listed.text):
        assert (name in text, [other for other in others if other in text]) == (True, [])
    for text in seen:
        assert f"https://www.maker.example/{privacy}" in text
        assert f"https://www.maker.example/{terms}" in text


def test_whose_app_it_is_does_not_depend_on_the_language(named: World) -> None:
    """Only ``client_uri`` is compared with where the app's answers go: nobody reads another one as its maker."""
    browser = replace(named.browser(), languages="fr")
    page = browser.sign_in(browser.open(named.public.authorize_url(scope=SCOPE)), "alice", "alice-password")
    assert ("maker.example" in page.text, "fabricant.example" in page.text) == (True, False)


def test_a_program_reads_the_plain_name(named: World) -> None:
    """What is kept and logged does not depend on who looks."""
    client = named.services.clients.find("public")
    assert client is not None
    assert (client.shown_name, client.client_name) == ("Growth", "Growth")
