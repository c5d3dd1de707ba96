"""The running server tells an app of a sign-out: its own thread, a real connection, on both databases."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from tests.live import live_server
from tests.servers import postgres_server, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Receiver(BaseHTTPRequestHandler):
    """An app's ``backchannel_logout_uri``."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(parse_qs(body.decode())["logout_token"][0])  # type: ignore[attr-defined]  # for the test
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def receiver() -> Iterator[Any]:
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    server.got = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_an_ehr_session_ends_and_the_app_hears_of_it_once(tmp_path: Path, receiver: Any, database: str) -> None:
    """Back-Channel Logout §2.5, LO-06: off the request, by one of two workers."""
    with ExitStack() as stack:
        url = stack.enter_context(postgres_server()).new_database() if database == "postgres" else ""
        live = stack.enter_context(live_server(tmp_path, url, outbound_networks="127.0.0.0/8"))
        made = live.app.extensions["authz"]
        with live.app.app_context(), made.db.write() as session:
            to = {"backchannel_logout_uri": f"http://127.0.0.1:{receiver.server_port}/out"}
            made.clients.update(session, "public", to, {})
        launch = live.ehr.launch(
            "public", "Practitioner/dr", patient="A", session="shift", launch_url="https://app.example/launch"
        )
        live.public.tokens(str(launch["launch"]), "launch openid patient/*.rs online_access")
        assert live.ehr.end_session("shift").status == 204
        wait_until(lambda: bool(receiver.got), "the logout token")
        with live.app.app_context():
            (token,) = receiver.got
            assert made.keyring.verify(token, "logout+jwt")["aud"] == "public"
            assert made.sign_out.notices.send_due() == 0
