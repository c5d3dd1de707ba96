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
assert answer.status_code == 200, answer.text
print(*sys.modules)
"""
WIRE = """
import sys
from authz.app import create_app
from authz.settings import Settings

app = create_app(Settings.load())
print(*sys.modules)
"""
CONFIGURE = """
import gc, runpy, sys

meanwhile = []

def collects(phase, info):
    app = sys.modules.get("authz.app")
    if app and not hasattr(app, "note_stop"):  # its last function
        meanwhile.append(info["generation"])

gc.callbacks.append(collects)
runpy.run_path("config/gunicorn.conf.py")
print(len(meanwhile), gc.isenabled(), len(gc.get_objects()) < gc.get_freeze_count())
"""
PRELOAD = """
from babel import localedata
import wsgi

assert "en" in localedata._cache  # babel tells nobody else
print(*(key[1] for key in wsgi.app.jinja_env.cache.keys()))
"""
ON_ONE_MACHINE = {"authz.storage.sqlite", "authz.storage.sqlite_truth", "sqlite3"}
ON_SEVERAL = {"authz.storage.redis", "redis", "psycopg"}
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
    return printed(SERVE, environment(world.services.settings, 0))


def printed(program: str, variables: dict[str, str]) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_a_server_loads_nothing_that_it_never_needs(loaded: set[str]) -> None:
    """Memory and time of each start, and of each ``/readyz``, are spent on what serves."""
    assert "authz.storage.revisions" in loaded
    assert {name: reason for name, reason in NEVER.items() if name in loaded} == {}


def test_a_server_loads_the_stores_that_it_uses_and_no_other(world: World, loaded: set[str]) -> None:
    """And loads them when the app is made, before a request asks for them."""
    elsewhere = {"AUTHZ_DATABASE_URL": "postgresql://a@127.0.0.1:1/a", "AUTHZ_REDIS_URL": "redis://127.0.0.1:1/0"}
    on_several = printed(WIRE, environment(world.services.settings, 0) | elsewhere)
    assert loaded >= ON_ONE_MACHINE
    assert loaded.isdisjoint(ON_SEVERAL)
    assert on_several >= ON_SEVERAL
    assert on_several.isdisjoint(ON_ONE_MACHINE)


def test_what_the_first_pages_need_is_made_before_the_workers(world: World) -> None:
    """Issue 9.6: else each worker compiles every template for itself, and has a calendar of its own."""
    made = printed(PRELOAD, environment(world.services.settings, 0))
    assert made == set(world.app.jinja_env.list_templates())


def test_loading_is_not_interrupted_to_look_for_garbage() -> None:
    """And goes on afterwards, without what was loaded."""
    done = subprocess.run([sys.executable, "-c", CONFIGURE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["0", "True", "True"], done.stderr
