"""The invented records hang together, and the demo's addresses follow from one number."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.config import DemoConfig
from demo.hospital import ACCOUNTS, hospital_records

TODAY = date(2026, 3, 2)


def references(value: Any) -> list[str]:
    """Every ``reference`` anywhere in a resource."""
    if isinstance(value, list):
        return [found for item in value for found in references(item)]
    if not isinstance(value, dict):
        return []
    own = [value["reference"]] if isinstance(value.get("reference"), str) else []
    return own + [found for item in value.values() for found in references(item)]


@settings(deadline=None)
@given(st.dates(date(2024, 1, 1), date(2040, 12, 31)))
def test_on_any_day_ids_are_unique_and_every_reference_leads_somewhere(today: date) -> None:
    records = hospital_records(today)
    names = [f"{r['resourceType']}/{r['id']}" for r in records]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert {found for r in records for found in references(r)} <= set(names)
    assert all(re.fullmatch(r"[A-Za-z0-9.\-]{1,64}", r["id"]) for r in records)


def test_nothing_was_measured_in_the_future_nor_before_birth() -> None:
    records = hospital_records(TODAY)
    born = {f"Patient/{r['id']}": r["birthDate"] for r in records if r["resourceType"] == "Patient"}
    for resource in records:
        if resource["resourceType"] == "Observation":
            assert born[resource["subject"]["reference"]] <= resource["effectiveDateTime"][:10] <= TODAY.isoformat()


def test_children_have_enough_measurements_for_a_growth_chart() -> None:
    weights = Counter(
        r["subject"]["reference"]
        for r in hospital_records(TODAY)
        if r["resourceType"] == "Observation" and r["code"]["coding"][0]["code"] == "29463-7"
    )
    assert all(weights[f"Patient/{key}"] >= 5 for key in ("child-1", "child-2", "pat-1", "pat-4", "pat-6", "pat-7"))


def test_the_people_who_can_sign_in_are_in_the_records() -> None:
    names = {f"{r['resourceType']}/{r['id']}" for r in hospital_records(TODAY)}
    assert {account.fhir_user for account in ACCOUNTS.values()} <= names
    assert {f"Patient/{key}" for account in ACCOUNTS.values() for key in account.patients} <= names


def test_all_addresses_follow_from_the_first_port() -> None:
    config = DemoConfig.from_env({"PORT_BASE": "9400"})
    assert (config.issuer, config.ehr, config.app, config.fhir, config.fhir_server) == (
        "http://127.0.0.1:9400",
        "http://localhost:9401",
        "http://127.0.0.1:9402",
        "http://127.0.0.1:9403/fhir",
        "http://127.0.0.1:9400/fhir-servers/demo",
    )
    assert DemoConfig.from_env({}).issuer == "http://127.0.0.1:9000"


@pytest.mark.parametrize("text", ["", "abc", "80", "65533", "-1", "9000.5", "\N{FULLWIDTH DIGIT NINE}000"])
def test_a_port_that_cannot_be_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="PORT_BASE must be a port number from 1024 to 65532"):
        DemoConfig.from_env({"PORT_BASE": text})
