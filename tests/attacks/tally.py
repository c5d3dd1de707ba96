"""A plugin for pytest: runs the tests that try a case of the catalogue, and counts which cases held.

It is switched on by ``make attacks``, for every test of the project, wherever it stands.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import pytest

from tests.attacks.catalogue import SEVERITIES, Catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

CATALOGUE = Catalogue.load()
OUTCOMES: dict[str, list[str]] = defaultdict(list)  # of the tests of each case


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests that try something, and send along what that is: with xdist they run in other processes."""
    other = []
    for item in items:
        cases = CATALOGUE.cited_by(item)
        item.user_properties += [("case", id_) for id_ in cases]
        if not cases:
            other.append(item)
    if other:
        config.hook.pytest_deselected(items=other)
        items[:] = [item for item in items if item not in set(other)]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    for name, value in report.user_properties:
        if name == "case" and (report.when == "call" or not report.passed):
            OUTCOMES[str(value)].append(report.outcome)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput") and (missing() or failed()):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("attacks: cases that held, of those tried, by severity")
    for line in table():
        terminalreporter.write_line(line)
    for id_ in missing():
        terminalreporter.write_line(f"no test tries {id_}: {CATALOGUE.cases[id_].statement}", red=True)
    for id_ in failed():
        terminalreporter.write_line(f"{id_} did not hold: {CATALOGUE.cases[id_].statement}", red=True)


def missing() -> list[str]:
    return [id_ for id_ in CATALOGUE.cases if not OUTCOMES.get(id_)]


def failed() -> list[str]:
    """Also what was skipped: nothing is left out silently."""
    return [id_ for id_ in CATALOGUE.cases if set(OUTCOMES.get(id_, ())) - {"passed"}]


def table() -> Iterator[str]:
    tried, held, tests = Counter[tuple[str, str]](), Counter[tuple[str, str]](), Counter[str]()
    for id_, outcomes in OUTCOMES.items():
        group, severity = id_.partition("-")[0], CATALOGUE.severity(id_)
        tests[group] += len(outcomes)
        tried[group, severity] += 1
        held[group, severity] += set(outcomes) == {"passed"}
    yield f"{'':<6}{'':<36}" + "".join(f"{severity:>9}" for severity in SEVERITIES) + f"{'all':>11}{'tests':>8}"
    for group, title in CATALOGUE.titles.items():
        yield row(group, title, [(held[group, s], tried[group, s]) for s in SEVERITIES], tests[group])
    whole = [
        (sum(held[g, s] for g in CATALOGUE.titles), sum(tried[g, s] for g in CATALOGUE.titles)) for s in SEVERITIES
    ]
    yield row("", "all groups", whole, sum(tests.values()))


def row(group: str, title: str, pairs: list[tuple[int, int]], tests: int) -> str:
    cells = "".join(f"{f'{held}/{tried}' if tried else '':>9}" for held, tried in pairs)
    whole = f"{sum(held for held, _ in pairs)}/{sum(tried for _, tried in pairs)}"
    return f"{group:<6}{title:<36}{cells}{whole:>11}{tests:>8}"
