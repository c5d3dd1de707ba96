"""Which FHIR resource is this person? One step after the other, until one of them knows.

What the sign-in provider says, the hospital's list, searches of the FHIR server; a ``Person`` stands for whom it links.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from authz.fhir_servers.bundle import FHIR_ID
from authz.fhir_servers.records import dicts, items, name_of, shown
from authz.fhir_servers.times import in_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from authz.fhir_servers.server import FhirServer
    from authz.users.sign_in_rules import SignInRules

MOST = 10  # people one may have to choose from; a search that finds more has found nobody
GOOD_ENOUGH = frozenset({None, "level2", "level3", "level4"})  # Person.link.assurance; level1 is a guess


class Step(StrEnum):
    CLAIM = "claim"
    MAP = "map"
    SEARCH = "search"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Candidate:
    reference: str  # relative
    name: str = ""
    details: tuple[str, ...] = ()
    is_searched: bool = False  # by the word of the FHIR server, and not of the provider or of the hospital


@dataclass(frozen=True, slots=True)
class Finding:
    """What one step asked, and what came of it."""

    step: Step
    asked: str
    found: tuple[Candidate, ...] = ()
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What a provider has told of somebody."""

    provider: str  # name
    subject: str
    claims: Mapping[str, str] = field(repr=False)
    fhir_user_claim: str = ""
    only_fhir_server: str | None = None  # whose people alone sign in there: what is said without a base is of it


class Look(Protocol):
    """A search of the FHIR server. Raises SearchFailed."""

    def __call__(self, resource_type: str, asked: list[tuple[str, str]]) -> Sequence[dict[str, Any]]: ...


class Listed(Protocol):
    """The hospital's list."""

    def __call__(self, fhir_server: str, provider: str, value: str) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Resolver:
    server: FhirServer
    rules: SignInRules
    listed: Listed
    look: Look

    def steps(self, known: Known) -> Iterator[Finding]:
        """Each step as it is taken; the last one that found somebody is the answer. Raises SearchFailed."""
        for finding in self.chain(known):
            yield finding
            if finding.found:
                if self.rules.person_links:
                    yield from self.linked(finding)
                return

    def chain(self, known: Known) -> Iterator[Finding]:
        if known.fhir_user_claim:
            yield self.claimed(known)
        yield self.on_the_list(known)
        for template in self.rules.templates(known.provider):
            asked = template.filled(known.claims)
            if asked is None:
                yield Finding(Step.SEARCH, template.text, remark="the provider does not tell all of these claims")
                continue
            found = self.look(template.resource_type, [*asked, ("_count", str(MOST + 1))])
            if len(found) > MOST:
                yield Finding(Step.SEARCH, template.text, remark=f"more than {MOST} are found")
                continue
            yield Finding(Step.SEARCH, template.text, tuple(map(candidate, found)))

    def claimed(self, known: Known) -> Finding:
        said = known.claims.get(known.fhir_user_claim)
        if said is None:
            return Finding(Step.CLAIM, known.fhir_user_claim, remark="the provider does not tell this claim")
        reference = self.server.relative(said)
        if reference is None:
            return Finding(Step.CLAIM, known.fhir_user_claim, remark="its value is no person at this FHIR server")
        if reference == said and known.only_fhir_server != self.server.name:  # ids are alike everywhere
            return Finding(Step.CLAIM, known.fhir_user_claim, remark="its value does not say of which FHIR server")
        return Finding(Step.CLAIM, known.fhir_user_claim, (Candidate(reference),))

    def on_the_list(self, known: Known) -> Finding:
        name = self.rules.map_claim
        value = known.subject if name == "sub" else known.claims.get(name, "")
        reference = self.listed(self.server.name, known.provider, value) if value else None
        if reference is None:
            return Finding(
                Step.MAP, name, remark="not on the list" if value else "the provider does not tell this claim"
            )
        return Finding(Step.MAP, name, (Candidate(reference),))

    def linked(self, finding: Finding) -> Iterator[Finding]:
        """A Person is only a bracket around the records of one human being (FHIR Person §8.3)."""
        for person in finding.found:
            if not person.reference.startswith("Person/"):
                continue
            key = person.reference.removeprefix("Person/")
            found = self.look("Person", [("_id", key), ("_count", "1")])
            links = [link for resource in found if resource["id"] == key for link in dicts(resource.get("link"))]
            others = tuple(other for link in links if (other := self.target(link)) is not None)
            remark = "" if others else "it links nobody"
            yield Finding(Step.PERSON, person.reference, others[:MOST], remark)

    def target(self, link: dict[str, Any]) -> Candidate | None:
        to, assurance = link.get("target"), link.get("assurance")
        text = to.get("reference") if isinstance(to, dict) else None
        reference = self.server.relative(text) if isinstance(text, str) else None
        sure = assurance is None or (isinstance(assurance, str) and assurance in GOOD_ENOUGH)
        if reference is None or not sure:
            return None
        return Candidate(reference, shown(to.get("display")) if isinstance(to, dict) else "", is_searched=True)


def answer(findings: Sequence[Finding]) -> tuple[Candidate, ...]:
    """Whom the steps came to: those that a Person links, else those that the first step found that found any."""
    people = [one for finding in findings for one in finding.found if not one.reference.startswith("Person/")]
    others = [one for finding in findings for one in finding.found if one.reference.startswith("Person/")]
    return tuple({one.reference: one for one in people or others}.values())


def candidate(resource: dict[str, Any]) -> Candidate:
    """A person's resource as they tell it from another: name, birth date, what they are in it."""
    display = (one.get("display") for one in (resource.get("practitioner"), resource.get("organization")) if one)
    names = (name_of(resource), *(shown(text) for text in display))
    parts = [in_words(resource.get("birthDate")), *roles(resource)]
    reference = f"{resource['resourceType']}/{resource['id']}"
    assert FHIR_ID.fullmatch(resource["id"])  # the bundle's reader has seen to it
    name = next((name for name in names if name), "")
    return Candidate(reference, name, tuple(part for part in parts if part), is_searched=True)


def roles(resource: dict[str, Any]) -> list[str]:
    """What they are qualified for, or do, or how they are related to somebody."""
    concepts = [one.get("code") for one in dicts(resource.get("qualification"))]
    concepts += [*items(resource.get("code")), *items(resource.get("relationship"))]
    return [text for one in dicts(concepts) if (text := shown(one.get("text")))][:2]
