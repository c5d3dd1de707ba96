"""A trail of a million records: how long its searches and its verification take: `make bench-audit`.

Records as a busy year makes them, in bulk and sealed: 20 000 patients, 2 000 users, 40 clients. Each search is what the
command line does, the first page of 1 000; the median of five. `RECORDS=10000` for a quick look.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, text

from authz.audit.chain import ANCHOR_TYP, FIRST, link, record_of
from authz.audit.disclosures import disclosures
from authz.audit.event import Event, EventName
from authz.audit.model import AuditAnchorRow, AuditEventRow, AuditSealRow
from authz.audit.sealer import Sealer
from authz.audit.search import Query, search
from authz.audit.verify import verify
from authz.keyring.rotation import Rotation
from authz.keyring.signing import Keyring
from authz.storage import migrations
from tests.registries import Registries, database_at, registries
from tests.servers import postgres_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RECORDS = int(os.environ.get("RECORDS", "1000000"))
CHUNK = 5_000
ANCHOR_EVERY = 500
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(seconds=30)
KINDS = (EventName.CODE_ISSUED, EventName.TOKEN_ISSUED, EventName.TOKEN_REFRESHED, EventName.LOGIN)
ROUNDS = 5


def fill(own: Registries, keyring: Keyring) -> None:
    chance = random.Random(7)  # noqa: S311  the same records each time
    previous = FIRST
    for start in range(0, RECORDS, CHUNK):
        events, seals, anchors = [], [], []
        for number in range(start, min(start + CHUNK, RECORDS)):
            own.clock.time = BEGIN + number * STEP
            record = record_of(own.trail.row(happened(chance, number)))
            previous = link(previous, record)
            events.append(record)
            seals.append({"seq": number + 1, "event_id": record["id"], "hash": previous, "sealed_at": record["at"]})
            if (number + 1) % ANCHOR_EVERY == 0:
                anchors.append((number + 1, previous))
        with own.db.write() as session:
            session.execute(insert(AuditEventRow), events)
            session.execute(insert(AuditSealRow), seals)
            for seq, hash_ in anchors:
                signature = keyring.sign({"seq": seq, "hash": hash_, "iat": 0}, ANCHOR_TYP)
                session.add(AuditAnchorRow(seq=seq, hash=hash_, signature=signature, anchored_at=own.clock()))
    with own.db.write() as session:
        session.execute(text("ANALYZE"))


def happened(chance: random.Random, number: int) -> Event:
    is_refused = chance.random() < 0.01
    return Event(
        EventName.TOKEN_REFUSED if is_refused else KINDS[number % len(KINDS)],
        outcome="refused" if is_refused else "success",
        reason="invalid_grant" if is_refused else None,
        sub=f"sub-{chance.randrange(2_000)}",
        client_id=f"app-{chance.randrange(40)}",
        fhir_server="main",
        patient=f"patient-{chance.randrange(20_000)}",
        scope="launch openid fhirUser patient/Observation.rs patient/Patient.r",
        grant_id=f"{number // 4:032x}",
        token_id=f"{number:032x}",
    )


def searches(own: Registries) -> dict[str, Callable[[], object]]:
    asked: dict[str, dict[str, Any]] = {
        "by patient": {"patient": "patient-7"},
        "by user": {"sub": "sub-7"},
        "by client (25 000 records)": {"client_id": "app-7"},
        "by client, the newest": {"client_id": "app-7", "is_newest_first": True},
        "by time": {"since": BEGIN + RECORDS // 2 * STEP},
        "by event": {"event": EventName.TOKEN_REFRESHED.value},
        "refusals": {"outcome": "refused"},
        "by grant": {"grant_id": f"{RECORDS // 8:032x}"},
    }

    def run(query: Query) -> int:
        with own.db.read() as session:
            return len(list(search(session, query, 1_000)))

    def account() -> int:
        with own.db.read() as session:
            return len(list(disclosures(session, Query(patient="patient-7"))))

    found: dict[str, Callable[[], object]] = {name: partial(run, Query(**members)) for name, members in asked.items()}
    return found | {"disclosures of a patient": account}


def timed(function: Callable[[], object]) -> tuple[float, object]:
    begun = time.perf_counter()
    result = function()
    return time.perf_counter() - begun, result


def measure(name: str, own: Registries, folder: Path) -> None:
    keyring = Keyring(own.db, folder / "keys", own.clock)
    with own.db.write() as session:
        Rotation(keyring, 0).generate(session)
    seconds, _ = timed(lambda: fill(own, keyring))
    say(f"{name}: {RECORDS} records", f"made in {seconds:.0f} s")
    for what, function in searches(own).items():
        times = [timed(function) for _ in range(ROUNDS)]
        say(f"  {what}", f"{statistics.median(t for t, _ in times) * 1000:8.1f} ms, {times[0][1]} found")
    sealer = Sealer(own.db, keyring, own.clock)
    say(
        "  a pass of the sealer",
        f"{statistics.median(timed(sealer.seal_once)[0] for _ in range(ROUNDS)) * 1000:8.1f} ms",
    )

    def walk() -> object:
        with own.db.read() as session:
            return verify(session, keyring)

    seconds, result = timed(walk)
    say("  verify", f"{seconds:.1f} s, {result}")


def say(what: str, result: str) -> None:
    sys.stdout.write(f"{what:<32} {result}\n")
    sys.stdout.flush()


def databases() -> Iterator[tuple[str, Registries, Path]]:
    with tempfile.TemporaryDirectory() as folder, registries(Path(folder)) as own:
        yield "SQLite", own, Path(folder)
    with ExitStack() as stack:
        server = stack.enter_context(postgres_server())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        db = stack.enter_context(database_at(server.url))
        migrations.upgrade(db.engine)
        yield "PostgreSQL", Registries(db), Path(folder)


if __name__ == "__main__":
    for database in databases():
        measure(*database)
