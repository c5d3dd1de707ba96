"""What holds for every token and every request, not only for those somebody thought of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from authz.enforcement.compartment import MEMBERSHIPS, concerns, patient_of_reference
from authz.enforcement.decide import decide
from authz.enforcement.fhir_request import FhirRequest, accesses
from authz.enforcement.routes import LETTERS, Kind
from authz.enforcement.url import Undecidable
from tests.enforcement.conftest import SERVER, Memory, token
from tests.enforcement.generated import PIECES, REACHES, SCOPES, near_misses, requests

if TYPE_CHECKING:
    from authz.enforcement.token import Reach


@given(
    st.text(max_size=8) | st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]),
    st.lists(PIECES | st.text(max_size=6), max_size=9).map("".join) | st.text(),
    st.binary(max_size=60) | st.just(b'{"resourceType":"Bundle","type":"batch","entry":[{"request":{}}]}'),
    st.dictionaries(
        st.sampled_from(["content-type", "content-length", "if-none-exist", "x-http-method", "content-encoding"]),
        st.text(max_size=30) | st.sampled_from(["application/fhir+json", "application/x-www-form-urlencoded"]),
    ),
)
@settings(max_examples=400)
def test_whatever_is_asked_the_parser_understands_it_or_says_that_it_does_not(
    method: str, target: str, body: bytes, headers: dict[str, str]
) -> None:
    """What can't be decided is refused: there is no third outcome, and no exception of another kind."""
    for text in (target, f"/r4/{target}"):
        why = ""
        try:
            found = accesses(FhirRequest(method, text, headers, body), SERVER)
        except Undecidable as undecidable:
            found, why = (), undecidable.why
        assert bool(found) is not bool(why)


@given(requests() | near_misses(), REACHES)
def test_without_a_scope_for_resources_only_discovery_is_allowed(asked: FhirRequest, reach: Reach) -> None:
    decision = decide(token("launch openid offline_access", reach=reach), asked, SERVER, Memory())
    assert not decision.is_allowed or all(access.kind is Kind.OPEN for access in accesses(asked, SERVER))


@given(requests() | near_misses(), st.lists(SCOPES, max_size=3), SCOPES, REACHES)
@settings(max_examples=300)
def test_one_more_scope_never_takes_anything_away(
    asked: FhirRequest, scopes: list[str], more: str, reach: Reach
) -> None:
    """SCP-11: scopes add up."""
    if decide(token(" ".join(scopes), reach=reach), asked, SERVER, Memory()).is_allowed:
        assert decide(token(" ".join([*scopes, more]), reach=reach), asked, SERVER, Memory()).is_allowed


@given(requests() | near_misses(), st.lists(SCOPES, min_size=1, max_size=3), REACHES)
@settings(max_examples=300)
def test_a_letter_that_no_scope_has_is_never_used(asked: FhirRequest, scopes: list[str], reach: Reach) -> None:
    """SCP-03, SCP-04."""
    carried = token(" ".join(scopes), reach=reach)
    held = {letter for scope in carried.scopes.resources for letter in scope.interactions}
    if decide(carried, asked, SERVER, Memory()).is_allowed:
        needed = {letter for access in accesses(asked, SERVER) for letter in LETTERS[access.kind]}
        assert needed <= held


@given(
    requests() | near_misses(),
    st.lists(SCOPES.filter(lambda scope: scope.startswith("patient/")), min_size=1, max_size=4),
)
@settings(max_examples=400)
def test_patient_scopes_never_touch_what_names_another_patient(asked: FhirRequest, scopes: list[str]) -> None:
    """SCP-02: ``patient/`` is the data of the one patient in context, whatever is asked."""
    if decide(token(" ".join(scopes), user=None), asked, SERVER, Memory()).is_allowed:
        for access in (found for found in accesses(asked, SERVER) if found.kind is not Kind.OPEN):
            assert (access.type, access.id) not in {("Patient", "2"), ("Observation", "o2"), ("Practitioner", "dr")}
            assert access.compartment in {None, "1"}
            named = [value for name, value in access.pairs if name != "_id" or access.type == "Patient"]
            assert "2" not in "".join(named)  # the _id of another type is not a patient's
            carried = access.body.resource if access.kind in (Kind.CREATE, Kind.UPDATE) else None
            assert carried is None or concerns(carried, {"1"})


REFERENCES = (
    st.none() | st.text(max_size=12) | st.sampled_from(["Patient/1", "Patient/2", "Group/1", "#p", "urn:x", "1"])
)


@given(
    type_=st.sampled_from([*MEMBERSHIPS, "Group", "Practitioner"]),
    references=st.lists(REFERENCES, max_size=3),
    alone=st.booleans(),
)
def test_a_resource_is_a_patients_only_if_it_says_so_plainly_and_names_nobody_else(
    type_: str, references: list[str | None], *, alone: bool
) -> None:
    """SCP-02, SCP-07."""
    values: list[dict[str, Any]] = [{} if text is None else {"reference": text} for text in references]
    membership = MEMBERSHIPS.get(type_)
    element = membership.elements[0] if membership else "subject"
    first, _, rest = element.partition(".")
    resource = {"resourceType": type_, first: [{rest: value} for value in values] if rest else values}
    if concerns(resource, {"1"}, alone=alone):
        assert membership is not None
        assert "Patient/1" in references
        assert not alone or "Patient/2" not in references


@given(st.text(max_size=20), st.sampled_from(["", "https://fhir.example/r4"]))
def test_a_reference_is_a_patients_only_in_two_spellings(text: str, base: str) -> None:
    found = patient_of_reference(text, (base,) if base else ())
    assert found is None or text == f"Patient/{found}"
    assert patient_of_reference(f"https://elsewhere.example/Patient/{text}", (base,)) is None
