"""What a WSGI server loads: ``gunicorn -c config/gunicorn.conf.py wsgi:app``."""

from __future__ import annotations

import sys

from authz import app as application
from authz import logs
from authz.endpoints import pages
from authz.errors import Unavailable
from authz.settings import ConfigurationError, Settings

try:
    settings = Settings.load()
    logs.configure(settings.log_level)
    app = application.create_app(settings)
    application.check(app)
    pages.warm(app)
except ConfigurationError as error:
    sys.exit("\n".join(f"authz does not start: {problem}" for problem in error.problems))
except Unavailable as error:
    sys.exit(f"authz does not start: {error}")
