"""Apps hear of sign-outs in turn: who is slow, away, or a stranger delays nobody else (Back-Channel Logout §2.5)."""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import func, select

from authz.clients.decisions import HospitalDecisions
from authz.clients.metadata import ClientMetadata
from authz.notices.turns import Receiver, Turns
from authz.outbound import Answer, FetchFailed, Outbound
from authz.tokens.model import LogoutNoticeRow
from tests.servers import wait_until
from tests.world import APP, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from authz.outbound import Limits
    from authz.outbound.client import Sent
    from tests.world import World

APPROVED, OTHER = f"{APP}/out", "https://conf.example/out"


@dataclass
class Apps(Outbound):
    """Hosts that answer when they are told to, do not answer at all, or do at once."""

    slow: set[str] = field(default_factory=set)
    away: set[str] = field(default_factory=set)
    go: threading.Event = field(default_factory=threading.Event)
    asked: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)

    def exchange(self, url: str, sent: Sent, limits: Limits, *, trusted: bool) -> Answer:
        assert (sent.method, limits.seconds, trusted) == ("POST", 5.0, False)
        host = str(urlsplit(url).hostname)
        self.asked[host] += 1
        if host in self.slow:
            assert self.go.wait(20)
        if host in self.away:
            raise FetchFailed("out of time")
        self.told[host] += 1
        return Answer(200, {}, b"")


@dataclass
class Clinic:
    world: World
    apps: Apps

    def __post_init__(self) -> None:
        self.add("public", APPROVED)
        self.add("confidential", OTHER)

    @property
    def notices(self) -> Any:
        return self.world.services.sign_out.notices

    def add(self, client_id: str, uri: str) -> None:
        with self.world.services.db.write() as session:
            self.world.services.clients.update(session, client_id, {"backchannel_logout_uri": uri}, {})

    def strangers(self, number: int) -> list[str]:
        """Apps that nobody has approved, each with a host of its own."""
        names = [f"stranger-{n}" for n in range(number)]
        for name in names:
            said = {"client_name": name, "redirect_uris": [f"https://{name}.example/cb"], "scope": "openid"}
            said |= {"token_endpoint_auth_method": "none", "backchannel_logout_uri": f"https://{name}.example/out"}
            new, unseen = ClientMetadata.load(said), HospitalDecisions(approved=False)
            with self.world.services.db.write() as session:
                self.world.services.clients.add(session, new, unseen, client_id=name)
        return names

    def due(self, client_id: str, number: int = 1) -> None:
        """So many sessions have ended in which the app was used."""
        with self.world.services.db.write() as session:
            for _ in range(number):
                whom = {"client_id": client_id, "sub": "somebody", "sid": "a session"}
                self.notices.courier.post(session, self.notices, secrets.token_hex(8), **whom)

    def sending(self) -> threading.Thread:
        """The thread of the server, as long as something is due."""

        def send() -> None:
            with self.world.app.app_context():
                self.notices.send_due()

        thread = threading.Thread(target=send)
        thread.start()
        return thread

    def ends(self, *threads: threading.Thread) -> None:
        self.apps.go.set()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()

    def states(self) -> dict[tuple[str, str], int]:
        counted = select(LogoutNoticeRow.client_id, LogoutNoticeRow.state, func.count())
        with self.world.services.db.read() as session:
            rows = session.execute(counted.group_by(LogoutNoticeRow.client_id, LogoutNoticeRow.state))
            return {(row[0], row[1]): row[2] for row in rows}


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    apps = Apps()
    Outbound.__init__(apps)
    made = build(settings_in(tmp_path), apps)
    with made.app.app_context():
        yield Clinic(made, apps)
        made.services.db.engine.dispose()
    made.services.backend.close()


def test_slow_apps_that_nobody_has_approved_delay_no_approved_one(clinic: Clinic) -> None:
    """LO-07: three of ten places are theirs, however many they are and however long they have waited."""
    for name in clinic.strangers(12):
        clinic.due(name, 5)
        clinic.apps.slow.add(f"{name}.example")
    clinic.world.clock.forward(seconds=1)
    clinic.due("public")
    thread = clinic.sending()
    wait_until(lambda: clinic.apps.asked.total() == 4, "three strangers are being told")
    wait_until(lambda: clinic.apps.told["app.example"] == 1, "the approved app hears of it")
    clinic.due("confidential", 20)
    wait_until(lambda: clinic.apps.told["conf.example"] == 20, "what becomes due meanwhile is sent as well")
    assert clinic.apps.asked.total() == 24
    clinic.ends(thread)
    assert clinic.apps.told.total() == 12 * 5 + 21


def test_a_slow_app_delays_only_what_is_sent_to_its_host(clinic: Clinic) -> None:
    """LO-07: two places at most; the others do not wait for the slowest."""
    clinic.due("confidential", 40)
    clinic.apps.slow.add("conf.example")
    clinic.world.clock.forward(seconds=1)
    clinic.due("public", 40)
    thread = clinic.sending()
    wait_until(lambda: clinic.apps.told["app.example"] == 40, "the other app hears of all")
    assert clinic.apps.asked["conf.example"] == 2
    clinic.ends(thread)
    assert clinic.apps.told["conf.example"] == 40


def test_an_app_that_does_not_answer_is_left_alone_with_all_its_notices(clinic: Clinic) -> None:
    """LO-07: ten seconds after the first failure, a minute after each more in a row; then it is told of everything."""
    clinic.apps.away.add("conf.example")
    clinic.due("confidential", 30)
    clinic.due("public", 3)
    clinic.notices.send_due()
    assert (clinic.apps.asked["conf.example"], clinic.apps.told["app.example"]) == (2, 3)
    for seconds, asked in ((59, 2), (1, 4), (59, 4), (1, 6)):
        clinic.world.clock.forward(seconds=seconds)
        clinic.notices.send_due()
        assert clinic.apps.asked["conf.example"] == asked
    clinic.apps.away.clear()
    clinic.world.clock.forward(minutes=30)
    clinic.notices.send_due()
    assert clinic.states() == {("confidential", "told"): 30, ("public", "told"): 3}


def test_what_is_a_day_old_is_not_tried_again(clinic: Clinic) -> None:
    """What waits for an app that is gone for good does not grow without end."""
    clinic.apps.away.add("conf.example")
    clinic.due("confidential", 2)
    clinic.world.clock.forward(days=1)
    assert clinic.notices.send_due() == 2
    assert clinic.states() == {("confidential", "given_up"): 2}


def test_whose_turn_was_longest_ago_is_next(clinic: Clinic) -> None:
    """However many wait for one receiver, and for how long."""
    turns, now = Turns(), clinic.world.clock()
    receivers = {"s": Receiver("a.example", is_approved=False), "a": Receiver("a.example"), "b": Receiver("b.example")}
    oldest = dict.fromkeys(receivers, now)
    assert turns.order(receivers, oldest, now) == ["a", "b", "s"]
    turns.take(receivers["a"])
    assert turns.order(receivers, oldest, now) == ["b", "a", "s"]
    turns.failed(receivers["s"], now)  # what a stranger has registered at its host is not the approved app's
    assert turns.order(receivers, oldest, now) == ["b", "a"]
