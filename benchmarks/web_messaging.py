"""The check of a web messaging handle beside the introspection of a token: `make bench-web-messaging`.

One gunicorn worker on loopback, one client that keeps its connection, hot copies in the store. The rounds alternate
between the questions, so that whatever else the machine does falls on all of them; what counts is the ratio within a
round. Each answer is compared.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from authz.app import create_app
from authz.keyring.secrets import rotate_file
from benchmarks.load import Connection, Request
from tests.live import COMMAND, ROOT, START_SECONDS, environment, is_ready
from tests.messaging import MESSAGES, Window
from tests.servers import free_port, redis_server, wait_until
from tests.transport import OverHttp
from tests.world import APP, EVERYTHING, actors, populate, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authz.settings import Settings

ROUNDS = 400
REQUESTS = 20  # of each kind in a round: short, so that what else the machine does falls on all of them
WARM_UP = 20  # rounds that do not count
FHIR_SERVER, EHR = ("rs-main", "rs-main-secret"), ("ehr-main", "ehr-main-secret")
SESSION = "session-1"


@contextmanager
def one_worker(folder: Path, redis_url: str) -> Iterator[Settings]:
    """The server as it is run in production, but for the number of its workers."""
    port = free_port()
    settings = settings_in(folder, issuer=f"http://127.0.0.1:{port}", redis_url=redis_url)
    rotate_file(settings.keys_dir / "secrets.json", datetime.now(UTC))
    app = create_app(settings)
    populate(app)
    made = app.extensions["authz"]
    with app.app_context():
        with made.db.write() as session:
            made.clients.update(session, "public", {"scope": f"{EVERYTHING} {MESSAGES}"}, {})
        made.db.engine.dispose()
    made.backend.close()
    log = folder / "gunicorn.log"
    with log.open("wb") as output:
        environ = environment(settings, port) | {"WEB_CONCURRENCY": "1"}
        process = subprocess.Popen(COMMAND, cwd=ROOT, env=environ, stdout=output, stderr=output)
        try:
            wait_until(lambda: is_ready(process, settings.issuer, log), "gunicorn", START_SECONDS)
            yield settings
        finally:
            process.terminate()
            process.wait(START_SECONDS)


def questions(settings: Settings) -> dict[str, Request]:
    who = actors(OverHttp(settings.issuer))
    window = Window(who["ehr"], who["public"])  # type: ignore[arg-type]  # each name has its actor
    _, tokens = window.opened(encounter="E1", session=SESSION, launch_url=f"{APP}/launch")
    token, handle = tokens["access_token"], tokens["smart_web_messaging_handle"]
    whole = {"origin": APP, "message_type": "scratchpad.create", "ehr_session": SESSION, "window": "w-1"}
    address = f"{settings.issuer}/web-messaging/introspect"
    return {
        "token": Request.prepare(f"{settings.issuer}/introspect", {"token": token}, FHIR_SERVER),
        "handle": Request.prepare(address, {"handle": handle}, EHR),
        "handle, everything asked": Request.prepare(address, {"handle": handle, **whole}, EHR),
    }


def measured(settings: Settings) -> dict[str, list[float]]:
    """Seconds for each kind of question, round by round."""
    asked = questions(settings)
    address = urlsplit(settings.issuer)
    times: dict[str, list[float]] = {name: [] for name in asked}
    with Connection(address.hostname or "", address.port or 80) as connection:
        for number in range(WARM_UP + ROUNDS):
            for name, request in asked.items():
                seconds = connection.seconds(request, REQUESTS)
                if number >= WARM_UP:
                    times[name].append(seconds)
    return times


def report(store: str, times: dict[str, list[float]]) -> None:
    print(f"{store}: {ROUNDS} rounds of {REQUESTS} requests of each kind")
    for name, seconds in times.items():
        each = statistics.median(seconds) / REQUESTS * 1_000_000
        ratios = [one / token for one, token in zip(seconds, times["token"], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"  {name:<26} {each:7.0f} µs   ratio to token {middle:.2f} (quartiles {low:.2f} to {high:.2f})")


def main() -> None:
    stores = ["SQLite"] + (["Redis"] if shutil.which("redis-server") else [])
    for store in stores:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            url = stack.enter_context(redis_server()).url if store == "Redis" else ""
            report(store, measured(stack.enter_context(one_worker(folder, url))))


if __name__ == "__main__":
    main()
