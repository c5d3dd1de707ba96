"""docs/how-to/languages.md is done from top to bottom; then people read what it promises."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.actors import Browser
from tests.world import build, settings_in

if TYPE_CHECKING:
    from tests.transport import Reply
    from tests.world import World

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "languages.md").read_text()
EMPTY = 'msgid "Sign in"\nmsgstr ""'


def commands() -> list[str]:
    return re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


def run(script: str, folder: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/sh", "-ec", script],
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an installation has in its ``translations_dir`` at the end of the page."""
    folder = tmp_path_factory.mktemp("site")
    collect, compile_it, update, compile_again = commands()
    run(collect, folder)
    german = folder / "languages" / "de" / "LC_MESSAGES" / "messages.po"
    assert german.read_text().count(EMPTY) == 1
    german.write_text(german.read_text().replace(EMPTY, 'msgid "Sign in"\nmsgstr "Anmelden"'))
    run(compile_it, folder)
    run(update, folder)
    french = folder / "languages" / "fr_CA" / "LC_MESSAGES" / "messages.po"
    french.parent.mkdir(parents=True)
    french.write_text(PAGE.partition("```po\n")[2].partition("```")[0])
    run(compile_again, folder)
    return folder / "languages"


@pytest.fixture
def world(tmp_path: Path, site: Path) -> World:
    return build(settings_in(tmp_path, translations_dir=str(site)))


def page(world: World, languages: str, **changes: str) -> Reply:
    return Browser(world.transport, languages=languages).open(world.public.authorize_url(**changes))


def test_a_language_is_added_and_what_it_lacks_is_english(world: World) -> None:
    german = page(world, "de-AT", scope="openid")
    assert german.header("Content-Language") == "de"
    assert ("<h1>Anmelden</h1>" in german.text, "Password" in german.text) == (True, True)


def test_words_are_changed_and_the_others_stay(world: World) -> None:
    french = page(world, "fr", client_id="unknown")
    assert "Code pour Info-TI, poste 5555 :" in french.text
    assert "<h1>Impossible de répondre à cette demande</h1>" in french.text


def test_the_app_chooses_before_the_browser_does(world: World) -> None:
    assert page(world, "es", scope="openid", ui_locales="de").header("Content-Language") == "de"


def test_the_languages_are_told(world: World) -> None:
    """RFC 8414 §2 ``ui_locales_supported``."""
    document = world.transport.send("GET", f"{world.issuer}/.well-known/oauth-authorization-server").json()
    assert document["ui_locales_supported"] == ["en", "de", "es", "fr-CA"]
