"""Patients and visits in the words of a page, from what their records say."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from authz.authorize.picking import Choice
from authz.fhir_servers.records import SEXES
from authz.wording import gettext

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authz.fhir_servers.records import EncounterRecord, PatientRecord


def with_doubles(records: Iterable[PatientRecord]) -> tuple[Choice, ...]:
    """People of one name and birth date are marked: only the record number tells them apart."""
    records = tuple(records)
    seen = Counter((record.name.casefold(), record.birth_date) for record in records)
    doubles = {key for key, count in seen.items() if count > 1}
    return tuple(
        patient_choice(record, record.id, is_double=(record.name.casefold(), record.birth_date) in doubles)
        for record in records
    )


def patient_choice(
    record: PatientRecord | None, patient: str, relationship: str = "", *, is_double: bool = False
) -> Choice:
    if record is None:
        return Choice(patient, gettext("Patient %(id)s", id=patient), relationship=relationship)
    details = (
        gettext("born %(day)s", day=record.birth_date) if record.birth_date else gettext("birth date not recorded"),
        gettext(SEXES[record.sex]) if record.sex else gettext("sex not recorded"),
        gettext("MRN %(number)s", number=record.mrn) if record.mrn else gettext("record %(id)s", id=record.id),
    )
    remark = record.remark or (gettext("same name and birth date as another") if is_double else "")
    return Choice(patient, record.name or gettext("Name not recorded"), details, remark, relationship)


def encounter_choice(record: EncounterRecord) -> Choice:
    details = (record.title, record.place, record.status)
    return Choice(record.id, record.when or gettext("Time not recorded"), tuple(filter(None, details)))
