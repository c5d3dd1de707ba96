"""Redis reached over TLS, and by a user who may do no more than docs/how-to/stores.md lets them (security.md 3.3)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis

from authz.storage.redis import RedisBackend
from authz.storage.short_lived import StoreUnavailable
from tests.certificates import encrypted_redis
from tests.servers import redis_server, wait_until
from tests.world import build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.certificates import Certificates
    from tests.servers import RedisServer

pytestmark = pytest.mark.redis

PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/stores.md"
RULES = re.compile(r"^user (\w+) .*$", re.MULTILINE)


def users() -> dict[str, list[str]]:
    """The page's lines, with passwords made of the users' names."""
    lines = [re.sub(r">\S+", f">{line[1]}-secret", line[0]).split() for line in RULES.finditer(PAGE.read_text())]
    return {line[1]: line for line in lines}


@pytest.fixture
def guarded() -> Iterator[RedisServer]:
    """With the users of the page, and nobody else."""
    found = users()
    assert list(found) == ["default", "authz", "ehr", "replica", "sentinel"]
    with redis_server() as server:
        for rule in reversed(found.values()):  # the one by which this is said goes last
            server.command("ACL", "SETUSER", *rule[1:])
        yield server


def backend(server: RedisServer) -> RedisBackend:
    return RedisBackend.from_url(f"redis://authz:authz-secret@127.0.0.1:{server.port}/0")


def test_the_user_of_the_page_may_do_all_that_the_server_does(guarded: RedisServer) -> None:
    """Every verb, and what starts a server: the policy, the incarnation, the facts."""
    store = backend(guarded)
    store.put({"a": b"1", "b": b"2"}, 60)
    assert store.get("a", "b", "c") == [b"1", b"2", None]
    assert store.take("a") == b"1"
    assert (store.claim("once", b"mine", 60), store.claim("once", b"yours", 60)) == (None, b"mine")
    assert [store.count("n", 60), store.count("n", 60)] == [1, 2]
    assert 50 < (store.expires_in("n") or 0) <= 60
    store.delete("b")
    assert store.get("b") == [None]
    assert store.problems() == []
    assert "redis_version" in store.facts()
    assert store.incarnation()


@pytest.mark.parametrize(
    "words", ["FLUSHALL", "KEYS *", "CONFIG GET *", "ACL LIST", "GET other:key", "SHUTDOWN", "SCRIPT LOAD x", "SCAN 0"]
)
def test_and_nothing_else(guarded: RedisServer, words: str) -> None:
    """Whoever finds the password can't read or empty what is not this server's."""
    with (
        redis.Redis(port=guarded.port, username="authz", password="authz-secret", protocol=2) as client,
        pytest.raises(redis.exceptions.NoPermissionError),
    ):
        client.execute_command(*words.split())


def test_a_fail_over_needs_no_more_rights_than_those_of_the_page() -> None:
    """Issue 8.3: this server, the replica and Sentinel, each as its own user."""
    named = users()
    default = [
        "--user",
        "default",
        "on",
        "nopass",
        "resetkeys",
        "resetchannels",
        "-@all",
        "+@admin",
        "+@connection",
        "+info",
    ]
    own = [f"--{word}" if word == "user" else word for name in named if name != "default" for word in named[name]]
    follows = ("--masteruser", "replica", "--masterauth", "replica-secret")
    with (
        redis_server(*default, *own) as first,
        redis_server(*default, *own, *follows, "--replicaof", f"127.0.0.1 {first.port}") as second,
    ):
        wait_until(lambda: second.command("INFO", "replication")["master_link_status"] == "up", "the replica")
        config = f"""
        sentinel monitor main 127.0.0.1 {first.port} 1
        sentinel auth-user main sentinel
        sentinel auth-pass main sentinel-secret
        sentinel down-after-milliseconds main 500
        sentinel failover-timeout main 2000
        """
        with redis_server(sentinel_config=config) as watcher:
            wait_until(lambda: len(watcher.command("SENTINEL", "REPLICAS", "main")) == 1, "the sentinel")
            store = RedisBackend.from_url(f"redis+sentinel://authz:authz-secret@127.0.0.1:{watcher.port}/main?db=0")
            store.put({"a": b"1"}, 600)
            wait_until(lambda: offset(second) >= offset(first), "replication")
            first.kill()
            wait_until(lambda: takes(store), "the fail-over", seconds=30)
            assert store.get("a", "b") == [b"1", b"2"]


def offset(server: RedisServer) -> int:
    facts = server.command("INFO", "replication")
    return int(facts["master_repl_offset"])


def takes(store: RedisBackend) -> bool:
    try:
        store.put({"b": b"2"}, 600)
    except StoreUnavailable:
        return False
    return True


def test_the_story_runs_with_the_rights_of_the_page(guarded: RedisServer, tmp_path: Path) -> None:
    """Issue 8.3: a limit or a ready answer would go on without Redis, unseen; so each call is listened to."""
    url = f"redis://authz:authz-secret@127.0.0.1:{guarded.port}/0"
    world = build(settings_in(tmp_path, redis_url=url, metrics_networks="127.0.0.0/8"))
    heard: list[tuple[str, bool]] = []
    world.services.store_hearers.append(lambda verb, seconds: heard.append((verb, seconds is not None)))
    with world.app.app_context():
        assert world.transport.send("GET", f"{world.issuer}/readyz").status == 200
        launch = world.ehr.launch("public", "Practitioner/dr", patient="A")["launch"]
        token = world.public.tokens(launch, "launch patient/*.rs")["access_token"]
        assert world.fhir_server.introspect(token)["patient"] == "A"
        assert world.public.revoke(token).status == 200
        assert world.fhir_server.introspect(token) == {"active": False}
        scope = "launch/patient patient/*.rs online_access"
        alone = world.public.redeem(world.standalone(world.public, scope, "alice")).json()
        again = world.public.refresh(alone["refresh_token"]).json()
        assert world.fhir_server.introspect(again["access_token"])["active"] is True
        world.services.last_seen.flush()
        world.services.db.engine.dispose()
    world.services.backend.close()
    assert {verb for verb, was_answered in heard if not was_answered} == set()
    assert {verb for verb, _ in heard} >= {"get", "put", "take", "claim", "count"}


def test_who_names_nobody_is_nobody(guarded: RedisServer) -> None:
    with redis.Redis(port=guarded.port, protocol=2) as client, pytest.raises(redis.exceptions.AuthenticationError):
        client.execute_command("PING")


def test_an_ehr_writes_launches_and_reads_nothing(guarded: RedisServer) -> None:
    """Decision 4: a launch straight into Redis; what others launched, sessions and answers are not the EHR's."""
    with redis.Redis(port=guarded.port, username="ehr", password="ehr-secret", protocol=2) as client:
        assert client.execute_command("SET", "authz:launch:x", "{}", "EX", 300) is True
        for words in ("GET authz:launch:x", "SET authz:session:x 1", "DEL authz:launch:x"):
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*words.split())
    assert backend(guarded).take("launch:x") == b"{}"


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Certificates]]:
    with encrypted_redis(tmp_path_factory.mktemp("tls")) as found:
        yield found


def test_the_server_is_known_by_its_certificate(encrypted: tuple[int, Certificates]) -> None:
    port, certificates = encrypted
    store = RedisBackend.from_url(f"rediss://localhost:{port}/0?ssl_ca_certs={certificates.authority}")
    store.put({"a": b"1"}, 60)
    assert store.get("a") == [b"1"]


@pytest.mark.parametrize("wrong", ["authority", "name", "nothing encrypted"])
def test_a_server_that_another_could_be_is_not_spoken_to(encrypted: tuple[int, Certificates], wrong: str) -> None:
    """RFC 9525 §6: neither with a certificate of somebody else's, nor for another name, nor in clear."""
    port, certificates = encrypted
    url = {
        "authority": f"rediss://localhost:{port}/0?ssl_ca_certs={certificates.stranger}",
        "name": f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificates.authority}",
        "nothing encrypted": f"redis://localhost:{port}/0",
    }[wrong]
    with pytest.raises(StoreUnavailable):
        RedisBackend.from_url(url).get("a")
