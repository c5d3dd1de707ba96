"""Where a FHIR server lets apps keep state in Basic, each app gets at its own kinds of it only (SMART section 20)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from authz.errors import InvalidValue
from authz.tokens.model import GrantRow
from tests.world import ISSUER

if TYPE_CHECKING:
    from tests.world import World

SMART = "/fhir-servers/main/.well-known/smart-configuration"
MINE = "https://app.example|prefs"
ALSO_MINE = "https://app.example|layout"
THEIRS = "https://other-app.example|prefs"
STATE = {"url": "https://state.example/fhir", "capabilities": ["smart-app-state"]}
WHERE = [{"app_state": True}, {"associated_endpoints": (STATE,)}]


def configure(world: World, **changes: Any) -> None:
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", changes)


def register(world: World, *codes: str) -> None:
    with world.services.db.write() as session:
        world.services.clients.update(session, "public", {}, {"app_state_codes": codes})


def granted(world: World, scope: str) -> str:
    handle = str(world.ehr.launch("public", "Practitioner/dr", patient="A")["launch"])
    return str(world.public.tokens(handle, f"launch {scope}")["scope"]).removeprefix("launch").strip()


def document(world: World) -> dict[str, Any]:
    return dict(world.transport.send("GET", ISSUER + SMART).json())


def test_it_is_promised_only_where_it_is_configured(world: World) -> None:
    """APS-01, FIELD discovery.associated_endpoints, FIELD discovery.smart_app_state_endpoint.

    CAPABILITY smart-app-state. The deprecated member is never sent.
    """
    plain = document(world)
    assert "associated_endpoints" not in plain
    assert "smart-app-state" not in plain["capabilities"]
    configure(world, app_state=True)
    *others, messages = plain["capabilities"]
    assert document(world) == {**plain, "capabilities": [*others, "smart-app-state", messages]}
    configure(world, app_state=False, associated_endpoints=(STATE,))
    assert document(world) == {**plain, "associated_endpoints": [STATE]}
    assert "smart_app_state_endpoint" not in document(world)


@pytest.mark.parametrize("where", WHERE, ids=["same base", "another base"])
@pytest.mark.parametrize("level", ["patient", "user"])
def test_an_app_gets_its_own_kinds_of_state_and_no_others(world: World, where: dict[str, Any], level: str) -> None:
    """APS-08, APS-09: letters as asked, without r; one coding or several, all of them registered."""
    register(world, MINE, ALSO_MINE)
    configure(world, **where)
    for own in (f"{level}/Basic.cuds?code={MINE}", f"{level}/Basic.s?code={MINE},{ALSO_MINE}"):
        assert granted(world, own) == own
    for other in (
        f"{level}/Basic.cuds",
        f"{level}/Basic.rs?subject=Patient/A",
        f"{level}/Basic.cuds?code={THEIRS}",
        f"{level}/Basic.s?code={MINE},{THEIRS}",
        f"{level}/Basic.s?code=prefs",
        f"{level}/Basic.read",
    ):
        assert granted(world, f"{level}/Patient.r {other}") == f"{level}/Patient.r", other
    assert granted(world, f"{level}/Basic.s?code={THEIRS}&code={MINE}"), "both must match, so it is its own"


def test_the_verdict_says_what_is_registered(world: World) -> None:
    """APS-08: the developer reads how to ask."""
    register(world, MINE)
    configure(world, app_state=True)
    granted(world, "patient/Patient.r patient/Basic.rs")
    with world.services.db.read() as session:
        (grant,) = session.scalars(select(GrantRow))
        (verdict,) = [one for one in grant.verdicts if one["requested"] == "patient/Basic.rs"]
    assert (verdict["outcome"], verdict["reason"]) == ("dropped", "not_registered")
    assert verdict["detail"].endswith(f"ask with ?code= for a coding registered for this app ({MINE})")


def test_an_app_without_codings_keeps_no_state(world: World) -> None:
    """APS-08, APS-10: what is not said for an app, it has not."""
    configure(world, app_state=True)
    assert granted(world, f"patient/Patient.r patient/Basic.cuds?code={MINE}") == "patient/Patient.r"


def test_what_an_app_has_lost_is_not_refreshed(world: World) -> None:
    """Decision 20: the codings are asked again at every refresh."""
    register(world, MINE)
    configure(world, app_state=True)
    handle = str(world.ehr.launch("public", "Practitioner/dr", patient="A")["launch"])
    scope = f"launch patient/Patient.r online_access patient/Basic.cuds?code={MINE}"
    tokens = world.public.tokens(handle, scope)
    assert tokens["scope"] == scope
    register(world)
    assert world.public.refresh(tokens["refresh_token"]).json()["scope"] == "launch patient/Patient.r online_access"


def test_without_the_feature_basic_is_a_resource_like_others(world: World) -> None:
    assert granted(world, "patient/Basic.rs") == "patient/Basic.rs"


@pytest.mark.parametrize("code", ["prefs", "|prefs", "https://app.example|", "https://app.example|a,b", "x y|prefs"])
def test_a_coding_has_a_system_and_a_code(world: World, code: str) -> None:
    """APS-06, APS-08: system|code."""
    with pytest.raises(InvalidValue, match=r"write it as system\|code"):
        register(world, code)


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        ({"url": "http://state.example/fhir", "capabilities": ["smart-app-state"]}, "use https"),
        ({"url": "state", "capabilities": ["smart-app-state"]}, "must be an absolute URL"),
        ({"url": "https://state.example/fhir", "capabilities": []}, "say what it can do"),
        ({"url": "https://state.example/fhir", "capabilities": ["launch-ehr"]}, "one of your own is a URI"),
    ],
)
def test_an_associated_endpoint_that_can_not_be_is_refused(world: World, endpoint: dict[str, Any], why: str) -> None:
    """DISC-04, CAP-02."""
    with pytest.raises(InvalidValue, match=why):
        configure(world, associated_endpoints=(endpoint,))
