"""Run one of the demo's sites: a small threaded server that logs only what went wrong."""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from werkzeug.serving import make_server

from demo.config import DemoConfig

if TYPE_CHECKING:
    from types import FrameType

    from flask import Flask


def config_from_environment() -> DemoConfig:
    """The configuration, or a sentence on stderr and exit code 2."""
    try:
        return DemoConfig.from_env(os.environ)
    except ValueError as error:
        sys.stderr.write(f"demo: {error}\n")
        raise SystemExit(2) from error


def serve(app: Flask, port: int) -> None:
    """Serve until told to stop; a port that is taken is one line and exit code 1."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.getLogger("werkzeug").setLevel(logging.WARNING)

    def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server = make_server("127.0.0.1", port, app, threaded=True)
    server.serve_forever()
