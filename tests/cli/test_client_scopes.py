from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from authz.cli.client_scopes import use
from authz.scopes import ScopeSet
from tests.cli.conftest import Cli

if TYPE_CHECKING:
    from tests.world import World

EARLIER, LATER = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)


def cli(world: World) -> Cli:
    settings = world.services.settings
    return Cli(
        {
            "AUTHZ_ISSUER": settings.issuer,
            "AUTHZ_DATABASE_URL": settings.database_url,
            "AUTHZ_SHORT_LIVED_PATH": str(settings.short_lived_path),
            "AUTHZ_KEYS_DIR": str(settings.keys_dir),
        }
    )


def test_scopes_that_are_registered_and_never_used_are_found(world: World) -> None:
    """REQ-55: after one launch, beside those that were granted, and how much of them."""
    handle = str(world.ehr.launch("public", "Practitioner/dr", patient="A")["launch"])
    world.public.tokens(handle, "launch openid patient/Observation.rs")
    now = world.clock().isoformat()
    reported = {line.pop("scope"): line for line in cli(world)("client", "scopes", "public")}
    used = {name: line["granted"] for name, line in reported.items() if line["last_granted"] == now}
    assert used == {"launch": "launch", "openid": "openid", "patient/*.cruds": "patient/Observation.rs"}
    unused = {name for name, line in reported.items() if line == {"granted": "", "last_granted": None}}
    assert unused == set(reported) - set(used) >= {"user/*.cruds", "offline_access", "profile"}
    assert cli(world).refused("client", "scopes", "nobody")["error_description"] == "there is no client nobody"


def test_the_last_time_counts_and_every_part_is_named() -> None:
    granted = [("patient/Condition.r openid", EARLIER), ("patient/Observation.rs", LATER)]
    assert list(use(ScopeSet.parse("patient/*.read openid launch"), granted)) == [
        {
            "scope": "patient/*.read",
            "granted": "patient/Condition.r patient/Observation.read",
            "last_granted": LATER.isoformat(),
        },
        {"scope": "openid", "granted": "openid", "last_granted": EARLIER.isoformat()},
        {"scope": "launch", "granted": "", "last_granted": None},
    ]
