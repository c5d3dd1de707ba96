"""What is over is forgotten, and nothing else: security.md 3.3, I5, I12, R-20."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from authz.clients.model import SeenAssertionRow
from authz.consent.model import ConsentRow
from authz.errors import Unavailable
from authz.launch.model import EhrSessionRow, SpentLaunchRow
from authz.login.federated.model import SeenLogoutTokenRow, UpstreamEndRow
from authz.tokens import purge as purging
from authz.tokens.model import AccessTokenRow, CodeRow, GrantRow, RefreshTokenRow
from authz.tokens.purge import Purge, rules
from tests.registries import made, postgres_url, registries
from tests.servers import wait_until

if TYPE_CHECKING:
    from tests.registries import Registries
    from tests.world import World

__all__ = ["made", "postgres_url"]

ALWAYS = {"scope": "patient/*.rs", "client_id": "app"}
WHAT_A_DAY_KEEPS = timedelta(days=1)
A_MONTH = timedelta(days=30)


class Store:
    """A short-lived store that lets whoever asks first have each turn."""

    def __init__(self) -> None:
        self.turns: list[str] = []

    def claim(self, key: str, value: bytes, ttl_seconds: float) -> bytes | None:
        self.turns.append(key)
        return None if len(self.turns) == 1 else value + str(ttl_seconds).encode()

    def expires_in(self, _key: str) -> float:
        return purging.PAUSE_SECONDS


def purge_of(own: Registries) -> Purge:
    return Purge(own.db, Store(), own.clock, lambda *_: True)  # type: ignore[arg-type]  # all that it asks of a store


def grant(key: str, at: datetime, **more: Any) -> GrantRow:
    members = {"fhir_server": "main", "context": {}, "amr": [], "has_ehr_session": False, "verdicts": [], "legacy": []}
    return GrantRow(id=key, created_at=at, **ALWAYS, **members | more)


def access(key: str, of: str, over: datetime) -> AccessTokenRow:
    return AccessTokenRow(
        digest=key, jti=key, grant_id=of, scope="x", answer="{}", issued_at=over - timedelta(hours=1), expires_at=over
    )


def refresh(key: str, of: str, over: datetime, used: datetime | None = None) -> RefreshTokenRow:
    return RefreshTokenRow(
        digest=key, grant_id=of, client_id="app", kind="offline", issued_at=over, expires_at=over, used_at=used
    )


def code(key: str, of: str, over: datetime) -> CodeRow:
    return CodeRow(digest=key, grant_id=of, client_id="app", redirect_uri="x", expires_at=over, failures=0)


def spent(key: str, at: datetime) -> SpentLaunchRow:
    return SpentLaunchRow(digest=key, launch_id=key, state="used", fhir_server="main", client_id="app", at=at)


def add(own: Registries, *rows: Any) -> None:
    with own.db.write() as session:
        for row in rows:
            session.add(row)
            session.flush()


def keys(own: Registries, table: Any) -> set[str]:
    (first, *_) = table.__table__.primary_key
    with own.db.read() as session:
        return set(session.scalars(select(first)))


def test_a_machine_whose_clock_is_far_ahead_forgets_nothing(made: Registries, caplog: pytest.LogCaptureFixture) -> None:
    """R-15: the others' clocks may be right, and what it deleted must not come again; SQLite has no second clock."""
    made.clock.time = datetime.now(UTC)
    add(made, SeenAssertionRow(digest="seen", expires_at=made.clock.time))
    made.clock.move(days=2)
    own = Purge(made.db, Store(), made.clock)  # type: ignore[arg-type]  # all that it asks of a store
    if made.db.engine.dialect.name == "sqlite":
        assert own.once()["seen_assertion"] == 1
        return
    assert own.once() == {}
    assert keys(made, SeenAssertionRow) == {"seen"}
    assert "this machine's clock is 172800 s ahead of the database's" in caplog.text
    made.clock.move(days=-2)
    assert own.once()["seen_assertion"] == 0


def test_what_is_over_goes_and_what_is_not_stays(made: Registries) -> None:
    """A day after a token is over, a month after a refresh token is; a grant when nothing of it is left."""
    now = made.clock()
    a_moment, a_day, a_month = timedelta(seconds=1), now - WHAT_A_DAY_KEEPS, now - A_MONTH
    add(
        made,
        *(grant(name, a_month - a_moment) for name in ("over", "alive", "waiting", "replayed")),
        grant("young", a_month + a_moment),
        code("over", "over", a_month),
        access("over", "over", a_day - a_moment),
        access("kept", "alive", a_day + a_moment),
        refresh("alive", "waiting", now + timedelta(days=300)),
        refresh("used", "replayed", a_month + a_moment, used=a_month),
        refresh("gone", "over", a_month - a_moment, used=a_month - a_moment),
        SeenAssertionRow(digest="old", expires_at=a_day - a_moment),
        SeenAssertionRow(digest="new", expires_at=a_day + a_moment),
        SeenLogoutTokenRow(digest="old", expires_at=a_day - a_moment),
        UpstreamEndRow(digest="old", issuer_digest="i", sid="s", told_at=a_day - a_moment),
        UpstreamEndRow(digest="new", issuer_digest="i", sid="s", told_at=a_day + a_moment),
    )
    gone = purge_of(made).once()
    assert {name: count for name, count in gone.items() if count} == {
        "access_token": 1,
        "refresh_token": 1,
        "grant_record": 1,
        "seen_assertion": 1,
        "seen_logout_token": 1,
        "upstream_end": 1,
    }
    assert keys(made, GrantRow) == {"alive", "waiting", "replayed", "young"}
    assert (keys(made, AccessTokenRow), keys(made, RefreshTokenRow)) == ({"kept"}, {"alive", "used"})
    assert (keys(made, CodeRow), keys(made, SeenAssertionRow)) == (set(), {"new"})


def test_a_launch_and_a_session_of_the_ehr_stay_as_long_as_their_grant(made: Registries) -> None:
    """A handle is checked against its launch; what has ended never comes back (decisions 1, 3)."""
    old = made.clock() - timedelta(days=31)
    add(
        made,
        grant("alive", old, launch_id="kept", session_digest="kept"),
        refresh("alive", "alive", made.clock() + timedelta(days=1)),
        *(spent(name, old) for name in ("kept", "over")),
        spent("young", made.clock()),
        *(EhrSessionRow(fhir_server="main", session_digest=name, touched_at=old) for name in ("kept", "over")),
        EhrSessionRow(fhir_server="other", session_digest="kept", touched_at=old),
    )
    purge_of(made).once()
    assert keys(made, SpentLaunchRow) == {"kept", "young"}
    with made.db.read() as session:
        sessions = session.execute(select(EhrSessionRow.fhir_server, EhrSessionRow.session_digest)).all()
    assert [tuple(row) for row in sessions] == [("main", "kept")]


def test_the_last_use_of_a_consent_that_stands_is_remembered(made: Registries) -> None:
    """The page of somebody's apps says when each was last used; of a consent that is over nothing is kept."""
    now, old = made.clock(), made.clock() - timedelta(days=40)

    def consent(key: str, over: datetime, withdrawn: datetime | None = None) -> ConsentRow:
        columns = ConsentRow.__table__.columns
        filled: dict[str, Any] = {column.name: "x" for column in columns if column.type.python_type is str}
        filled |= {column.name: [] for column in columns if column.type.python_type in (list, dict)}
        filled |= {"id": key, "granted_at": old, "expires_at": over, "withdrawn_at": withdrawn}
        return ConsentRow(**filled)

    add(
        made,
        consent("stands", now + timedelta(days=1)),
        consent("over", now - timedelta(days=1)),
        consent("withdrawn", now + timedelta(days=1), now),
        grant("first", old, consent_id="stands"),
        grant("last", old + timedelta(hours=1), consent_id="stands"),
        grant("of-over", old, consent_id="over"),
        grant("of-withdrawn", old, consent_id="withdrawn"),
    )
    purge_of(made).once()
    assert keys(made, GrantRow) == {"last"}
    assert keys(made, ConsentRow) == {"stands", "over", "withdrawn"}


AGES = st.floats(-40, 70).map(lambda days: timedelta(days=days))


@settings(max_examples=60)
@given(st.lists(st.tuples(AGES, st.lists(AGES, max_size=3), st.lists(AGES, max_size=3)), max_size=6))
def test_nothing_that_is_not_over_is_ever_lost(lives: list[tuple[timedelta, list[timedelta], list[timedelta]]]) -> None:
    """I5, for grants of any age with tokens of any age; in pages of any number."""
    with TemporaryDirectory() as folder, registries(Path(folder)) as own, pytest.MonkeyPatch.context() as patch:
        patch.setattr(purging, "PAGE", 2)
        patch.setattr(purging, "REST_SECONDS", 0)
        now, alive, tokens = own.clock(), set(), set()
        for number, (age, accesses, refreshes) in enumerate(lives):
            key = str(number)
            rows = [access(f"{key}a{place}", key, now - old) for place, old in enumerate(accesses)]
            rows += [refresh(f"{key}r{place}", key, now - old) for place, old in enumerate(refreshes)]  # type: ignore[misc]  # both have a digest
            kept = {
                row.digest
                for row in rows
                if now - row.expires_at <= (WHAT_A_DAY_KEEPS if isinstance(row, AccessTokenRow) else A_MONTH)
            }
            tokens |= kept
            if kept or age <= A_MONTH:
                alive.add(key)
            add(own, grant(key, now - age), *rows)
        foreseen = purge_of(own).over()
        gone = purge_of(own).once()
        assert (keys(own, GrantRow), keys(own, AccessTokenRow) | keys(own, RefreshTokenRow)) == (alive, tokens)
        assert foreseen["access_token"] == gone["access_token"]
        assert foreseen["refresh_token"] == gone["refresh_token"]
        assert not any(purge_of(own).once().values())


def test_two_at_once_lose_nothing_and_count_nothing_twice(made: Registries, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two operators, or an operator beside the server."""
    monkeypatch.setattr(purging, "PAGE", 20)
    old = made.clock() - timedelta(days=40)
    add(made, *(grant(f"g{number}", old) for number in range(100)), grant("young", made.clock()))
    together = threading.Barrier(4)

    def one(here: Context) -> int:
        together.wait()
        return here.run(purge_of(made).once)["grant_record"]

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(one, [copy_context() for _ in range(4)])) == 100
    assert keys(made, GrantRow) == {"young"}


def test_a_run_that_ran_out_of_time_is_gone_on_with(made: Registries, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that stay do not keep those behind them from going."""
    monkeypatch.setattr(purging, "PAGE", 5)
    old = made.clock() - timedelta(days=60)
    for number in range(20):
        add(made, grant(f"g{number:02}", old + timedelta(seconds=number)))
        if number < 10:
            add(made, refresh(f"g{number:02}", f"g{number:02}", made.clock() + timedelta(days=1)))
    own = purge_of(made)
    rule = next(one for one in rules(made.clock()) if one.table is GrantRow)
    assert [own.page(rule) for _ in range(6)] == [(5, 0), (5, 0), (5, 5), (5, 5), (0, 0), (5, 0)]


def test_a_stop_is_not_waited_for(made: Registries) -> None:
    add(made, grant("over", made.clock() - timedelta(days=40)))
    assert not any(purge_of(made).once(lambda: True).values())
    assert keys(made, GrantRow) == {"over"}


@pytest.mark.parametrize("rule", rules(datetime.now().astimezone()), ids=lambda rule: rule.name)
def test_what_is_over_is_found_by_an_index(tmp_path: Path, rule: purging.Rule) -> None:
    """Bounded in time whatever the size of the table."""
    with registries(tmp_path) as own, own.db.read() as session:
        page = select(*rule.order).where(rule.time < rule.until).order_by(*rule.order).limit(5)
        words = page.compile(own.db.engine, compile_kwargs={"literal_binds": True})
        plan = " ".join(row[-1] for row in session.execute(text(f"EXPLAIN QUERY PLAN {words}")))
    assert f"INDEX ix_{rule.name}_" in plan
    assert "SCAN" not in plan


def test_of_several_processes_one_purges_and_an_outage_is_survived(
    made: Registries, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(purging, "PAUSE_SECONDS", 0.001)
    store, stop, runs = Store(), threading.Event(), []
    own = Purge(made.db, store, made.clock, lambda *_: True)  # type: ignore[arg-type]  # all that it asks of a store

    def away(_: object) -> None:
        runs.append(1)
        raise Unavailable("away")

    monkeypatch.setattr(own, "once", away)
    thread = threading.Thread(target=own.run, args=(stop,))
    thread.start()
    wait_until(lambda: len(store.turns) > 5, "some turns")
    stop.set()
    thread.join(5)
    assert (len(runs), set(store.turns)) == (1, {"purge"})
    assert "what is over could not be purged; trying again" in caplog.text


@pytest.mark.parametrize("seconds", [10.0**9, 300.0])
def test_a_turn_that_never_ends_is_no_turn(world: World, caplog: pytest.LogCaptureFixture, seconds: float) -> None:
    """Decision 92: whoever writes into the store would have nothing purged ever again."""
    own, store = world.services.purge, world.services.backend
    store.put({"purge": b"x"}, seconds)
    assert own.has_turn() is (seconds > purging.PAUSE_SECONDS)
    assert bool(caplog.messages) is (seconds > purging.PAUSE_SECONDS)
    left = store.expires_in("purge")
    assert left is not None
    assert left <= purging.PAUSE_SECONDS
    assert not own.has_turn()


def test_an_app_goes_on_after_a_purge_and_is_forgotten_when_it_is_over(world: World) -> None:
    """A whole life: what was promised holds, a used token is still recognised, and in the end no row is left."""
    launch = world.ehr.launch("public", "doctor", patient="A")["launch"]
    first = world.public.tokens(launch, "launch patient/Observation.rs offline_access")
    world.clock.forward(days=2)
    second = world.public.refresh(first["refresh_token"]).json()
    assert world.services.purge.once()["access_token"] == 1
    assert world.fhir_server.introspect(first["access_token"]) == {"active": False}
    assert world.fhir_server.introspect(second["access_token"])["active"] is True
    third = world.public.refresh(second["refresh_token"]).json()
    world.services.purge.once()
    world.clock.forward(seconds=60)
    assert world.public.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    # the whole family (RFC 9700 §4.14.2)
    assert world.fhir_server.introspect(third["access_token"]) == {"active": False}
    world.clock.forward(days=500)
    world.services.purge.once()
    with world.services.db.read() as session:
        tables = [rule.table for rule in rules(world.clock())]
        left = {table: session.scalar(select(func.count()).select_from(table)) for table in tables}
    assert set(left.values()) == {0}, left
