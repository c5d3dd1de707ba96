"""The server's clock jumps; its signing keys are changed while apps go on (security.md R-15, R-16)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from authz.keyring.rotation import Rotation
from tests.attacks.live.clock import SharedClock
from tests.faults.campaign import Campaign
from tests.faults.load import OneByOne
from tests.faults.site import site

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.site import Site
    from tests.servers import PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.fault, pytest.mark.campaign]

NOT_ASKED = frozenset({"I5"})  # by the client's clock, which is right, tokens end too early
LONGEST = 3600.0


def test_the_clock_steps_back_and_forth(tmp_path: Path, postgres: PostgresServer) -> None:
    """R-15: an hour forward and an hour back; what was used, revoked or over stays so, and no lifetime is negative."""
    clock = SharedClock(tmp_path / "clock")

    def step(running: Site) -> None:
        for hours in (1, -1, -1, 1):
            clock.forward(hours=hours)
            time.sleep(1.5)
        assert running.workers

    with site(tmp_path, postgres, FAULT_CLOCK=tmp_path / "clock") as running:
        history = Campaign("R-15 clock steps by an hour", 15, not_asked=NOT_ASKED).run(running, step)
    lifetimes = [each.answer["expires_in"] for each in history.ledger.operations if "expires_in" in each.answer]
    assert all(0 < seconds <= LONGEST for seconds in lifetimes)


def test_keys_are_rotated_while_tokens_are_signed(tmp_path: Path, postgres: PostgresServer) -> None:
    """R-16, I11: each signature verifies with the keys that any worker publishes; a key that begins to sign was
    published before, to whoever keeps the key set as long as it may.
    """
    clock = SharedClock(tmp_path / "clock")

    with site(tmp_path, postgres, FAULT_CLOCK=tmp_path / "clock") as running:
        made = running.app.extensions["authz"]
        made.keyring.now = clock
        rotation = Rotation(made.keyring, running.settings.jwks_max_age_seconds)
        transport = OneByOne(running.issuer)

        def rotate(running: Site) -> None:
            clock.forward(seconds=61)  # every process has read its keys anew
            kept = {key["kid"] for key in transport.send("GET", f"{running.issuer}/jwks").json()["keys"]}
            clock.forward(seconds=running.settings.jwks_max_age_seconds)
            with running.app.app_context(), made.db.write() as session:
                *_, active, _following = rotation.rotate(session)
            assert active.kid in kept
            time.sleep(2)

        history = Campaign("R-16 keys rotated", 16, not_asked=NOT_ASKED).run(running, rotate)
        with running.app.app_context():
            made.db.engine.dispose()
    assert sum(each.op == "verify" for each in history.ledger.operations) > 10
