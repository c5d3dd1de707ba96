"""What a run found, as a page and a chart for each operation."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import yardsticks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.compare import Plan, Sample, Size

    Found = Mapping[str, Mapping[str, Sequence[Sample]]]

FOLDER = Path(__file__).parent
REPORT = FOLDER / "report.md"
LIBRARIES = ("gunicorn", "Flask", "Authlib", "joserfc", "SQLAlchemy", "psycopg", "redis", "cryptography")
PROGRAMS = ("node", "redis-server", "glewlwyd")
OURS = "authz, PostgreSQL + Redis"
BAR, LABEL, WIDTH = 26, 230, 760  # of a chart, in pixels
HEAD = (
    "| server | CPU µs | to {reference} | quartiles | to floor | req/s | p50 / p99 ms, 16 | p50 / p99 ms, 1 |\n"
    "|---|---|---|---|---|---|---|---|"
)


def write(plan: Plan, found: Found, sizes: Mapping[str, Size], reference: str) -> None:
    parts = [head(plan), summary(found)]
    for operation, samples in found.items():
        parts.append(f"## {operation}\n\n![]({chart(operation, samples).name})\n\n{table(samples, reference)}")
    parts.append("## Size\n\n" + size_table(sizes))
    REPORT.write_text("\n\n".join(parts) + "\n")


def head(plan: Plan) -> str:
    load_average = " ".join(f"{one:.1f}" for one in os.getloadavg())
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    programs = ", ".join(map(program_version, PROGRAMS))
    return f"""# This server and its peers

Written by `make bench`. CPU is what the server's processes used for one answer (its stores apart), all on one core;
load and stores had the other. Below 1.00 is cheaper. Ratios are taken within a round; the median and the quartiles
over the rounds count, not the microseconds. Every answer was checked.

- {plan.rounds} rounds of {plan.seconds:g} s with 16 connections and a third of it with one, after {plan.warm_up:g} s of
  warm-up of node for each operation and one second of the others
- {os.cpu_count()} cores, {cpu_model()}, Linux {platform.release()}, load average at the end {load_average}
- Python {platform.python_version()}, {libraries}; {programs}
- yardsticks: an RS256 signature {yardsticks.signature():.0f} µs, {yardsticks.exchange():.1f} µs to send and receive 300
  bytes over loopback; figures of two machines differ by about as much as these do
- this server: one preloaded gunicorn worker with 8 threads, audit on, PostgreSQL with fsync; one process of each peer.
  Authlib, django-oauth-toolkit, Canaille and glewlwyd write each token to a PostgreSQL with fsync, none of them an
  audit trail; node-oidc-provider writes to a Redis that keeps nothing on disk. django-oauth-toolkit's clients have
  secrets that are not hashed: by itself it hashes them with a million rounds of PBKDF2, for each request.
  glewlwyd (C) keeps its clients' secrets as they are; its tokens are JWTs, an RS256 signature each, and a client can
  introspect only tokens of its own: it is asked about one that the FHIR server itself was given
- `client_credentials, secret`: this server takes no secret for a backend service, and its row is a request with ES384;
  rows that a server lacks are what it does not do, or not for one person twice in a second (Canaille)"""


def program_version(name: str) -> str:
    if shutil.which(name) is None:
        return f"no {name} here, so it was not measured"
    said = subprocess.run([name, "--version"], capture_output=True, text=True, check=True).stdout
    return f"{name} {said.split(' sha=')[0].removeprefix('Redis server v=').strip()}"


def cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def ratios(samples: Mapping[str, Sequence[Sample]], name: str, to: str) -> list[float]:
    return [one.cpu / other.cpu for one, other in zip(samples[name], samples[to], strict=True)]


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median, upper quartile; of one value, that."""
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else [*values] * 3
    return low, middle, high


def summary(found: Found) -> str:
    """What this server costs to what each of the others does, pair by pair within the rounds."""
    names = list(dict.fromkeys(name for samples in found.values() for name in samples if name != OURS))
    rows = [f"| {OURS}, to | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for operation, samples in found.items():
        cells = [pair(samples, name) if OURS in samples and name in samples else "-" for name in names]
        rows.append(f"| {operation} | {' | '.join(cells)} |")
    return "## In short\n\n" + "\n".join(rows)


def pair(samples: Mapping[str, Sequence[Sample]], name: str) -> str:
    low, middle, high = spread(ratios(samples, OURS, name))
    return f"**{middle:.2f}** ({low:.2f} to {high:.2f})"


def table(samples: Mapping[str, Sequence[Sample]], reference: str) -> str:
    return "\n".join([HEAD.format(reference=reference), *(line(samples, name, reference) for name in samples)])


def line(samples: Mapping[str, Sequence[Sample]], name: str, reference: str) -> str:
    def median(member: str, digits: int = 1) -> str:
        return f"{statistics.median(getattr(one, member) for one in samples[name]):.{digits}f}"

    ratio = quartiles = floor = "-"
    if reference in samples:
        found = ratios(samples, name, reference)
        low, middle, high = spread(found)
        ratio = f"{middle:.2f}"
        quartiles = f"{low:.2f} to {high:.2f}"
    if "floor, through Flask" in samples:
        floor = f"{statistics.median(ratios(samples, name, 'floor, through Flask')):.2f}"
    cells = [name, median("cpu", 0), ratio, quartiles, floor, median("per_second", 0)]
    cells += [f"{median(f'{kind}_p50')} / {median(f'{kind}_p99')}" for kind in ("busy", "alone")]
    return "| " + " | ".join(cells) + " |"


def size_table(sizes: Mapping[str, Size]) -> str:
    rows = [f"| {name} | {one.rss:.0f} | {one.pss:.0f} | {one.start:.1f} |" for name, one in sizes.items()]
    head_ = (
        "| server | RSS MiB, largest process | PSS MiB, all processes | start to first answer, s |\n|---|---|---|---|"
    )
    return "\n".join([head_, *rows])


def chart(operation: str, samples: Mapping[str, Sequence[Sample]]) -> Path:
    """Bars of CPU for one answer, the quartiles as a line; the shorter the better."""
    found = {name: statistics.quantiles([one.cpu for one in each] * 2, n=4) for name, each in samples.items()}
    scale = (WIDTH - LABEL - 80) / max(high for _, _, high in found.values())
    bars = []
    for number, (name, (low, middle, high)) in enumerate(found.items()):
        top = 34 + number * BAR
        bars.append(
            f'<text x="{LABEL - 8}" y="{top + 14}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{LABEL}" y="{top}" width="{middle * scale:.0f}" height="18" fill="#2a6f97"/>'
            f'<line x1="{LABEL + low * scale:.0f}" x2="{LABEL + high * scale:.0f}" y1="{top + 9}" y2="{top + 9}"'
            f' stroke="#111" stroke-width="2"/>'
            f'<text x="{LABEL + high * scale + 6:.0f}" y="{top + 14}">{middle:.0f} µs</text>'
        )
    height = 44 + len(found) * BAR
    path = FOLDER / f"{operation.replace(', ', '-').replace('_', '-').replace(' ', '-')}.svg"
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif"'
        f' font-size="13"><title>{escape(operation)}: CPU for one answer</title>'
        f'<rect width="100%" height="100%" fill="#fff"/>'
        f'<text x="8" y="20" font-weight="bold">{escape(operation)}: CPU for one answer</text>{"".join(bars)}</svg>\n'
    )
    return path
