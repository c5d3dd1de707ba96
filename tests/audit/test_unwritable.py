"""Where the trail can't be written nothing is issued; what was issued is still told (security.md AU-4)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import func, select, text

from authz.tokens.model import AccessTokenRow, RefreshTokenRow

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from tests.world import World

SCOPE = "launch openid offline_access patient/*.rs"


@contextmanager
def trail_away(world: World) -> Iterator[None]:
    """The database answers, but not for the trail."""

    def rename(name: str, to: str) -> None:
        with world.services.db.write() as session:
            session.execute(text(f"ALTER TABLE {name} RENAME TO {to}"))

    rename("audit_event", "audit_event_away")
    yield
    rename("audit_event_away", "audit_event")


def launch(world: World) -> str:
    return str(world.ehr.launch("public", "Practitioner/dr", patient="A")["launch"])


def rows(world: World) -> tuple[int, int]:
    with world.services.db.read() as session:
        counts = [session.scalar(select(func.count()).select_from(t)) or 0 for t in (AccessTokenRow, RefreshTokenRow)]
    return counts[0], counts[1]


def test_no_token_is_issued_and_the_code_stays_good(world: World) -> None:
    """AU-4, I8: 503 with Retry-After; the transaction that would have spent the code is undone as a whole."""
    code = world.public.code(launch(world), SCOPE)
    with trail_away(world):
        before = rows(world)
        refused = world.public.redeem(code)
        assert (refused.status, refused.json()["error"]) == (503, "temporarily_unavailable")
        assert refused.headers["retry-after"]
        assert rows(world) == before
    assert world.public.redeem(code).status == 200


def test_no_token_is_refreshed_and_the_refresh_token_stays_good(world: World) -> None:
    """AU-4."""
    tokens = world.public.tokens(launch(world), SCOPE)
    with trail_away(world):
        before = rows(world)
        assert world.public.refresh(tokens["refresh_token"]).status == 503
        assert rows(world) == before
    assert world.public.refresh(tokens["refresh_token"]).status == 200


def test_introspection_goes_on(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """AU-4: of a live token, of an unknown one; and of a caller who is nobody, which is logged as an alarm."""
    token = world.public.tokens(launch(world), SCOPE)["access_token"]
    with trail_away(world):
        assert world.fhir_server.introspect(token)["active"]
        assert world.fhir_server.introspect("unknown") == {"active": False}
        nobody = world.app.test_client().post("/introspect", data={"token": token})
        assert nobody.status_code == 401
    assert "a refusal could not be put on the audit trail: introspection.refused" in caplog.messages
