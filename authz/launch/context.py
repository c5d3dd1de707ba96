"""What the EHR knew at the moment of a launch, as the app will learn it (SMART 2.2 "Launch context")."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

# name of a member in JSON -> name of the field; fhirContext and extension members have rules of their own
MEMBERS = {
    "patient": "patient",
    "encounter": "encounter",
    "need_patient_banner": "need_patient_banner",
    "intent": "intent",
    "smart_style_url": "smart_style_url",
    "tenant": "tenant",
    "appContext": "app_context",
}


@dataclass(frozen=True, slots=True)
class FhirContextItem:
    """One item of ``fhirContext``: something else that was open in the EHR (SMART 2.2 "fhirContext", FCX-01..06)."""

    reference: str | None = None  # relative: "ImagingStudy/123"
    canonical: str | None = None
    identifier: dict[str, Any] | None = None
    type: str | None = None
    role: str | None = None  # absent means "launch"
    more: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, members: Mapping[str, Any]) -> Self:
        known = {
            name: members[name] for name in ("reference", "canonical", "identifier", "type", "role") if name in members
        }
        return cls(**known, more={name: value for name, value in members.items() if name not in known})

    @property
    def resource_type(self) -> str | None:
        """What kind of thing it is, if it says so."""
        return self.type if self.reference is None else self.reference.partition("/")[0]

    def as_dict(self) -> dict[str, Any]:
        known = {
            "reference": self.reference,
            "canonical": self.canonical,
            "identifier": self.identifier,
            "type": self.type,
            "role": self.role,
        }
        return {name: value for name, value in known.items() if value is not None} | self.more


def context_types(parameters: Mapping[str, Any]) -> frozenset[str]:
    """The resource types of the items of ``fhirContext``, in either dialect, as far as these say one (FCX-07)."""
    items = parameters.get("fhirContext", ())
    read = [FhirContextItem(item) if isinstance(item, str) else FhirContextItem.from_dict(item) for item in items]
    return frozenset(found for item in read if (found := item.resource_type) is not None)


def in_strings(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The same context as SMART 2.0 has it: ``fhirContext`` is an array of references (VER-10, AMB-27).

    What it can't say is left out. An item with a role is, too: as a bare reference it would be taken for what the
    user was looking at, and a mother for the patient.
    """
    items = [item for item in parameters.get("fhirContext", ()) if item.get("role", "launch") == "launch"]
    references = [item["reference"] for item in items if "reference" in item]
    others = {name: value for name, value in parameters.items() if name != "fhirContext"}
    return others | ({"fhirContext": references} if references else {})


@dataclass(frozen=True, slots=True)
class LaunchContext:
    """The context of a launch. It stays as it was then, whatever is opened in the EHR later (LAU-06)."""

    patient: str | None = None  # logical id
    encounter: str | None = None  # logical id
    fhir_context: tuple[FhirContextItem, ...] = ()
    need_patient_banner: bool | None = None
    intent: str | None = None
    smart_style_url: str | None = None
    tenant: str | None = None
    app_context: str | None = None
    extensions: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """The inverse of ``as_parameters``; what is not a member of SMART is an extension."""
        known = {name: parameters[member] for member, name in MEMBERS.items() if member in parameters}
        return cls(
            **known,
            fhir_context=tuple(map(FhirContextItem.from_dict, parameters.get("fhirContext", ()))),
            extensions={
                name: value for name, value in parameters.items() if name not in MEMBERS and name != "fhirContext"
            },
        )

    def as_parameters(self) -> dict[str, Any]:
        """The members that stand beside ``access_token`` and in introspection (CTX-01): those that have a value."""
        members = {member: getattr(self, name) for member, name in MEMBERS.items()}
        parameters = {member: value for member, value in members.items() if value is not None}
        if self.fhir_context:  # FCX-09: never an empty array
            parameters["fhirContext"] = [item.as_dict() for item in self.fhir_context]
        return parameters | self.extensions
