"""What gunicorn loads for the attack suite: ``wsgi.py``, but for its clock."""

from __future__ import annotations

import os
from pathlib import Path

from authz import app as application
from authz import logs
from authz.settings import Settings
from tests.attacks.live.clock import SharedClock

settings = Settings.load()
logs.configure(settings.log_level)
clock = SharedClock(Path(os.environ["ATTACK_CLOCK"]))
app = application.create_app(settings, now=clock)
for keys in (app.extensions["authz"].keyring, app.extensions["authz"].launch_keys):
    keys.monotonic = clock.monotonic  # they are read again once a minute
application.check(app)
