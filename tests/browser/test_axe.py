"""Every page of this server in every state: what axe-core finds, and whether it fits on a phone."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flask import template_rendered

import authz
from authz.wording import OURS
from tests.browser import right_to_left, states, states_elsewhere, states_framed, states_of_makers
from tests.browser.looking import IN_ANOTHER_LANGUAGE, LOOKS, looked_at
from tests.browser.neighbours import Neighbours
from tests.browser.states import LONG
from tests.browser.test_hospital_sign_in import ehr
from tests.browser.test_pages import serving
from tests.browser.visit import Visit
from tests.browser.words import Words
from tests.fhir import FakeFhir, patient
from tests.upstream import FakeProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask
    from jinja2 import Template
    from playwright.sync_api import Browser, Frame

    from tests.world import World

    Walk = Callable[[Visit], Iterator[tuple[str, Frame]]]

__all__ = ["ehr"]
pytestmark = [pytest.mark.browser, pytest.mark.node]

TEMPLATES = Path(authz.__file__).parent / "templates"
PART = re.compile(r'{% (?:extends|include|from) "(\w+)\.html"')
WALKS: dict[Walk, set[str]] = {  # and which pages each of them meets
    states.sign_in: {"login", "wrong_user"},
    states.code: {"login_code"},
    states.consent: {"consent"},
    states.reminded: {"consent"},
    states.not_approved: {"consent", "login", "way_back"},
    states.broken_glass: {"break_glass", "consent"},
    states.choosing: {"select_encounter", "select_patient"},
    states.own_apps: {
        "my_apps",
        "my_apps_app",
        "my_apps_closed",
        "my_apps_receipt",
        "my_apps_sessions",
        "my_apps_stop",
        "my_apps_where",
    },
    states.leaving: {"logout", "signed_out", "still_signed_in"},
    states.refused: {"error", "support_case", "support_reasons", "support_unknown"},
    states_of_makers.makers: {
        "consent",
        "developers",
        "developers_app",
        "developers_attempts",
        "developers_change",
        "developers_delete",
        "developers_done",
        "developers_keys",
        "developers_kind",
        "developers_launch",
        "developers_register",
        "developers_registered",
        "developers_review",
        "developers_scopes",
        "developers_sign_in",
    },
    states_of_makers.administrators: {"admin_registration", "admin_registrations", "admin_sign_in", "consent"},
    states_elsewhere.elsewhere: {"login", "nobody", "sign_in_window", "signed_out", "who_are_you"},
    states_framed.in_a_frame: {"break_glass", "consent", "login", "login_code", "wrong_user"},
}
FOR_STAFF = {states_of_makers.makers, states_of_makers.administrators}  # in English only
ENGLISH = "en"
LANGUAGES = (ENGLISH, "fr-CA", "es", right_to_left.TAG)  # in which everybody else's pages are walked through
SEEN = [(language, walk) for language in LANGUAGES for walk in WALKS if language == ENGLISH or walk not in FOR_STAFF]
SANDBOX = {"registration": "open", "sandbox_patients": ("A", "T"), "sandbox_notes": "Sign in as tess."}


@pytest.fixture(scope="module")
def words(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Words:
    if request.param == right_to_left.TAG:
        catalogue = right_to_left.write_catalogue(tmp_path_factory.mktemp("languages"))
        return Words(request.param, catalogue, right_to_left.shown)
    ours = OURS / request.param.replace("-", "_") / "LC_MESSAGES" / "messages.mo"
    return Words(request.param, None if request.param == ENGLISH else ours)


@pytest.fixture(scope="module")
def provider(words: Words) -> FakeProvider:
    return FakeProvider()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, provider: FakeProvider, words: Words) -> Iterator[World]:
    """A hospital with many patients whose names are long, where apps may register themselves."""
    fhir = FakeFhir()
    fhir.records += [patient(f"long-{number}", LONG, "Long") for number in range(25)]
    fhir.sees["Practitioner/dr"] |= {f"long-{number}" for number in range(25)}
    languages = {"translations_dir": str(words.catalogue.parents[2])} if words.catalogue else {}
    with serving(tmp_path_factory.mktemp("served"), fhir, Neighbours(fhir, provider), **languages) as world:
        provider.clock = world.clock
        with world.services.db.write() as session:
            world.services.fhir_servers.update(session, "main", SANDBOX)
            for name, reference in (("tess", "Practitioner/tess"), ("tim", "Patient/T")):
                user = world.services.users.add(session, name, name.title())
                world.services.users.link(session, user.sub, "main", reference)
                world.services.users.set_sandbox(session, user.sub, is_sandbox=True)
                world.services.passwords.set_password(session, user.sub, f"{name}-password")
        yield world


@pytest.fixture
def neighbours(provider: FakeProvider, ehr: str) -> tuple[FakeProvider, str]:
    return provider, ehr


@pytest.mark.parametrize(
    ("words", "walk"), SEEN, ids=[f"{walk.__name__}-{language}" for language, walk in SEEN], indirect=["words"]
)
def test_axe_finds_nothing_and_the_page_is_light_and_fits_on_a_phone(
    chromium: Browser, served: World, neighbours: tuple[FakeProvider, str], walk: Walk, words: Words
) -> None:
    """WCAG 2.2 A and AA, 1.4.10 at 320 px; folded on the phone and unfolded on the screen; issue 6.7, 6.8.

    Each page and all it loads: less than 60 kB, nothing from elsewhere. Pictures of all are in build/pictures.
    """
    context = chromium.new_context(locale=words.tag)  # axe-core is a script; the other tests show that none is needed
    context.set_default_timeout(15_000)
    served.clock.forward(minutes=11)  # nobody has tried too often yet
    looks = LOOKS if words.tag == ENGLISH else IN_ANOTHER_LANGUAGE
    found: dict[str, list[str]] = {}
    met = set()
    with rendered(served) as names:
        for state, frame in walk(Visit(served, *neighbours, context.new_page(), words)):
            met.add(names[-1])
            in_english = names[-1].startswith("support_")  # for the makers of apps
            assert frame.locator("html").get_attribute("lang") == (ENGLISH if in_english else words.tag), state
            if in_english and words.tag != ENGLISH:
                continue  # looked at already
            name = f"{words.tag}-{walk.__name__}-{state}"
            found |= {f"{state}, {look}": wrong for look, wrong in looked_at(frame, name, looks) if wrong}
    context.close()
    assert found == {}
    assert met == WALKS[walk]


@contextmanager
def rendered(world: World) -> Iterator[list[str]]:
    """The names of the templates of what this server shows meanwhile, one after the other."""
    names: list[str] = []

    def note(_: Flask, template: Template, **more: object) -> None:
        names.append(str(template.name).removesuffix(".html"))

    with template_rendered.connected_to(note, world.app):
        yield names


def test_no_page_is_left_out() -> None:
    """Issue 6: every page; what others are built of is met with them."""
    texts = {file.stem: file.read_text() for file in TEMPLATES.glob("*.html")}
    parts = {name for text in texts.values() for name in PART.findall(text)}
    assert set().union(*WALKS.values()) == set(texts) - parts
