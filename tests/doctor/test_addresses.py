"""What the doctor reads off the settings, and off what a store says of itself; nothing is called."""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from authz.doctor import examine
from authz.doctor.database import address as database_address
from authz.doctor.store import address, store
from tests.world import settings_in

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from authz.doctor.finding import Finding

NO_HOST = "postgresql+psycopg://authz@/authz"


def ids(found: Iterable[Finding]) -> list[str]:
    return [one.id for one in found]


@pytest.mark.parametrize(
    ("redis_url", "found"),
    [
        ("redis://127.0.0.1:6379/0", []),
        ("redis://user:secret@[::1]:6379/0", []),
        ("redis://:secret@127.0.0.1/0", []),
        ("redis://localhost", []),
        ("redis+sentinel://127.0.0.1:26379,s2.example:26379/main", []),
        ("unix:///run/redis.sock", []),
        ("redis://:secret@redis.hospital.example/0", ["store.plain"]),
        ("rediss://redis.hospital.example/0", []),
        ("redis://redis.hospital.example:6379/0", ["store.plain"]),
        ("redis+sentinel://s1.example:26379,s2.example:26379/main", ["store.plain"]),
        ("rediss://redis.hospital.example:6379/0?ssl_cert_reqs=none", ["store.unverified"]),
    ],
)
def test_the_way_to_redis(tmp_path: Path, redis_url: str, found: list[str]) -> None:
    made: Any = SimpleNamespace(settings=replace(settings_in(tmp_path), redis_url=redis_url))
    assert ids(address(made)) == found
    assert "secret" not in str([one.problem for one in address(made)])


def test_the_store_of_one_machine_is_mentioned_where_there_may_be_more(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    assert ids(address(SimpleNamespace(settings=settings))) == []  # type: ignore[arg-type]  # all that is read
    public: Any = SimpleNamespace(settings=replace(settings, issuer="https://auth.hospital.example"))
    assert ids(address(public)) == ["store.one_machine"]
    shared: Any = SimpleNamespace(settings=replace(settings, database_url="postgresql+psycopg://db/authz"))
    assert ids(address(shared)) == ["store.one_machine"]


@pytest.mark.parametrize(
    ("version", "found"), [("6.0.16", ["store.version"]), ("6.2.0", []), ("7.2.4", []), ("10.0.0", [])]
)
def test_redis_must_be_new_enough(tmp_path: Path, version: str, found: list[str]) -> None:
    backend = SimpleNamespace(ping=lambda: None, problems=list, facts=lambda: {"redis_version": version})
    made: Any = SimpleNamespace(settings=settings_in(tmp_path), backend=backend)
    assert ids(store(made)) == found


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("sqlite:///var/authz.sqlite3", []),
        ("postgresql+psycopg://authz@127.0.0.1/authz", []),
        ("postgresql+psycopg:///authz", []),
        ("postgresql+psycopg://authz@db.hospital.example/authz", ["database.plain"]),
        ("postgresql+psycopg://authz@db.hospital.example/authz?sslmode=prefer", ["database.plain"]),
        (f"{NO_HOST}?host=/run/postgresql", []),
        (
            f"{NO_HOST}?host=db1.example:5432&host=db2.example",
            ["database.plain", "database.any_host"],
        ),
        (f"{NO_HOST}?host=db1.example,db2.example&sslmode=verify-full", ["database.any_host"]),
        (
            f"{NO_HOST}?host=db1.example,db2.example&sslmode=verify-full&target_session_attrs=primary",
            [],
        ),
        ("postgresql+psycopg://authz@db.hospital.example/authz?sslmode=verify-full", []),
    ],
)
def test_the_way_to_the_database(tmp_path: Path, url: str, found: list[str]) -> None:
    assert ids(database_address(replace(settings_in(tmp_path), database_url=url))) == found


def test_a_look_that_takes_too_long_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examine, "LONGEST_SECONDS", 0.05)

    def slow() -> list[Finding]:
        time.sleep(0.3)
        return []

    (found,) = examine.at_once({"FHIR server main": slow})
    assert (found.id, found.about, found.severity) == ("doctor.unfinished", "FHIR server main", "warning")
