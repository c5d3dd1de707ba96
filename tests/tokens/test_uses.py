"""What an app was granted over time, on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from authz.scopes import ScopeSet
from authz.tokens.store import NewGrant
from authz.tokens.uses import granted_scopes, requested_since
from tests.registries import made, postgres_url

if TYPE_CHECKING:
    from datetime import datetime

    from tests.registries import Registries

__all__ = ["made", "postgres_url"]


def grant(made: Registries, name: str, scope: str, at: datetime, client_id: str = "app") -> None:
    asked = tuple({"requested": one, "verdict": "granted"} for one in f"{scope} openid".split())
    new = NewGrant(client_id=client_id, sub=None, fhir_server="main", scope=ScopeSet.parse(scope), verdicts=asked)
    with made.db.write() as session:
        session.add(new.as_row(name, at))


def test_what_an_app_asked_for_and_was_granted(made: Registries) -> None:
    """Each scope once, as it was spelled; what is older, or another app's, is not told of."""
    made.add_fhir_server()
    now = made.clock()
    grant(made, "old", "system/Encounter.rs", now - timedelta(days=3))
    grant(made, "first", "system/Patient.rs", now - timedelta(days=1))
    grant(made, "again", "system/Patient.rs", now)
    grant(made, "other", "system/Device.rs", now, "other")
    with made.db.read() as session:
        assert requested_since(session, "app", now - timedelta(days=2)) == {"system/Patient.rs", "openid"}
        assert granted_scopes(session, "app") == [
            ("system/Encounter.rs", now - timedelta(days=3)),
            ("system/Patient.rs", now),
        ]
