"""Which resources of a FHIR server say here who somebody is, or for whom they act: who may write them can say it.

By representation links a RelatedPerson, a Person and the state of a Patient do; a rule for the sign-in does by the
resources it searches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authz.fhir_servers.registry import FhirServer
    from authz.users.sign_in_rules import SignInRules

    Telling = Mapping[str, frozenset[str]]  # per resource type the elements that count; none named: all of it

WHOLE = frozenset[str]()
OF_A_PATIENT = frozenset({"active", "identifier", "link"})  # in use, who in the hospital's books, merged into whom


def telling(server: FhirServer, rules: SignInRules) -> Telling:
    """What is believed of this FHIR server; nothing, unless the hospital has switched on that it is."""
    found: dict[str, frozenset[str]] = {}
    if server.representation_links:
        found = {"Patient": OF_A_PATIENT, "Person": WHOLE, "RelatedPerson": WHOLE}
    if rules.person_links:
        found["Person"] = WHOLE
    for template in rules.every_template():
        is_by_number = template.resource_type == "Patient" and template.goes_by_identifier
        if not is_by_number:
            found[template.resource_type] = WHOLE
        else:
            found.setdefault("Patient", OF_A_PATIENT)
    return found
