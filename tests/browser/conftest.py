from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.browser.chromium import CHROMIUM
from tests.hospital import Hospital, running_hospital

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Playwright


@pytest.fixture(scope="session")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with running_hospital(tmp_path_factory.mktemp("hospital")) as hospital:
        yield hospital


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)
    yield browser
    browser.close()


@pytest.fixture
def strict_profile(playwright: Playwright, tmp_path: Path) -> Iterator[BrowserContext]:
    """A person's own profile, set up as hospitals do: cookies of other sites are blocked."""
    with profile(playwright, tmp_path, blocks_other_sites_cookies=True) as context:
        yield context


@pytest.fixture
def lenient_profile(playwright: Playwright, tmp_path: Path) -> Iterator[BrowserContext]:
    """The control: cookies of other sites arrive."""
    with profile(playwright, tmp_path, blocks_other_sites_cookies=False) as context:
        yield context


@contextmanager
def profile(playwright: Playwright, folder: Path, *, blocks_other_sites_cookies: bool) -> Iterator[BrowserContext]:
    """A profile on disk with the setting a person would choose; a private window blocks them in any case."""
    preferences = folder / "profile" / "Default" / "Preferences"
    preferences.parent.mkdir(parents=True)
    chosen = {"cookie_controls_mode": int(blocks_other_sites_cookies)}
    preferences.write_text(json.dumps({"profile": chosen}))
    context = playwright.chromium.launch_persistent_context(
        str(folder / "profile"),
        executable_path=shutil.which("chromium"),
        args=CHROMIUM,
        viewport={"width": 1280, "height": 900},
    )
    context.set_default_timeout(15_000)
    yield context
    context.close()
