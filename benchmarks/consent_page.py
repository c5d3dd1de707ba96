"""What the consent page costs the server: `make bench-consent-page`. Issue 6: less than 15 ms of one core, median.

One gunicorn worker on loopback, one client that keeps its connection. Measured is the time that the worker's threads
were on a core (Linux's schedstat), not what the clock says: while another program has the machine nothing is counted.
The rounds alternate with an answer that never changes (`/healthz`), which is what HTTP, gunicorn and Flask cost by
themselves; what counts besides is the ratio within a round. A request is a whole one: checked, judged, its page made,
kept and put on the audit trail.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from authz.app import create_app
from authz.keyring.secrets import rotate_file
from benchmarks.load import END_OF_HEADERS, Connection
from tests.actors import Browser, SmartApp
from tests.live import COMMAND, ROOT, START_SECONDS, environment, is_ready
from tests.servers import free_port, redis_server, wait_until
from tests.transport import OverHttp
from tests.world import APP, FHIR, populate, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authz.settings import Settings

ROUNDS = 60
REQUESTS = 5  # of each kind in a round
WARM_UP = 10  # rounds that do not count
MOST_MILLISECONDS = 15.0
SCOPES = {
    "one kind": "launch/patient openid patient/Immunization.rs",
    "three parts": "launch/patient openid fhirUser patient/Observation.rs patient/Condition.rs offline_access",
    "everything": "launch/patient openid fhirUser patient/*.cruds offline_access",
}


@dataclass(frozen=True)
class Question:
    raw: bytes
    expected: bytes  # stands in the answer


@contextmanager
def one_worker(folder: Path, redis_url: str) -> Iterator[tuple[Settings, int]]:
    """The server as it is run in production, but for the number of its workers; and the worker's process."""
    port = free_port()
    settings = settings_in(folder, issuer=f"http://127.0.0.1:{port}", redis_url=redis_url)
    rotate_file(settings.keys_dir / "secrets.json", datetime.now(UTC))
    app = create_app(settings)
    populate(app)
    app.extensions["authz"].backend.close()
    log = folder / "gunicorn.log"
    with log.open("wb") as output:
        more = {"WEB_CONCURRENCY": "1", "AUTHZ_PEOPLE_PER_ADDRESS": "1000000", "AUTHZ_STRANGERS_MEGABYTES": "1000000"}
        process = subprocess.Popen(
            COMMAND, cwd=ROOT, env=environment(settings, port) | more, stdout=output, stderr=output
        )
        try:
            wait_until(lambda: is_ready(process, settings.issuer, log), "gunicorn", START_SECONDS)
            (worker,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            yield settings, int(worker)
        finally:
            process.terminate()
            process.wait(START_SECONDS)


def on_a_core(worker: int) -> int:
    """Nanoseconds that all threads of a process have run so far."""
    threads = Path(f"/proc/{worker}/task").glob("*/schedstat")
    return sum(int(schedstat.read_text().split()[0]) for schedstat in threads)


def questions(settings: Settings) -> dict[str, Question]:
    """Alice is signed in; each request asks for consent anew."""
    transport = OverHttp(settings.issuer)
    app, browser = SmartApp(transport, "public", f"{APP}/cb", FHIR), Browser(transport)
    browser.sign_in(browser.open(app.authorize_url(scope="openid")), "alice", "alice-password")
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    pages = {
        name: Question(
            get(app.authorize_url(scope=scope, prompt="consent"), cookies), b"Share health records with Public App?"
        )
        for name, scope in SCOPES.items()
    }
    return {"constant": Question(get(f"{settings.issuer}/healthz"), b'{"status":"ok"}'), **pages}


def get(url: str, cookies: str = "") -> bytes:
    parts = urlsplit(url)
    lines = [f"GET {parts.path}?{parts.query} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"Cookie: {cookies}"] if cookies else []
    return "\r\n".join(lines).encode() + END_OF_HEADERS


def measured(settings: Settings, worker: int) -> dict[str, list[float]]:
    """Milliseconds of a core for one request of each kind, round by round."""
    asked, address = questions(settings), urlsplit(settings.issuer)
    times: dict[str, list[float]] = {name: [] for name in asked}
    with Connection(address.hostname or "", address.port or 80) as connection:
        for number in range(WARM_UP + ROUNDS):
            for name, question in asked.items():
                begun = on_a_core(worker)
                for _ in range(REQUESTS):
                    answer = connection.ask(question.raw)
                    assert question.expected in answer, answer[:2000]
                if number >= WARM_UP:
                    times[name].append((on_a_core(worker) - begun) / REQUESTS / 1_000_000)
    return times


def report(store: str, times: dict[str, list[float]]) -> bool:
    """Whether every page is cheap enough."""
    print(f"{store}: {ROUNDS} rounds of {REQUESTS} requests of each kind, of one core")
    for name, each in times.items():
        ratios = [one / constant for one, constant in zip(each, times["constant"], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        worst = statistics.quantiles(each, n=20)[-1]
        print(
            f"  {name:<12} median {statistics.median(each):6.2f} ms, 95 % {worst:6.2f} ms"
            f"   ratio to constant {middle:.1f} (quartiles {low:.1f} to {high:.1f})"
        )
    return all(statistics.median(each) < MOST_MILLISECONDS for each in times.values())


def main() -> int:
    stores = ["SQLite"] + (["Redis"] if shutil.which("redis-server") else [])
    good = True
    for store in stores:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            url = stack.enter_context(redis_server()).url if store == "Redis" else ""
            settings, worker = stack.enter_context(one_worker(folder, url))
            good &= report(store, measured(settings, worker))
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
