"""Redis under faults: all that goes wrong is StoreUnavailable, never "no such key" (security.md R-01 to R-07)."""

from __future__ import annotations

import math
import signal
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from authz.errors import Unavailable
from authz.storage.redis import RedisBackend
from authz.storage.redis_link import TIMEOUT_SECONDS, Server
from authz.storage.short_lived import StoreFull, StoreUnavailable
from authz.storage.timed import TimedBackend
from tests.servers import RedisServer, free_port, redis_server, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from authz.storage.redis_link import Command
    from authz.storage.short_lived import Backend

pytestmark = pytest.mark.redis

VERBS: dict[str, Callable[[Backend], object]] = {
    "get": lambda backend: backend.get("a"),
    "put": lambda backend: backend.put({"b": b"2"}, 60),
    "take": lambda backend: backend.take("a"),
    "claim": lambda backend: backend.claim("c", b"3", 60),
    "count": lambda backend: backend.count("hits", 60),
    "delete": lambda backend: backend.delete("a"),
    "ping": lambda backend: backend.ping(),
    "problems": lambda backend: backend.problems(),
}
WRITES = ("put", "claim", "count")


def backend_on(server: RedisServer) -> RedisBackend:
    return RedisBackend.from_url(server.url)


def refused(backend: Backend, *verbs: str) -> set[str]:
    """Which verbs raise StoreUnavailable."""
    found = set()
    for verb in verbs or VERBS:
        try:
            VERBS[verb](backend)
        except StoreUnavailable:
            found.add(verb)
    return found


def until_the_breaker_lets_us(backend: Backend) -> None:
    wait_until(lambda: not refused(backend, "ping"), "the breaker to close")


@contextmanager
def deaf_server() -> Iterator[int]:
    """Accepts connections, as a hung host's kernel does, and never answers; its port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield listener.getsockname()[1]


def test_unavailable_is_what_endpoints_turn_into_503() -> None:
    assert issubclass(StoreUnavailable, Unavailable)


def test_keys_stand_in_redis_as_the_ehr_was_told(own_redis: RedisServer) -> None:
    """Decision 4: authz:launch:<sha256 hex>, a plain string value with a lifetime."""
    backend_on(own_redis).put({"launch:00ff": b"{}"}, 60)
    assert own_redis.command("KEYS", "*") == [b"authz:launch:00ff"]
    assert own_redis.command("GET", "authz:launch:00ff") == b"{}"
    assert 59_000 < own_redis.command("PTTL", "authz:launch:00ff") <= 60_000


def test_every_verb_is_one_round_trip(own_redis: RedisServer) -> None:
    """house.md §6: round trips, not commands, are the unit; a hundred keys are one packet."""
    backend = backend_on(own_redis)
    backend.ping()
    trips: list[int] = []
    (link,) = backend._process.idle
    call = link.call
    link.call = lambda commands: trips.append(len(commands)) or call(commands)  # type: ignore[method-assign,func-returns-value]  # a spy
    for verb in VERBS.values():
        verb(backend)
    backend.put({str(number): b"1" for number in range(100)}, 60)
    backend.get(*map(str, range(100)))
    backend.incarnation()
    assert trips == [*[1] * len(VERBS), 100, 1]


def test_nothing_is_sent_before_the_first_call() -> None:
    """Decision 29: a backend made before the fork has no connection to share."""
    with deaf_server() as port:
        assert not RedisBackend.from_url(f"redis://127.0.0.1:{port}")._process.idle


def test_no_connection_ever_waits_longer_than_a_quarter_second_or_tries_twice(own_redis: RedisServer) -> None:
    """security.md 0.9: redis-py's own settings wait 4.6 s for a dead Redis and 58 s for a hung one."""
    wire = Server(own_redis.url).link()._wire
    assert vars(wire)["_socket_timeout"] == vars(wire)["_socket_connect_timeout"] == TIMEOUT_SECONDS == 0.25
    assert vars(wire)["retry"].get_retries() == 0
    wire.disconnect()


def test_a_killed_redis_is_unavailable_for_every_verb(own_redis: RedisServer) -> None:
    """R-01."""
    backend = backend_on(own_redis)
    backend.put({"a": b"1"}, 60)
    own_redis.kill()
    assert refused(backend) == set(VERBS)


def test_a_backend_that_never_connected_has_no_incarnation_to_tell() -> None:
    with pytest.raises(StoreUnavailable):
        RedisBackend.from_url(f"redis://127.0.0.1:{free_port()}").incarnation()


def test_a_restarted_redis_is_used_again_and_is_another_incarnation(own_redis: RedisServer) -> None:
    """R-02: it comes back empty; idle connections to the old process are not tried first."""
    backend = backend_on(own_redis)
    backend.put({"a": b"1"}, 60)
    before = backend.incarnation()
    own_redis.restart()
    assert backend.get("a") == [None]
    assert backend.incarnation() != before


def test_a_hung_redis_is_unavailable_and_soon_left_alone(own_redis: RedisServer) -> None:
    """R-03: after three time-outs the breaker refuses without asking; then it closes again by itself."""
    backend = backend_on(own_redis)
    backend.put({"a": b"1"}, 60)
    with own_redis.frozen():
        assert refused(backend) == set(VERBS)
        with pytest.raises(StoreUnavailable, match="left alone"):
            backend.ping()
    until_the_breaker_lets_us(backend)
    assert backend.get("a") == [b"1"]


def test_a_paused_redis_is_unavailable(own_redis: RedisServer) -> None:
    """R-03: CLIENT PAUSE."""
    backend = backend_on(own_redis)
    backend.ping()
    own_redis.command("CLIENT", "PAUSE", 60_000)
    assert refused(backend, "get", "take") == {"get", "take"}


def test_a_host_that_accepts_and_says_nothing_is_unavailable() -> None:
    with deaf_server() as port:
        assert refused(RedisBackend.from_url(f"redis://127.0.0.1:{port}")) == set(VERBS)


def test_something_that_is_not_redis_is_unavailable() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def serve() -> None:
            accepted, _ = listener.accept()
            with accepted:
                accepted.recv(100)
                accepted.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        assert refused(RedisBackend.from_url(f"redis://127.0.0.1:{listener.getsockname()[1]}"), "get") == {"get"}
        thread.join()


def test_a_late_reply_is_never_the_answer_to_another_call(own_redis: RedisServer) -> None:
    """R-04: the reply that came after its caller had given up belongs to nobody (the class of CVE-2023-28858)."""
    backend = backend_on(own_redis)
    backend.put({"a": b"of a", "b": b"of b"}, 60)
    with own_redis.frozen(), pytest.raises(StoreUnavailable):
        backend.get("a")
    assert backend.get("b") == [b"of b"]


def test_a_connection_with_unread_words_is_not_used_again(own_redis: RedisServer) -> None:
    """R-04: nor is one that holds a reply nobody asked for."""
    backend = backend_on(own_redis)
    backend.put({"a": b"of a", "b": b"of b"}, 60)
    (link,) = backend._process.idle
    link._wire.send_packed_command(link._wire.pack_commands([("GET", "authz:a")]), check_health=False)
    wait_until(lambda: not link.is_silent(), "the reply")
    assert backend.get("b") == [b"of b"]
    assert link not in backend._process.idle


def test_an_interrupted_call_leaves_no_connection_behind(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-04: a worker that is stopped in the middle of a call leaves a reply unread."""
    backend = backend_on(own_redis)
    backend.put({"a": b"of a", "b": b"of b"}, 60)
    (link,) = backend._process.idle

    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(link._wire, "read_response", interrupted)
    with pytest.raises(KeyboardInterrupt):
        backend.get("a")
    assert not backend._process.idle
    assert backend.get("b") == [b"of b"]


def test_a_reply_of_a_server_that_was_replaced_meanwhile_is_not_believed(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decision 2: an answer counts only if it is from the server that incarnation() names."""
    backend = backend_on(own_redis)
    backend.put({"a": b"1"}, 60)
    (link,) = backend._process.idle
    call = link.call

    def call_during_a_failover(commands: Sequence[Command]) -> list[Any]:
        backend._process.server = "what another thread has just connected to"
        return call(commands)

    monkeypatch.setattr(link, "call", call_during_a_failover)
    with pytest.raises(StoreUnavailable):
        backend.get("a")
    assert link not in backend._process.idle
    assert backend.get("a") == [b"1"]


def test_a_counter_that_somebody_made_endless_ends(own_redis: RedisServer) -> None:
    """Nobody is locked out for ever by whoever may write to the store."""
    backend = backend_on(own_redis)
    own_redis.command("SET", "authz:hits", 1_000)
    assert backend.count("hits", 60) == 1_001
    assert 0 < own_redis.command("PTTL", "authz:hits") <= 60_000


def test_a_full_redis_refuses_writes_and_still_reads(own_redis: RedisServer) -> None:
    """R-06: OOM under noeviction is 503, never "not there"."""
    backend = backend_on(own_redis)
    backend.put({"a": b"1"}, 60)
    own_redis.command("CONFIG", "SET", "maxmemory", 1)
    assert refused(backend, *WRITES) == set(WRITES)
    assert refused(backend, *WRITES) == set(WRITES)
    assert backend.get("a", "b", "c", "hits") == [b"1", None, None, None]


@pytest.mark.parametrize("verb", WRITES)
def test_a_full_redis_is_an_error_in_the_log_once_a_minute(
    own_redis: RedisServer, verb: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RL-02, R-06: whoever is on call hears of it before people do, and not once for each of them."""
    backend, seconds = TimedBackend(backend_on(own_redis), []), [1000.0]
    monkeypatch.setattr("authz.storage.timed.time.monotonic", lambda: seconds[0])
    own_redis.command("CONFIG", "SET", "maxmemory", 1)
    for moment in (1000.0, 1001.0, 1059.0, 1060.0, 1061.0):
        seconds[0] = moment
        with pytest.raises(StoreFull):
            VERBS[verb](backend)
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told == [("ERROR", "the short-lived store is full: Redis has no memory left, raise maxmemory")] * 2


def test_a_redis_without_its_replicas_refuses_writes(own_redis: RedisServer) -> None:
    """R-06: NOREPLICAS."""
    backend = backend_on(own_redis)
    own_redis.command("CONFIG", "SET", "min-replicas-to-write", 1)
    assert refused(backend, *WRITES) == set(WRITES)


@pytest.mark.parametrize("rule", ["-@all", "-get -mget -getdel -eval"])
def test_a_redis_that_forbids_a_command_is_unavailable(own_redis: RedisServer, rule: str) -> None:
    """R-06: NOPERM after an ACL change."""
    backend = RedisBackend.from_url(f"redis://app:pw@127.0.0.1:{own_redis.port}")
    own_redis.command("ACL", "SETUSER", "app", "on", ">pw", "~*", "+@all")
    backend.put({"a": b"1"}, 60)
    own_redis.command("ACL", "SETUSER", "app", *rule.split())
    assert refused(backend, "get", "take", "claim") == {"get", "take", "claim"}


def test_a_redis_that_asks_for_a_password_is_unavailable(own_redis: RedisServer) -> None:
    """R-06: NOAUTH."""
    own_redis.command("CONFIG", "SET", "requirepass", "s3cret")
    assert refused(backend_on(own_redis)) == set(VERBS)
    assert refused(RedisBackend.from_url(f"redis://:wrong@127.0.0.1:{own_redis.port}")) == set(VERBS)
    assert refused(RedisBackend.from_url(f"redis://:s3cret@127.0.0.1:{own_redis.port}")) == set()


def test_a_redis_that_is_still_loading_is_unavailable(own_redis: RedisServer) -> None:
    """R-06: LOADING; reading a large dump takes a while, here made long."""
    own_redis.command("MSET", *(word for number in range(500) for word in (f"authz:{number}", b"x")))
    own_redis.command("SAVE")
    own_redis.kill()
    own_redis.arguments = ("--key-load-delay", "2000")
    loading = threading.Thread(target=own_redis.start)
    loading.start()
    backend = backend_on(own_redis)
    wait_until(lambda: listens(own_redis.port), "redis-server")
    assert refused(backend, "get", "take", "claim") == {"get", "take", "claim"}
    loading.join()
    until_the_breaker_lets_us(backend)
    assert backend.get("7") == [b"x"]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_key_of_another_type_is_unavailable(own_redis: RedisServer) -> None:
    """Whoever may write into Redis by hand can't make a wrong yes or no of it."""
    own_redis.command("RPUSH", "authz:a", "1")
    assert refused(backend_on(own_redis), "take") == {"take"}


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "volatile-lfu", "allkeys-random"])
def test_an_evicting_policy_is_a_problem_for_the_operator(own_redis: RedisServer, policy: str) -> None:
    """R-05 and security.md §3.3 (4): maxmemory-policy noeviction, otherwise refuse to run."""
    own_redis.command("CONFIG", "SET", "maxmemory-policy", policy)
    assert backend_on(own_redis).problems() == [f"Redis has maxmemory-policy {policy}; it must be noeviction"]


def test_a_replica_is_not_the_store(own_redis: RedisServer) -> None:
    """What a follower has may be old; it is not asked."""
    with redis_server("--replicaof", f"127.0.0.1 {own_redis.port}") as replica:
        assert refused(backend_on(replica)) == set(VERBS)


def test_a_server_that_lost_its_charge_is_unavailable(own_redis: RedisServer) -> None:
    """R-06: READONLY on a connection made before."""
    backend = backend_on(own_redis)
    backend.put({"a": b"1"}, 60)
    own_redis.command("REPLICAOF", "127.0.0.1", free_port())
    assert refused(backend, *WRITES) == set(WRITES)


def test_as_many_threads_as_like_may_call_at_once(own_redis: RedisServer) -> None:
    """performance.md §4: redis-py's pool ends at 100 connections; ours grows with the threads and is used again."""
    backend = backend_on(own_redis)
    inside = threading.Barrier(120)
    failures: list[Exception] = []

    def call(number: int) -> None:
        inside.wait()
        try:
            backend.put({f"k{number}": str(number).encode()}, 60)
        except StoreUnavailable as failure:
            failures.append(failure)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(120)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert backend.get(*(f"k{number}" for number in range(120))) == [str(number).encode() for number in range(120)]
    assert len(backend._process.idle) <= 120


@pytest.fixture
def sentinel(own_redis: RedisServer) -> Iterator[tuple[RedisServer, RedisServer]]:
    """A sentinel that watches ``own_redis``, and the replica it may promote."""
    config = f"""
    sentinel monitor main 127.0.0.1 {own_redis.port} 1
    sentinel down-after-milliseconds main 500
    sentinel failover-timeout main 2000
    """
    with redis_server("--replicaof", f"127.0.0.1 {own_redis.port}") as replica:
        wait_until(lambda: replica.command("INFO", "replication")["master_link_status"] == "up", "the replica")
        with redis_server(sentinel_config=config) as sentinel:
            wait_until(lambda: len(sentinel.command("SENTINEL", "REPLICAS", "main")) == 1, "the sentinel")
            yield sentinel, replica


def test_after_a_failover_sentinel_leads_to_the_new_server(
    own_redis: RedisServer, sentinel: tuple[RedisServer, RedisServer]
) -> None:
    """house.md §1: Redis with Sentinel; a promoted server is another incarnation, for it may lack what came last."""
    watcher, replica = sentinel
    backend = RedisBackend.from_url(f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{watcher.port}/main?db=0")
    backend.put({"a": b"1"}, 600)
    before = backend.incarnation()
    wait_until(lambda: replica.command("GET", "authz:a") == b"1", "replication")
    own_redis.signal(signal.SIGKILL)
    wait_until(lambda: not refused(backend, "put"), "the failover", seconds=30)
    assert backend.get("a") == [b"1"]
    assert backend.incarnation() != before
    assert replica.command("GET", "authz:b") == b"2"


def test_a_sentinel_that_does_not_know_the_service_is_unavailable(
    own_redis: RedisServer, sentinel: tuple[RedisServer, RedisServer]
) -> None:
    backend = RedisBackend.from_url(f"redis+sentinel://127.0.0.1:{sentinel[0].port}/nobody")
    assert refused(backend) == set(VERBS)


def test_a_key_that_another_hand_wrote_without_a_lifetime_lives_for_ever(own_redis: RedisServer) -> None:
    """Decision 4: a launch must not; so that it can be refused, this is told apart from a key that is gone."""
    own_redis.command("SET", "authz:launch:00ff", "{}")
    assert RedisBackend.from_url(own_redis.url).expires_in("launch:00ff") == math.inf


def test_what_redis_says_of_itself(own_redis: RedisServer) -> None:
    """For ``authz doctor``; a managed Redis that keeps CONFIG to itself leaves ``save`` out."""
    facts = backend_on(own_redis).facts()
    assert facts["redis_version"][0].isdigit()
    assert (facts["aof_enabled"], facts["save"]) == ("0", "")
    assert int(facts["used_memory"]) > 0
    own_redis.command("ACL", "SETUSER", "default", "-config")
    told = backend_on(own_redis).facts()
    assert told.keys() == facts.keys() - {"save"}
