"""The short-lived store: there, not evicting, new enough, reached safely."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from authz import strangers
from authz.doctor.cause import in_full
from authz.doctor.finding import Finding
from authz.settings import LOOPBACK_HOSTS
from authz.storage.short_lived import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authz.services import Services

ABOUT = "short-lived store"
OLDEST = (6, 2)
FULL = 0.8
STRANGERS = 0.5
MEGABYTE = 1024 * 1024


def store(made: Services) -> Iterator[Finding]:
    yield from address(made)
    try:
        made.backend.ping()
        problems, facts = made.backend.problems(), made.backend.facts()
    except StoreUnavailable as problem:
        yield Finding("store.unreachable", ABOUT, in_full(problem))
        return
    yield from (Finding("store.policy", ABOUT, problem) for problem in problems)
    yield from memory(facts, made.settings.strangers_megabytes)
    if (version := facts.get("redis_version")) and numbers(version) < OLDEST:
        yield Finding("store.version", ABOUT, f"it is Redis {version}")
    if facts.get("aof_enabled") == "0" and facts.get("save") == "":
        yield Finding("store.persistence", ABOUT, "it keeps nothing on disk")


def address(made: Services) -> Iterator[Finding]:
    settings = made.settings
    if not settings.redis_url:
        is_shared = not settings.database_url.startswith("sqlite")  # with other machines that serve, perhaps
        if is_shared or urlsplit(settings.issuer).hostname not in LOOPBACK_HOSTS:
            yield Finding("store.one_machine", ABOUT, f"it is the file {settings.short_lived_path}")
        return
    parts = urlsplit(settings.redis_url)
    first = parts.netloc.rpartition("@")[2].split(",")[0]  # of several sentinels
    host = urlsplit(f"//{first}").hostname
    if parts.scheme in {"redis", "redis+sentinel"} and host not in LOOPBACK_HOSTS:
        yield Finding("store.plain", ABOUT, f"{host} is another machine, and the scheme is {parts.scheme}")
    if parse_qs(parts.query).get("ssl_cert_reqs") == ["none"]:
        yield Finding("store.unverified", ABOUT, "redis_url switches the check of its certificate off")


def memory(facts: Mapping[str, str], strangers_megabytes: int) -> Iterator[Finding]:
    most, used = int(facts.get("maxmemory", "0")), int(facts.get("used_memory", "0"))
    if facts.get("maxmemory") == "0":
        yield Finding("store.unbounded", ABOUT, "it has no maxmemory")
    if most and used > most * FULL:
        yield Finding("store.full", ABOUT, f"{used} of {most} bytes are used")
    elif most and strangers.ALIVE * strangers_megabytes * MEGABYTE > most * STRANGERS:
        problem = f"strangers may fill {strangers.ALIVE} x {strangers_megabytes} MB of {most // MEGABYTE}"
        yield Finding("store.strangers", ABOUT, problem)


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
