"""Who acts for whom is said by a FHIR server that this server can't keep apps from writing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authz.doctor.who_is_who import who_is_who

if TYPE_CHECKING:
    from tests.world import World


def told(world: World, **changes: Any) -> list[tuple[str, str, str]]:
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", changes)
    return [(one.id, one.about, one.problem) for one in who_is_who(world.services)]


def said(types: str) -> list[tuple[str, str, str]]:
    problem = f"people are known and act for others by its {types}, which apps may be let write"
    return [("fhir.who_is_who", "main", problem)]


def test_a_fhir_server_that_is_believed_and_enforces_by_itself_is_warned_of(world: World) -> None:
    """SCP-01, CTX-13: a clinician passes on patient/*.cruds by default; /forward-auth needs an upstream_url."""
    assert told(world) == []
    assert told(world, representation_links=True) == said("Patient, Person, RelatedPerson")
    assert told(world, upstream_url="http://127.0.0.1:8080/fhir") == []


def test_where_nobody_may_pass_on_such_scopes_there_is_nothing_to_warn_of(world: World) -> None:
    """REQ-69: the ceilings are the hospital's; what staff write with scopes of their own is for staff to say."""
    staff = dict.fromkeys(("Practitioner", "PractitionerRole"), "patient/*.rs user/*.cruds")
    assert told(world, representation_links=True, scope_ceilings=staff) == []
    for_all = {**staff, "Patient": "patient/*.rs user/RelatedPerson.u"}
    assert told(world, scope_ceilings=for_all) == said("RelatedPerson")


def test_a_search_for_who_signed_in_is_warned_of_as_well(world: World) -> None:
    """FHIR search: by what a Patient may write of themselves they could be found as somebody else."""
    for search, types in (("Patient", "Patient"), ("Practitioner", "")):
        rule = f"hospital:{search}?identifier=http://state.example|{{number}}"
        with world.services.db.write() as session:
            world.services.federation.rulebook.update(session, "main", {"searches": [rule]})
        assert told(world) == (said(types) if types else [])
