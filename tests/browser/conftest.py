from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from tests.hospital import Hospital, running_hospital

if TYPE_CHECKING:
    from collections.abc import Iterator

CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # the test tool switches storage partitioning off; people's browsers have it on. The last such switch counts.
    "--disable-features=HttpsUpgrades,MediaRouter,OptimizationHints,NetworkTimeServiceQuerying,PreconnectToSearch",
]
NO_THIRD_PARTY_COOKIES = "--test-third-party-cookie-phaseout"


@pytest.fixture(scope="session")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with running_hospital(tmp_path_factory.mktemp("hospital")) as hospital:
        yield hospital


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """As hospitals set it up: cookies of other sites are blocked."""
    browser = launch(playwright, NO_THIRD_PARTY_COOKIES)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def lenient_chromium(playwright: Playwright) -> Iterator[Browser]:
    """With cookies of other sites: the control."""
    browser = launch(playwright)
    yield browser
    browser.close()


def launch(playwright: Playwright, *more: str) -> Browser:
    return playwright.chromium.launch(executable_path=shutil.which("chromium"), args=[*CHROMIUM, *more])
