from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.attacks.catalogue import Catalogue
from tests.attacks.live.serving import in_a_file, in_redis, serving
from tests.servers import postgres_server, redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.attacks.live.target import Target


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Before anything is deselected: what is neither C nor H can wait for ``make test-all``."""
    catalogue = Catalogue.load()
    for item in (item for item in items if item.path.parent == Path(__file__).parent):
        severities = {catalogue.severity(id_) for id_ in catalogue.cited_by(item)}
        if severities and not severities & {"C", "H"}:
            item.add_marker("lesser")


@pytest.fixture(
    scope="session", params=["sqlite", pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.redis])]
)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """One server for the whole suite: SQLite for everything, or PostgreSQL with Redis."""
    folder = tmp_path_factory.mktemp("attacks")
    with ExitStack() as stack:
        if request.param == "sqlite":
            yield stack.enter_context(serving(folder, {}, in_a_file(folder)))
            return
        redis = stack.enter_context(redis_server())
        urls = {
            "database_url": stack.enter_context(postgres_server()).new_database(),
            "redis_url": redis.url,
        }
        yield stack.enter_context(serving(folder, urls, in_redis(redis)))


@pytest.fixture
def target(site: Target) -> Iterator[Target]:
    """The server for one case, which comes from an address of its own; what must hold afterwards is looked at."""
    site.begin()
    with site.app.app_context():
        yield site
        site.end()
