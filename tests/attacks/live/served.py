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
app = application.create_app(settings, now=SharedClock(Path(os.environ["ATTACK_CLOCK"])))
application.check(app)
