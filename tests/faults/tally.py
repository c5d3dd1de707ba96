"""A plugin for pytest: runs the tests that cite a fault, ``R-01`` to ``R-27`` (security.md 3.4), and shows what held.

It is switched on by ``make faults``, for every test of the project, wherever it stands. A test cites a fault in its
docstring; if that names none, the docstring of its module counts.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.campaign import TOLD
from tests.faults.checker import INVARIANTS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

FAULTS = {
    "R-01": "Redis dies in the middle of a flow",
    "R-02": "Redis comes back empty",
    "R-03": "Redis is slow or hangs",
    "R-04": "a reply of Redis is lost or late",
    "R-05": "Redis evicts",
    "R-06": "Redis is read-only, full, locked",
    "R-07": "Redis is emptied, or put back as it was",
    "R-08": "PostgreSQL dies or drops connections",
    "R-09": "the answer to a commit is lost",
    "R-10": "PostgreSQL fails over",
    "R-11": "PostgreSQL is read-only, locked, used up",
    "R-12": "serialization failures and deadlocks",
    "R-13": "workers are killed",
    "R-14": "races",
    "R-15": "the clock is wrong or steps",
    "R-16": "keys are rotated under traffic",
    "R-17": "the disk is full",
    "R-18": "a migration is killed",
    "R-19": "graceful stop and rolling deploy",
    "R-20": "soak",
    "R-21": "those we ask are slow",
    "R-22": "those who ask are slow, or many",
    "R-23": "bombs for CPU and memory",
    "R-24": "partial outages, cell by cell",
    "R-25": "a backup is put back",
    "R-26": "start-up",
    "R-27": "a name does not resolve",
}
CITED = re.compile(r"\bR-\d\d\b")
OUTCOMES: dict[str, list[str]] = defaultdict(list)  # of the tests of each fault
SECONDS: dict[str, float] = defaultdict(float)
CAMPAIGNS: list[dict[str, Any]] = []


def cited_by(item: pytest.Item) -> list[str]:
    own = CITED.findall(getattr(item, "function", item).__doc__ or "")
    module = item.getparent(pytest.Module)
    return sorted(set(own or CITED.findall((module.obj.__doc__ if module else None) or "")))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests of a fault, and send along of which: with xdist they run in other processes."""
    other = []
    for item in items:
        faults = cited_by(item)
        item.user_properties += [("fault", id_) for id_ in faults]
        if not faults:
            other.append(item)
    if other:
        config.hook.pytest_deselected(items=other)
        items[:] = [item for item in items if item not in set(other)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    report.user_properties += [("campaign", line) for line in TOLD]
    TOLD.clear()
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    for name, value in report.user_properties:
        if name == "fault":
            SECONDS[str(value)] += report.duration
            if report.when == "call" or not report.passed:
                OUTCOMES[str(value)].append(report.outcome)
        if name == "campaign" and report.when == "call":
            assert isinstance(value, dict)
            CAMPAIGNS.append(value)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput") and missing():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def missing() -> list[str]:
    return [id_ for id_ in FAULTS if not OUTCOMES.get(id_)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("campaigns: operations, 95th percentile without and with the fault, invariants")
    for line in [HEAD, *map(row, sorted(CAMPAIGNS, key=lambda each: str(each["name"])))]:
        terminalreporter.write_line(line)
    terminalreporter.section("faults: tests that held, of those that were run")
    for line in table():
        terminalreporter.write_line(line)
    for id_ in missing():
        terminalreporter.write_line(f"no test tries {id_}: {FAULTS[id_]}", red=True)


def table() -> Iterator[str]:
    for id_, broken in FAULTS.items():
        outcomes = OUTCOMES.get(id_, [])
        held = f"{outcomes.count('passed')}/{len(outcomes)}"
        mark = "held" if set(outcomes) == {"passed"} else "BROKE"
        yield f"{id_}  {broken:<44}{held:>9}{SECONDS[id_]:>7.0f} s  {mark}"


HEAD = f"{'campaign':44} {'ops':>5} {'ok':>5} {'no':>4} {'?':>4} {'heal s':>6} {'p95 ms':>11}  {' '.join(INVARIANTS)}"


def row(line: dict[str, Any]) -> str:
    """An invariant that held is a dot, one that broke says how often."""
    marks = " ".join(f"{line['violations'].get(name, '·')!s:>{len(name)}}" for name in INVARIANTS)
    numbers = [line.get(name, 0) for name in ("operations", "ok", "refused", "unknown", "recovered")]
    calm, fault = (round(1000 * seconds) for seconds in line["p95"])
    return "{:44} {:>5} {:>5} {:>4} {:>4} {:>6}  ".format(line["name"], *numbers) + f"{calm:>4} → {fault:>4}  {marks}"
