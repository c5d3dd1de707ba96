"""Searches of a FHIR server on a person's own rights, for the pages where a patient or a visit is chosen.

The token is ours and short-lived; what was typed travels in the body, so that it is in no log of addresses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from authz.fhir_servers.bundle import FHIR_ID, Page, SearchFailed, Why, is_under_base, read_page, refers_to
from authz.fhir_servers.records import EncounterRecord, PatientRecord, encounter_record, patient_record
from authz.outbound import FetchFailed, Limits
from authz.wording import gettext, ngettext

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authz.fhir_servers.search_settings import SearchSettings
    from authz.fhir_servers.server import FhirServer
    from authz.outbound import Answer, Outbound

LIMITS = Limits(seconds=8.0, max_bytes=2_000_000)
QUICKLY = Limits(seconds=2.0, max_bytes=200_000)  # for a name on a page that can do without
FORM = "application/x-www-form-urlencoded"
HEADERS = {
    "Accept": "application/fhir+json, application/json;q=0.9",
    "Prefer": "handling=strict",  # FHIR search: else a parameter that is not known there is ignored, and anybody fits
}
ISO_DATE = re.compile(r"\d{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)?")
SPECIAL = re.compile(r"[\\|$,]")  # FHIR search escapes them with a backslash
MAX_WORDS = 8
MAX_TYPED = 100
MAX_NAMED = 20


@dataclass(frozen=True, slots=True)
class PatientQuery:
    """What a person typed, unchecked."""

    name: str = ""
    birthdate: str = ""
    identifier: str = ""

    def problem(self, settings: SearchSettings) -> str:
        """What is to be typed differently; empty if it can be searched."""
        if not any((self.name.strip(), self.birthdate.strip(), self.identifier.strip())):
            return gettext("Type a name, a birth date or a record number.")
        if max(map(len, (self.name, self.birthdate, self.identifier))) > MAX_TYPED:
            return gettext("That is too long to search for.")
        if self.birthdate.strip() and not ISO_DATE.fullmatch(self.birthdate.strip()):
            return gettext("Write the birth date as year, month and day: 2019-03-05.")
        letters = max((sum(map(str.isalnum, word)) for word in self.words()), default=0)
        only_by_name = not (self.birthdate.strip() or self.identifier.strip())
        if (only_by_name or self.name.strip()) and letters < settings.minimum_letters:
            least = settings.minimum_letters
            return ngettext(
                "Type at least %(num)d letter of the name.", "Type at least %(num)d letters of the name.", least
            )
        return ""

    def words(self) -> list[str]:
        """Of the name, each once."""
        return list(dict.fromkeys(self.name.replace(",", " ").split()))[:MAX_WORDS]

    def parameters(self, settings: SearchSettings) -> list[tuple[str, str]]:
        """FHIR search parameters: each word of the name must fit, wherever it stands in it."""
        found = [(settings.name, escaped(word)) for word in self.words() if settings.name]
        if settings.birthdate and self.birthdate.strip():
            found.append((settings.birthdate, self.birthdate.strip()))
        if settings.identifier and self.identifier.strip():
            value = escaped(self.identifier.strip())
            found.append((settings.identifier, f"{settings.mrn_system}|{value}" if settings.mrn_system else value))
        return found


@dataclass(frozen=True, slots=True)
class Patients:
    """One page of a search."""

    records: tuple[PatientRecord, ...]
    next_url: str | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Encounters:
    records: tuple[EncounterRecord, ...]
    next_url: str | None = None


class FhirSearch:
    """Everything raises SearchFailed if the FHIR server does not answer, refuses, or answers what can't be used."""

    def __init__(self, outbound: Outbound) -> None:
        self.outbound = outbound

    def patients(self, server: FhirServer, token: str, query: PatientQuery, next_url: str | None = None) -> Patients:
        """The people who fit, a page at a time; ``query`` must have no ``problem``."""
        settings = server.patient_search
        asked = [*query.parameters(settings), ("_count", str(settings.page_size))]
        page = self.page(server, token, "Patient", asked, next_url)
        records = tuple(patient_record(resource, settings.mrn_system) for resource in page.resources)
        return Patients(records, page.next_url, page.total)

    def named(
        self, server: FhirServer, token: str, ids: Iterable[str], limits: Limits = LIMITS
    ) -> dict[str, PatientRecord]:
        """Those of these patients that the person may see, by id."""
        wanted = [key for key in dict.fromkeys(ids) if FHIR_ID.fullmatch(key)][:MAX_NAMED]
        if not wanted:
            return {}
        asked = [("_id", ",".join(wanted)), ("_count", str(len(wanted)))]
        resources = self.page(server, token, "Patient", asked, limits=limits).resources
        system = server.patient_search.mrn_system
        return {r["id"]: patient_record(r, system) for r in resources if r["id"] in wanted}

    def encounters(self, server: FhirServer, token: str, patient: str, next_url: str | None = None) -> Encounters:
        """The patient's visits, the newest first; a visit of anybody else is left out, whatever the server says."""
        asked = [("patient", patient), ("_sort", "-date"), ("_count", str(server.patient_search.page_size))]
        page = self.page(server, token, "Encounter", asked, next_url)
        theirs = [r for r in page.resources if refers_to(r.get("subject"), server, f"Patient/{patient}")]
        if page.resources and not theirs:
            raise SearchFailed(Why.UNUSABLE, "none of the visits is the patient's")
        records = [record for resource in theirs if (record := encounter_record(resource)) is not None]
        return Encounters(tuple(sorted(records, key=lambda r: r.start, reverse=True)), page.next_url)

    def page(
        self,
        server: FhirServer,
        token: str,
        resource_type: str,
        asked: list[tuple[str, str]],
        next_url: str | None = None,
        *,
        limits: Limits = LIMITS,
    ) -> Page:
        headers = HEADERS | {"Authorization": f"Bearer {token}"}
        try:
            if next_url is None:
                url = server.absolute(f"{resource_type}/_search")
                sent = headers | {"Content-Type": FORM}
                answer = self.outbound.post(url, urlencode(asked).encode(), headers=sent, trusted=True, limits=limits)
            elif is_under_base(next_url, server):
                answer = self.outbound.get(next_url, headers=headers, trusted=True, limits=limits)
            else:  # it was when it was kept: the server's address has changed since
                raise SearchFailed(Why.UNUSABLE, "the next page is not at this FHIR server any more")
        except FetchFailed as cause:
            raise SearchFailed(Why.UNAVAILABLE, str(cause)) from cause
        check_status(answer)
        return read_page(answer.body, server, resource_type)


def check_status(answer: Answer) -> None:
    if answer.status in {401, 403}:
        raise SearchFailed(Why.REFUSED, f"status {answer.status}")
    if answer.status == 429 or answer.status >= 500:  # noqa: PLR2004  RFC 6585 §4, RFC 9110 §15.6
        raise SearchFailed(Why.UNAVAILABLE, f"status {answer.status}")
    if answer.status != 200:  # noqa: PLR2004  RFC 9110 §15.3.1
        raise SearchFailed(Why.UNUSABLE, f"status {answer.status}")


def escaped(text: str) -> str:
    """A value in which no character has a meaning in FHIR search."""
    return SPECIAL.sub(r"\\\g<0>", text)
