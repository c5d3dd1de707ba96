"""What gunicorn loads for the attack suite: ``wsgi.py``, but for the tries that a case forgets, and for its clock.

That is ahead of the database's.
"""

from __future__ import annotations

import os
from pathlib import Path

from authz import app as application
from authz import logs
from authz.settings import Settings
from authz.storage import witness
from authz.storage.limiter import LocalCounters
from tests.attacks.live.clock import SharedClock


class Forgetful(LocalCounters):
    """Counts anew when the file says something else."""

    forgotten = Path(os.environ["ATTACK_FORGOTTEN"])
    read = b""

    def count(self, key: str, window_seconds: int, amount: int = 1) -> int:
        said = self.forgotten.read_bytes()
        if said != self.read:
            self.read = said
            self.counts.clear()
        return super().count(key, window_seconds, amount)


settings = Settings.load()
logs.configure(settings.log_level)
witness.seconds_ahead = lambda *_: 0.0
clock = SharedClock(Path(os.environ["ATTACK_CLOCK"]))
app = application.create_app(settings, now=clock)
for keys in (app.extensions["authz"].keyring, app.extensions["authz"].launch_keys):
    keys.monotonic = clock.monotonic  # they are read again once a minute
app.extensions["authz"].limiter.local = Forgetful(clock)
application.check(app)
