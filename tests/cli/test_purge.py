from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from authz.clients.model import SeenAssertionRow
from tests.cli.test_audit_commands import with_server

if TYPE_CHECKING:
    from authz.services import Services
    from tests.cli.conftest import Cli


def test_what_is_over_is_told_and_then_goes(authz: Cli) -> None:
    """An operator sees what would go before it does; a rehearsal changes nothing."""

    def seen(made: Services) -> None:
        with made.db.write() as session:
            long_ago = datetime.now(UTC) - timedelta(days=3)
            session.add_all(SeenAssertionRow(digest=str(number), expires_at=long_ago) for number in range(3))

    with_server(authz, seen)
    nothing = authz("purge", "--dry-run")
    assert nothing.pop("seen_assertion") == 3
    assert set(nothing.values()) == {0}
    assert authz("purge")["seen_assertion"] == 3
    assert not any(authz("purge", "--dry-run").values())
