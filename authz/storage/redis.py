"""The short-lived store on Redis 6.2 or later, for several machines; Sentinel is supported, Redis Cluster is not."""

from __future__ import annotations

import math
import os
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Self

from redis.exceptions import ConnectionError as LinkError
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError, ResponseError

from authz.storage.redis_link import door, info
from authz.storage.short_lived import Breaker, StoreFull, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from authz.storage.redis_link import Command, Door, Link

FOR_EVER, NO_KEY = -1, -2  # what PTTL answers instead of a number of milliseconds

# SET with NX and GET together needs Redis 7, PEXPIRE NX too; in a script both are one step on 6.2 as well
CLAIM = """
local held = redis.call('GET', KEYS[1])
if held then return held end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false
"""
# by GET and SET, which every user of ours may: one who was given INCR may not INCRBY
COUNT = """
local count = (redis.call('GET', KEYS[1]) or 0) + ARGV[2]
redis.call('SET', KEYS[1], count, 'KEEPTTL')
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return count
"""


class InProcess:
    """What one process knows of the store; nothing of it may cross a fork."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.idle: deque[Link] = deque()
        self.breaker = Breaker(time.monotonic)
        self.server = ""

    def drop_idle(self) -> None:
        while True:
            try:
                self.idle.pop().close()
            except IndexError:
                return


class RedisBackend:
    """Backend on Redis: each verb is one packet out and one back.

    A call waits 0.25 s for a reply and is never repeated, because a write whose reply was lost may have happened. After
    three failures in a row calls are refused at once, for a second at a time. Any error, READONLY, OOM, NOAUTH, LOADING
    and the like included, is StoreUnavailable.
    """

    def __init__(self, entrance: Door, namespace: str) -> None:
        self._door = entrance
        self._namespace = namespace
        self._process = InProcess()

    @classmethod
    def from_url(cls, url: str, namespace: str = "authz:") -> Self:
        """``redis://``, ``rediss://`` (TLS), ``unix://`` or ``redis+sentinel://host:port,host2:port/service?db=0``.

        Connects at the first call. Raises ValueError if the URL can't be used.
        """
        return cls(door(url), namespace)

    def get(self, *keys: str) -> list[bytes | None]:
        if not keys:
            return []
        values: list[bytes | None] = self._one("MGET", *map(self._named, keys))
        return values

    def put(self, entries: Mapping[str, bytes], ttl_seconds: float) -> None:
        lifetime = milliseconds(ttl_seconds)
        commands: list[Command] = [("SET", self._named(key), value, "PX", lifetime) for key, value in entries.items()]
        if commands:
            self._call(commands)

    def take(self, key: str) -> bytes | None:
        value: bytes | None = self._one("GETDEL", self._named(key))
        return value

    def claim(self, key: str, value: bytes, ttl_seconds: float) -> bytes | None:
        holder: bytes | None = self._one("EVAL", CLAIM, 1, self._named(key), value, milliseconds(ttl_seconds))
        return holder

    def count(self, key: str, window_seconds: int, amount: int = 1) -> int:
        return int(self._one("EVAL", COUNT, 1, self._named(key), milliseconds(window_seconds), amount))

    def expires_in(self, key: str) -> float | None:
        left = int(self._one("PTTL", self._named(key)))
        if left == NO_KEY:
            return None
        return math.inf if left == FOR_EVER else left / 1000

    def delete(self, *keys: str) -> None:
        if keys:
            self._one("DEL", *map(self._named, keys))

    def sweep(self) -> int:
        return 0  # Redis drops what has expired by itself

    def incarnation(self) -> str:
        """The run id and replication id of the server that answered last; asks only before the first call."""
        if not self._here().server:
            self.ping()
        return self._here().server

    def problems(self) -> list[str]:
        """An evicting ``maxmemory-policy`` would end sessions and launches at random under load."""
        policy = info(self._one("INFO", "memory")).get("maxmemory_policy")
        return [] if policy == "noeviction" else [f"Redis has maxmemory-policy {policy}; it must be noeviction"]

    def facts(self) -> dict[str, str]:
        """INFO of server, memory and persistence, and ``save`` where CONFIG may be asked."""
        found: dict[str, str] = {}
        for section in ("server", "memory", "persistence"):
            found |= info(self._one("INFO", section))
        try:
            found["save"] = self._one("CONFIG", "GET", "save")[1].decode()
        except StoreUnavailable:
            return found  # a managed Redis does not say
        return found

    def ping(self) -> None:
        self._one("PING")

    def close(self) -> None:
        self._here().drop_idle()

    def _named(self, key: str) -> str:
        return self._namespace + key

    def _one(self, *command: str | bytes | int) -> Any:
        return self._call([command])[0]

    def _call(self, commands: Sequence[Command]) -> list[Any]:
        here = self._here()
        here.breaker.admit()
        try:
            replies = self._exchange(here, commands)
        except ResponseError as cause:
            here.breaker.succeeded()  # it answers, if only to refuse
            if isinstance(cause, OutOfMemoryError):
                raise StoreFull("Redis has no memory left, raise maxmemory") from cause
            if isinstance(cause, ReadOnlyError):
                here.drop_idle()  # no longer in charge: the next link asks anew who is
            raise StoreUnavailable("Redis refused a command") from cause
        except (RedisError, OSError) as cause:
            here.breaker.failed()
            here.drop_idle()
            raise StoreUnavailable("Redis does not answer") from cause
        here.breaker.succeeded()
        return replies

    def _exchange(self, here: InProcess, commands: Sequence[Command]) -> list[Any]:
        link = self._link(here)
        replies = None
        try:
            replies = link.call(commands)
        finally:
            if replies is not None and link.server == here.server:
                here.idle.append(link)
            else:
                link.close()
        if link.server != here.server:
            raise LinkError("the reply is from a server that was replaced meanwhile")
        return replies

    def _link(self, here: InProcess) -> Link:
        """An idle link that is still good, else a new one; one link per thread that is in a call at the same time."""
        while True:
            try:
                link = here.idle.pop()
            except IndexError:
                break
            if link.is_silent():
                return link
            link.close()
        link = self._door.link()
        if link.server != here.server:
            here.drop_idle()
            here.server = link.server
        return link

    def _here(self) -> InProcess:
        if self._process.pid != os.getpid():
            self._process = InProcess()
        return self._process


def milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
