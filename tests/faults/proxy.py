"""A TCP proxy on loopback that can be told to misbehave, in front of Redis or PostgreSQL."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from contextlib import contextmanager, suppress
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

CHUNK = 65536
AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: close sends RST


class Mode(Enum):
    PASS = "pass"
    STALL = "stall"  # accepts, and nothing comes through, either way
    RESET = "reset"  # every connection, old and new
    HALF_CLOSE = "half close"  # the server is told that the client has nothing more to say


class Proxy:
    """``delay_seconds`` holds back each answer; ``drop_reply_to`` loses the answer to what contains these bytes, once
    it has been forwarded, and resets the connection.
    """

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.mode = Mode.PASS
        self.delay_seconds = 0.0
        self.drop_reply_to: bytes | None = None
        self.dropped = 0
        self.accepted = 0
        self.port = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._started.wait()

    def stop(self) -> None:
        self.reset_connections()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def reset_connections(self) -> None:
        """RST to both sides of all that is open."""
        done = threading.Event()

        def reset() -> None:
            for writer in list(self._open):
                abort(writer)
            done.set()

        self._loop.call_soon_threadsafe(reset)
        done.wait()

    @contextmanager
    def misbehaving(
        self, mode: Mode = Mode.PASS, *, delay_seconds: float = 0.0, drop_reply_to: bytes | None = None
    ) -> Iterator[None]:
        self.mode, self.delay_seconds, self.drop_reply_to = mode, delay_seconds, drop_reply_to
        if mode is Mode.RESET:
            self.reset_connections()
        try:
            yield
        finally:
            self.mode, self.delay_seconds, self.drop_reply_to = Mode.PASS, 0.0, None
            if mode is Mode.STALL:
                self.reset_connections()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
            with suppress(asyncio.CancelledError):
                self._loop.run_until_complete(task)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.mode is Mode.RESET:
            abort(writer)
            return
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            abort(writer)
            return
        conversation = Conversation(self)
        self._open |= {writer, to_server}
        pumps: list[Coroutine[None, None, None]] = [
            conversation.requests(reader, to_server),
            conversation.replies(from_server, writer),
        ]
        try:
            await asyncio.gather(*pumps)
        except OSError:
            pass
        finally:
            for each in (writer, to_server):
                self._open.discard(each)
                abort(each)


class Conversation:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.is_doomed = False

    async def requests(self, reader: asyncio.StreamReader, to_server: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK):
            await self.hold()
            if self.proxy.drop_reply_to is not None and self.proxy.drop_reply_to in chunk:
                self.is_doomed = True
            to_server.write(chunk)
            await to_server.drain()
            if self.proxy.mode is Mode.HALF_CLOSE:
                to_server.write_eof()
        if not to_server.is_closing():
            with suppress(OSError):
                to_server.write_eof()

    async def replies(self, from_server: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await from_server.read(CHUNK):
            if self.is_doomed:
                self.proxy.dropped += 1
                abort(writer)
                return
            await self.hold()
            if self.proxy.delay_seconds:
                await asyncio.sleep(self.proxy.delay_seconds)
            writer.write(chunk)
            await writer.drain()
        writer.close()

    async def hold(self) -> None:
        while self.proxy.mode is Mode.STALL:  # noqa: ASYNC110  the mode is set by another thread
            await asyncio.sleep(0.02)


def abort(writer: asyncio.StreamWriter) -> None:
    plug = writer.get_extra_info("socket")
    if plug is not None:
        with suppress(OSError):
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    writer.transport.abort()


@contextmanager
def proxy_to(port: int) -> Iterator[Proxy]:
    made = Proxy(port)
    made.start()
    try:
        yield made
    finally:
        made.stop()
