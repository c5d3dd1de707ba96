"""Two at once: one way back is used once, and one person is created once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from authz.authorize.identifying import Identifying
from authz.users.model import UpstreamIdentityRow, UserRow
from tests.federated.conftest import ALONE
from tests.federated.test_who import SEARCH
from tests.live import at_once
from tests.upstream import IDP, practitioner

if TYPE_CHECKING:
    import pytest

    from tests.federated.conftest import Hospital

ROUNDS = 8


def count(hospital: Hospital, table: type[UserRow | UpstreamIdentityRow]) -> int:
    with hospital.world.services.db.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_of_six_who_bring_the_same_answer_one_gets_in(hospital: Hospital) -> None:
    """RFC 9700 §4.7, decision 1: state and code are good once."""
    hospital.provider.person = {"sub": "idp-alice", "fhirUser": "Patient/A"}
    browser = hospital.world.browser()
    back = hospital.provider.visited(hospital.away(browser, ALONE).location)
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())

    def bring() -> int:
        return hospital.world.transport.send("GET", back, {"Cookie": cookies}).status

    with ThreadPoolExecutor(6) as pool:
        statuses = at_once([bring] * 6, pool)
    assert sorted(statuses) == [303, *[400] * 5]


def test_of_two_who_say_at_once_who_they_are_the_first_is_believed(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decision 19: said while the other answer was looked at."""
    hospital.provider.person = {"sub": "idp-dana", "employee_number": "17"}
    hospital.network.people = [practitioner("p-1", "17"), practitioner("p-2", "17")]
    browser, users = hospital.world.browser(), hospital.world.services.users
    hospital.arrive(browser, "openid")
    hospital.rules(searches=[SEARCH])
    page = hospital.arrive(browser, ALONE)
    sub, is_free = hospital.federation.identities.find(IDP, "idp-dana").sub, Identifying.is_free

    def meanwhile(self: Identifying, *words: Any) -> bool:
        with hospital.world.services.db.write() as session:
            users.link(session, sub, "main", "Practitioner/p-1")
        return is_free(self, *words)

    monkeypatch.setattr(Identifying, "is_free", meanwhile)
    browser.submit(page, {"reference": "Practitioner/p-2"})
    assert users.fhir_user(sub, "main") == "Practitioner/p-1"
    assert hospital.trail("user.changed") == []


def test_a_person_first_seen_twice_at_once_is_one(hospital: Hospital) -> None:
    """Decision 19: one sub; whoever came second is in as well, or is told to try again, and nobody is left over."""
    before = count(hospital, UserRow)
    for round_ in range(ROUNDS):
        hospital.provider.person = {"sub": f"idp-{round_}", "fhirUser": f"Practitioner/p-{round_}"}
        browsers = [hospital.world.browser() for _ in range(3)]
        backs = [hospital.provider.visited(hospital.away(one, "openid").location) for one in browsers]
        jobs = [lambda one=one, back=back: one.open(back).status for one, back in zip(browsers, backs, strict=True)]
        with ThreadPoolExecutor(3) as pool:
            statuses = at_once(jobs, pool)
        assert set(statuses) <= {200, 303, 503}
        assert set(statuses) & {200, 303}
        assert count(hospital, UserRow) == before + round_ + 1
        assert count(hospital, UpstreamIdentityRow) == round_ + 1
