from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from hypothesis import given
from hypothesis import strategies as st

from authz import wording
from tests.actors import FORM, Browser
from tests.world import ISSUER, build, settings_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.world import World

OFFERED = ("en", "es", "fr-CA")


@pytest.mark.parametrize(
    ("wished", "chosen"),
    [
        (["fr-CA"], "fr-CA"),
        (["fr"], "fr-CA"),
        (["fr-FR"], "fr-CA"),
        (["FR_ca"], "fr-CA"),
        (["es-MX"], "es"),
        (["en-GB", "fr"], "en"),
        (["tlh", "es"], "es"),
        (["tlh"], None),
        (["../../etc/passwd", "e", ""], None),
        ([], None),
    ],
)
def test_the_first_wish_that_can_be_met_is_met(wished: list[str], chosen: str | None) -> None:
    """OIDC Core §3.1.2.1: no error if some or all of the requested locales are not supported."""
    assert wording.choose(wished, OFFERED) == chosen


@pytest.mark.parametrize(("others", "language"), [(19, "fr-CA"), (20, "en"), (200, "en")])
@pytest.mark.parametrize("by", ["Accept-Language", "ui_locales"])
def test_twenty_wishes_are_read(world: World, by: str, others: int, language: str) -> None:
    """security.md RL-07: what a request costs does not grow with the languages that it lists."""
    wishes = ["a"] * others + ["fr"]
    browser = Browser(world.transport, languages=",".join(wishes) if by == "Accept-Language" else "")
    asked = " ".join(wishes) if by == "ui_locales" else None
    page = browser.open(world.public.authorize_url(scope="launch/patient patient/*.rs", ui_locales=asked))
    assert page.header("Content-Language") == language


@given(st.lists(st.text()))
def test_any_wish_is_answered_by_something_offered_or_nothing(wished: list[str]) -> None:
    assert wording.choose(wished, OFFERED) in {None, *OFFERED}


@pytest.mark.parametrize(
    ("asked", "said", "language"),
    [(None, "", "en"), (None, "fr-FR,fr;q=0.9,en;q=0.8", "fr-CA"), ("es fr", "fr", "es"), ("tlh", "fr", "fr-CA")],
)
def test_ui_locales_goes_before_what_the_browser_says(
    world: World, asked: str | None, said: str, language: str
) -> None:
    """OIDC Core §3.1.2.1 ``ui_locales``; RFC 9110 §12.5.4 ``Accept-Language``, §8.5 ``Content-Language``."""
    browser = Browser(world.transport, languages=said)
    page = browser.open(world.public.authorize_url(scope="launch/patient patient/*.rs", ui_locales=asked))
    assert page.header("Content-Language") == language
    assert f'<html lang="{language}" dir="ltr">' in page.text
    refused = browser.submit(page, {"username": "doctor", "password": "wrong"})
    assert refused.header("Content-Language") == language, "the next pages of it are in the same language"


def test_an_answer_for_a_program_is_in_english(world: World) -> None:
    """RFC 6749 §5.2: ``error_description`` is ASCII, for the developer."""
    reply = world.transport.send("POST", f"{ISSUER}/token", {"Accept-Language": "fr", "Content-Type": FORM}, b"")
    assert reply.json()["error"] == "invalid_request"
    assert reply.text.isascii()


def test_the_languages_are_advertised(world: World) -> None:
    """RFC 8414 §2, OpenID Connect Discovery §3: ``ui_locales_supported``."""
    for path in ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"):
        document = world.transport.send("GET", ISSUER + path).json()
        assert document["ui_locales_supported"] == ["en", "es", "fr-CA"]


def test_a_site_adds_a_language(tmp_path: Path) -> None:
    """``translations_dir``: right to left where the language is."""
    folder = tmp_path / "languages" / "ar" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    catalog = Catalog(locale="ar")
    catalog.add("Sign out", "تسجيل الخروج")
    with (folder / "messages.mo").open("wb") as file:
        write_mo(file, catalog)
    world = build(settings_in(tmp_path, translations_dir=str(tmp_path / "languages")))
    page = Browser(world.transport, languages="ar-EG").open(world.public.authorize_url(scope="launch/patient"))
    assert '<html lang="ar" dir="rtl">' in page.text
