"""The demo's four sites on free ports, in threads, around the fake authorization server."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Thread
from typing import TYPE_CHECKING

from werkzeug.serving import make_server

from demo.app import create_app
from demo.authorization_server import AuthorizationServer
from demo.config import EHR_CREDENTIAL, FHIR_CREDENTIAL, REFERRAL_CREDENTIAL, DemoConfig
from demo.ehr import create_ehr
from demo.fhir_server import create_fhir_server
from tests.demo.fake_server import FakeState, create_fake_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask import Flask


@dataclass(frozen=True)
class Sites:
    config: DemoConfig
    state: FakeState


def four_free_ports() -> int:
    """The first of four neighbouring ports that nothing listens on."""
    for base in random.sample(range(20_000, 30_000, 4), 50):
        with ExitStack() as stack, suppress(OSError):
            for port in range(base, base + 4):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return base
    raise AssertionError("no four free ports in a row")


@contextmanager
def _served(app: Flask, port: int) -> Iterator[None]:
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def running_sites(folder: Path, base: int | None = None) -> Iterator[Sites]:
    config = DemoConfig(base or four_free_ports(), folder)
    state = FakeState(config)
    server = AuthorizationServer(config)

    def now() -> datetime:
        return datetime.now(UTC)

    apps = (
        create_fake_server(state),
        create_ehr(config, server, EHR_CREDENTIAL, now),
        create_app(config, server, REFERRAL_CREDENTIAL, now),
        create_fhir_server(config, server, FHIR_CREDENTIAL, now),
    )
    with ExitStack() as stack:
        for number, app in enumerate(apps):
            stack.enter_context(_served(app, config.port_base + number))
        yield Sites(config, state)
