"""Connections to the Redis server that is in charge: by address, or as Sentinel names it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast
from urllib.parse import parse_qs, urlsplit, urlunsplit

from redis.connection import Connection, parse_url
from redis.exceptions import ConnectionError as LinkError
from redis.exceptions import RedisError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Command: TypeAlias = "tuple[str | bytes | int, ...]"

TIMEOUT_SECONDS = 0.25  # for connecting and for each reply; redis-py's own would be 5 s, ten times over
SENTINEL_PORT = 26379


class Wire(Protocol):
    """What is used of ``redis.Connection``, which carries no types."""

    def connect(self) -> None: ...
    def disconnect(self) -> None: ...
    def can_read(self, timeout: float) -> bool: ...
    def pack_commands(self, commands: Sequence[Command]) -> list[bytes]: ...
    def send_packed_command(self, command: list[bytes], check_health: bool) -> None: ...  # noqa: FBT001  redis-py's signature
    def read_response(self, disable_decoding: bool) -> Any: ...  # noqa: FBT001  redis-py's signature


class Link:
    """One connection. Commands are packed and sent at once, past redis-py's command layer (75 µs a call).

    Whoever gets an exception from a link must close it: a late reply must never be read as the answer to another call.
    Raises RedisError or OSError.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self._wire = new_wire(options)
        self.server = ""

    def open(self) -> None:
        """Connect and learn which server answers; one that only follows another is refused."""
        self._wire.connect()
        facts = info(b"".join(self.call([("INFO", "server"), ("INFO", "replication")])))
        if facts.get("role") != "master":
            raise LinkError("this Redis server follows another one")
        self.server = f"{facts['run_id']}/{facts['master_replid']}"  # the second differs after each promotion

    def call(self, commands: Sequence[Command]) -> list[Any]:
        """All commands in one packet, all their replies; the first error among the replies is raised."""
        wire = self._wire
        wire.send_packed_command(wire.pack_commands(commands), check_health=False)
        return [wire.read_response(disable_decoding=True) for _ in commands]

    def is_silent(self) -> bool:
        """Whether an idle connection is open and has nothing to say, so that the next reply is the next call's."""
        try:
            return not self._wire.can_read(0)
        except (RedisError, OSError):
            return False

    def close(self) -> None:
        self._wire.disconnect()


class Server:
    """One Redis server at a fixed address: ``redis://``, ``rediss://`` or ``unix://``."""

    def __init__(self, url: str) -> None:
        self._options = checked_options(url)

    def link(self) -> Link:
        return opened(self._options)


class Sentinels:
    """The server that Sentinel says is in charge: ``redis+sentinel://host:port,host2:port/service?db=0``.

    User and password in the URL are those of the Redis servers; ``rediss+sentinel`` means TLS to them.
    """

    def __init__(self, url: str) -> None:
        scheme, _, rest = url.partition("://")  # by hand: some Pythons refuse several hosts with an IPv6 one among them
        netloc, _, path = rest.partition("/")
        self._service, _, query = path.partition("?")
        credentials, at, hosts = netloc.rpartition("@")
        self._sentinels = [address(host) for host in hosts.split(",") if host]
        if not self._service or not self._sentinels:
            raise ValueError(
                "a Sentinel URL names at least one sentinel and the service: redis+sentinel://host:port/service"
            )
        server = (scheme.removesuffix("+sentinel"), f"{credentials}{at}sentinel", "", query, "")
        self._options = checked_options(urlunsplit(server))

    def link(self) -> Link:
        host, port = self._in_charge()
        return opened(self._options | {"host": host, "port": port})

    def _in_charge(self) -> tuple[str, int]:
        """Ask one sentinel after the other; the first that answers is asked first the next time."""
        cause: Exception | None = None
        for sentinel in self._sentinels:
            wire = Link(sentinel)
            try:
                (answer,) = wire.call([("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)])
            except (RedisError, OSError) as error:
                cause = error
                continue
            finally:
                wire.close()
            if answer is not None:
                self._sentinels = [sentinel, *(other for other in self._sentinels if other is not sentinel)]
                return answer[0].decode(), int(answer[1])
        raise LinkError(f"no sentinel knows {self._service}") from cause


class Door(Protocol):
    """Where new links come from."""

    def link(self) -> Link: ...


def door(url: str) -> Door:
    """Raises ValueError, without the URL's password, if the URL can't be used."""
    return Sentinels(url) if url.partition("://")[0].endswith("+sentinel") else Server(url)


def opened(options: dict[str, Any]) -> Link:
    link = Link(options)
    try:
        link.open()
    except BaseException:
        link.close()
        raise
    return link


def new_wire(options: dict[str, Any]) -> Wire:
    """A connection that is not yet open; it never tries anything twice."""
    settings = {"connection_class": Connection} | options
    make = cast("Callable[..., Wire]", settings.pop("connection_class"))
    return make(
        **settings,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        protocol=2,  # nothing of RESP3 is used, and this saves the HELLO
        driver_info=None,  # saves two CLIENT SETINFO on each connection
    )


def checked_options(url: str) -> dict[str, Any]:
    """What a connection is made with. Only ``db``, credentials and ``ssl_…`` may be chosen in the URL."""
    try:
        chosen = parse_qs(urlsplit(url).query, keep_blank_values=True)
        options = cast("Callable[[str], dict[str, Any]]", parse_url)(url)  # it carries no types
        new_wire(options)
    except (ValueError, TypeError, RedisError):
        # from None: the messages quote pieces of the URL, where a password may be
        raise ValueError("this is not a usable Redis URL: redis://user:password@host:6379/0") from None
    if unknown := [
        name for name in chosen if name not in {"db", "username", "password"} and not name.startswith("ssl_")
    ]:
        raise ValueError(f"a Redis URL has no option {', '.join(unknown)} here")
    return options


def address(host: str) -> dict[str, Any]:
    """``host`` or ``host:port`` or ``[ipv6]:port`` of one sentinel."""
    return checked_options(f"redis://{host}") | {"port": urlsplit(f"//{host}").port or SENTINEL_PORT}


def info(text: bytes) -> dict[str, str]:
    """The ``name:value`` lines of Redis' INFO."""
    pairs = (line.partition(":") for line in text.decode().splitlines())
    return {name: value for name, colon, value in pairs if colon}
