"""Which requests a token may make: a table, each row with what is said about it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from authz.enforcement.decide import decide, is_open, understood
from authz.enforcement.token import Reach
from authz.errors import Unavailable
from tests.enforcement.conftest import MINE, SERVER, THEIRS, Memory, observation, token
from tests.enforcement.table import ALL, LAB, ROWS, identity, request

if TYPE_CHECKING:
    from authz.enforcement.fhir_request import FhirRequest


@pytest.mark.parametrize(("scope", "asked", "why"), ROWS, ids=identity)
def test_a_request_is_allowed_only_within_patient_type_letters_and_constraints(
    scope: str, asked: FhirRequest, why: str
) -> None:
    """SCP-02, SCP-03, SCP-04, SCP-05, SCP-06, SCP-07, SCP-13, SCP-15, PROC-05, RS-03, OID-14, AMB-10, REQ-103.

    REQ-114.
    """
    records = Memory(versions={"Observation/o1/1": MINE, "Observation/o1/2": THEIRS})
    decision = decide(token(scope), asked, SERVER, records)
    assert why in decision.why if why else decision.why == "", decision.why
    assert decision.is_allowed is (why == "")


def test_the_scope_that_would_have_been_needed_is_told() -> None:
    """REQ-93: ``insufficient_scope`` names it (RFC 6750 §3)."""
    asked = request("POST", "/Observation", MINE, if_none_exist="patient=1")
    assert decide(token("patient/Patient.r"), asked, SERVER, Memory()).scope == "patient/Observation.cs"
    assert decide(token("", patient=None), asked, SERVER, Memory()).scope == "user/Observation.cs"
    assert decide(token("", patient=None, user=None), asked, SERVER, Memory()).scope == "system/Observation.cs"


def test_user_scopes_of_patients_and_representatives_reach_their_own_records_only() -> None:
    """SCP-01, REQ-109: a scope never enlarges what the user may do."""
    parent = token("user/*.cruds", patient=None, user="RelatedPerson/rel", reach=Reach(frozenset({"1", "3"})))
    for asked, allowed in (
        (request("GET", "/Observation/o1"), True),
        (request("GET", "/Observation/o2"), False),
        (request("GET", "/Observation?patient=1,3"), True),
        (request("GET", "/Observation?patient=1,2"), False),
        (request("GET", "/Practitioner/dr"), False),
        (request("GET", "/Patient/1/$everything"), False),
        (request("POST", "/Observation", observation("n", "3")), True),
    ):
        assert decide(parent, asked, SERVER, Memory()).is_allowed is allowed, asked
    stranger = replace(parent, user_reach=Reach())
    assert not decide(stranger, request("GET", "/Observation?patient=1"), SERVER, Memory()).is_allowed


def test_a_patient_scope_without_a_patient_in_the_token_reaches_nobody() -> None:
    """CTX-10: without a patient in context there is nothing a patient scope could be about."""
    orphan = token("patient/*.cruds", patient=None)
    assert "nobody in context" in decide(orphan, request("GET", "/Observation/o1"), SERVER, Memory()).why


def test_a_parameter_that_the_fhir_server_does_not_know_limits_nothing() -> None:
    """FHIR lets a server ignore unknown parameters: ``Observation?patient=1`` would then return everybody's."""
    for name in ("patient", "category"):
        deaf = Memory(deaf_to=frozenset({name}))
        asked = request("GET", "/Observation?patient=1&category=laboratory")
        assert not decide(token(LAB), asked, SERVER, deaf).is_allowed


def test_a_search_is_decided_without_asking_the_fhir_server() -> None:
    records = Memory()
    assert decide(token(LAB), request("GET", "/Observation?patient=1&category=laboratory"), SERVER, records).is_allowed
    assert decide(token(ALL), request("GET", "/Patient/1"), SERVER, records).is_allowed
    assert records.asked == []


def test_a_fhir_server_that_can_not_be_asked_is_no_yes() -> None:
    class Silent(Memory):
        def holds(self, _question: object) -> bool:
            raise Unavailable("no answer")

    with pytest.raises(Unavailable):
        decide(token(ALL), request("GET", "/Observation/o1"), SERVER, Silent())


@pytest.mark.parametrize("target", ["/metadata", "/metadata?mode=full", "/.well-known/smart-configuration.json"])
def test_discovery_is_open_to_everybody(target: str) -> None:
    """RS-04, SMART DISC-01."""
    assert is_open(understood(request("GET", target), SERVER)[0])
    assert not is_open(understood(request("POST", target, {}), SERVER)[0])
    assert not is_open(understood(request("GET", f"{target}/x".replace("?mode=full", "")), SERVER)[0])
