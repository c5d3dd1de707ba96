"""A resource that an app sends: read, checked, and brought to the form in which it is decided upon and stored."""

from __future__ import annotations

import json
import re
from typing import Any

from authz.enforcement.compartment import MEMBERSHIPS
from demo.fhir_server.errors import FhirError
from demo.fhir_server.parameters import Resource, relative

ID = re.compile(r"[A-Za-z0-9.\-]{1,64}")
MAX_DEPTH = 40
REQUIRED = {
    "Observation": ("status", "code", "subject"),
    "Condition": ("subject",),
    "Encounter": ("status", "class", "subject"),
    "AllergyIntolerance": ("patient",),
    "MedicationRequest": ("status", "intent", "subject"),
    "Immunization": ("status", "vaccineCode", "patient"),
    "ServiceRequest": ("status", "intent", "subject"),
    "RelatedPerson": ("patient",),
}


def parse_resource(body: bytes, type_: str, base: str) -> Resource:
    """Parse and check; raises FhirError 400 for what is no such resource and 422 for one that lacks something."""
    try:
        value = json.loads(body)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()  # it must also be possible to send it back
    except (ValueError, RecursionError) as error:
        raise FhirError(400, "structure", "the body is not JSON") from error
    if not isinstance(value, dict) or value.get("resourceType") != type_:
        raise FhirError(400, "structure", f"the body must be a JSON object of resourceType {type_}")
    if _depth(value) > MAX_DEPTH:
        raise FhirError(400, "structure", "the body is nested too deeply")
    missing = [name for name in REQUIRED.get(type_, ()) if not value.get(name)]
    if missing:
        raise FhirError(422, "required", f"{type_} needs {', '.join(missing)}")
    element = MEMBERSHIPS[type_].elements[0] if type_ in MEMBERSHIPS else ""
    holder = value.get(element)
    if isinstance(holder, dict) and isinstance(holder.get("reference"), str):
        value = {**value, element: {**holder, "reference": relative(holder["reference"], base)}}
    return value


def _depth(value: Any) -> int:
    """How deeply objects and arrays are nested, counted level by level."""
    depth, level = 0, [value]
    while level:
        depth += 1
        containers = [v for v in level if isinstance(v, dict | list)]
        level = [child for v in containers for child in (v.values() if isinstance(v, dict) else v)]
    return depth
