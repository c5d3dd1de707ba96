from __future__ import annotations

import gc
import shutil
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from playwright.sync_api import Playwright, sync_playwright

from tests.fhir import FakeFhir
from tests.overheard import HEARD
from tests.prepared import share_compiled_code, share_keys
from tests.world import World, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

# no test depends on how fast the machine is, or on how much else it has to do
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
share_compiled_code()
share_keys()
HEARD.listen()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="A skipped test fails the run.")


def pytest_collection_finish() -> None:
    """What was imported and collected stays until the end: no garbage collection need look at it again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and item.config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped: nothing may be left out silently"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None]:
    """No secret that passed may be in what was logged, whatever else the test asks for."""
    yield
    HEARD.check()


@pytest.fixture
def fhir() -> FakeFhir:
    """What this server asks of the main FHIR server, it asks here."""
    return FakeFhir()


@pytest.fixture
def world(tmp_path: Path, fhir: FakeFhir) -> Iterator[World]:
    """A server of one's own with SQLite, in this process, its clock in the test's hands."""
    made = build(settings_in(tmp_path), outbound=fhir)
    fhir.introspect = made.fhir_server.introspect
    with made.app.app_context():
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """One for all tests of a process: it allows no second."""
    with sync_playwright() as running:
        yield running
