"""The referral letter: what is read from the FHIR server with the token, and put into sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from demo.authorization_server import Refused

if TYPE_CHECKING:
    from demo.app.referral_flow import SignedIn
    from demo.authorization_server import AuthorizationServer


@dataclass(frozen=True, slots=True)
class Letter:
    """One patient, one request, and who writes it."""

    patient: str
    born: str
    record: str
    author: str
    what: str
    why: str
    priority: str
    problems: tuple[str, ...]
    medicines: tuple[str, ...]
    allergies: tuple[str, ...]


@dataclass(frozen=True)
class Reader:
    """Reads with one app's token; ``reads`` is what the page shows of it."""

    server: AuthorizationServer
    base: str
    signed_in: SignedIn
    reads: list[str]

    def get(self, path: str) -> dict[str, Any]:
        self.reads.append(f"GET {path}")
        return self.server.get_json(f"{self.base}/{path}", self.signed_in.token)

    def words(self, type_: str, element: str) -> tuple[str, ...]:
        """The patient's resources of a type, each in words."""
        bundle = self.get(f"{type_}?patient={self.signed_in.response['patient']}")
        return tuple(_words(entry["resource"].get(element)) for entry in bundle.get("entry", ()))

    def user(self) -> str:
        """The name behind ``fhirUser``; only an address on this very server gets the token."""
        address = str(self.signed_in.claims.get("fhirUser", ""))
        if not address.startswith(f"{self.base}/"):
            return ""
        return _name(self.get(address.removeprefix(f"{self.base}/")))

    def request(self) -> dict[str, Any]:
        """The ServiceRequest that the chart was open at; an empty one if the launch named none."""
        items = self.signed_in.response.get("fhirContext", ())
        references = [str(item.get("reference", "")) for item in items if isinstance(item, dict)]
        wanted = next((reference for reference in references if reference.startswith("ServiceRequest/")), None)
        return self.get(wanted) if wanted else {}


def write_letter(reader: Reader) -> Letter:
    """Read everything the letter needs. Raises Refused if there is no patient in context."""
    if not isinstance(reader.signed_in.response.get("patient"), str):
        raise Refused(403, "no_patient", "the launch named no patient")
    patient = reader.get(f"Patient/{reader.signed_in.response['patient']}")
    request = reader.request()
    return Letter(
        patient=_name(patient),
        born=str(patient.get("birthDate", "")),
        record=str((patient.get("identifier") or [{}])[0].get("value", "")),
        author=reader.user(),
        what=_words(request.get("code")) if request else "",
        why=str((request.get("reasonCode") or [{}])[0].get("text", "")),
        priority=str(request.get("priority", "")),
        problems=reader.words("Condition", "code"),
        medicines=reader.words("MedicationRequest", "medicationCodeableConcept"),
        allergies=reader.words("AllergyIntolerance", "code"),
    )


def _name(person: dict[str, Any]) -> str:
    name = (person.get("name") or [{}])[0]
    return " ".join([*name.get("prefix", ()), *name.get("given", ()), name.get("family", "")]).strip()


def _words(concept: Any) -> str:
    return str(concept.get("text", "not named")) if isinstance(concept, dict) else "not named"
