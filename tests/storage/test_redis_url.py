"""Which URLs name a Redis store, and that no refusal of one quotes its password."""

from __future__ import annotations

import pytest

from authz.storage.redis import RedisBackend
from authz.storage.redis_link import Sentinels, Server, door


def test_a_url_says_where_and_how() -> None:
    fixed = Server("rediss://app:p%40ss@redis.example:6380/3?ssl_ca_certs=ca.pem")._options
    assert {name: fixed[name] for name in ("host", "port", "db", "username", "password", "ssl_ca_certs")} == {
        "host": "redis.example",
        "port": 6380,
        "db": 3,
        "username": "app",
        "password": "p@ss",
        "ssl_ca_certs": "ca.pem",
    }
    watched = door("redis+sentinel://app:p%40ss@one.example,[::1]:26380/main?db=3")
    assert isinstance(watched, Sentinels)
    assert watched._sentinels == [{"host": "one.example", "port": 26379}, {"host": "::1", "port": 26380}]
    assert watched._service == "main"
    assert watched._options == {"host": "sentinel", "db": 3, "username": "app", "password": "p@ss"}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://redis.example",
        "redis://:s3cret#x@redis.example",
        "redis://:s3cret@redis.example:port",
        "redis://:s3cret@redis.example/?db=s3cret",
        "redis://:s3cret@redis.example/?socket_timeout=60",
        "redis://:s3cret@redis.example/?retry_on_timeout=1",
        "redis://:s3cret@redis.example/?ssl_nonsense=1",
        "redis+sentinel://:s3cret@one.example",
        "redis+sentinel:///main",
        "redis+sentinel://:s3cret@one.example:port/main",
        "http+sentinel://:s3cret@one.example/main",
    ],
)
def test_an_unusable_url_is_said_so_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"Redis URL|Sentinel URL") as refusal:
        RedisBackend.from_url(url)
    assert "s3cret" not in str(refusal.value)
