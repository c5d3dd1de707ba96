"""What a serving process loads: nothing that only commands, migrations or other stores need (issue 9.6)."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.live import ROOT, environment

if TYPE_CHECKING:
    from tests.world import World

SERVE = """
import sys
from authz import worker
from authz.app import check, create_app
from authz.settings import Settings

app = create_app(Settings.load())
check(app)
answer = app.test_client().get("/readyz")
print(answer.status_code, *sys.modules)
"""
CONFIGURE = """
import gc, runpy, sys

meanwhile = []

def collects(phase, info):
    app = sys.modules.get("authz.app")
    if app and not hasattr(app, "end_background"):  # its last function
        meanwhile.append(info["generation"])

gc.callbacks.append(collects)
runpy.run_path("config/gunicorn.conf.py")
print(len(meanwhile), gc.isenabled(), len(gc.get_objects()) < gc.get_freeze_count())
"""
NEVER = {
    "alembic": "changes schemas: authz.storage.revisions only reads where one stands",
    "mako": "Alembic's",
    "authz.cli": "the command line",
    "authz.doctor": "the command line",
    "demo": "the demo",
    "unittest": "tests",
}


@pytest.fixture
def loaded(world: World) -> set[str]:
    """The modules of a new process that loaded the program as gunicorn does, checked it, and was asked for /readyz."""
    variables = environment(world.services.settings, 0)
    done = subprocess.run(
        [sys.executable, "-c", SERVE], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )
    status, *modules = done.stdout.split()
    assert status == "200", done.stderr
    return set(modules)


def test_a_server_loads_nothing_that_it_never_needs(loaded: set[str]) -> None:
    """Memory and time of each start, and of each ``/readyz``, are spent on what serves."""
    assert "authz.storage.revisions" in loaded
    assert {name: reason for name, reason in NEVER.items() if name in loaded} == {}


def test_loading_is_not_interrupted_to_look_for_garbage() -> None:
    """And goes on afterwards, without what was loaded."""
    done = subprocess.run([sys.executable, "-c", CONFIGURE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["0", "True", "True"], done.stderr
