"""What a process that serves does besides: jobs in threads of their own, from its fork to its stop."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, cast

from authz.storage.short_lived import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from authz.services import Services

SWEEP_SECONDS = 60.0
END_SECONDS = 2.0  # for all of them; a job that waits for somebody else's answer is left


@dataclass(frozen=True, slots=True)
class Background:
    """Daemon threads, once per process, after it forked: begun together, and ended by an event."""

    app: Flask
    stop: threading.Event
    threads: tuple[threading.Thread, ...]

    @classmethod
    def begin(cls, app: Flask) -> Self:
        """Seal the trail, sweep the short-lived store, purge what is over, tell of sign-outs, look after new apps."""
        stop, own = threading.Event(), cast("Services", app.extensions["authz"])

        def sweep(stop: threading.Event) -> None:
            while not stop.wait(SWEEP_SECONDS):
                own.trail.sum_up()
                try:
                    own.backend.sweep()
                    own.last_seen.flush()
                except StoreUnavailable:
                    app.logger.warning("the short-lived store could not be swept")
            own.trail.sum_up()

        def run(job: Callable[[threading.Event], None]) -> None:
            with app.app_context():
                job(stop)

        jobs = {
            "sealer": own.sealer.run,
            "sweeper": sweep,
            "purge": own.purge.run,
            "logout notices": own.sign_out.notices.run,
            "registration checks": own.registration.checks.run,
            "approvals": own.registration.automatic.run,
            "registration notices": own.registration.webhook.run,
        }
        if own.exporter is not None:
            jobs["audit export"] = own.exporter.run
        threads = tuple(threading.Thread(target=run, args=(job,), name=name, daemon=True) for name, job in jobs.items())
        for thread in threads:
            thread.start()
        return cls(app, stop, threads)

    def end(self) -> None:
        """At a good stop of this process; what is under way is left so that another process can go on at once.

        The jobs are waited for: one that runs on while the interpreter takes itself apart makes it complain.
        """
        self.stop.set()
        own: Services = self.app.extensions["authz"]
        if own.exporter is not None:
            with self.app.app_context():
                own.exporter.let_go()
        until = time.monotonic() + END_SECONDS
        for thread in self.threads:
            thread.join(max(0.0, until - time.monotonic()))
