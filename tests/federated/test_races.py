"""Two at once: one way back is used once, and one person is created once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from authz.users.model import UpstreamIdentityRow, UserRow
from tests.federated.conftest import ALONE
from tests.live import at_once

if TYPE_CHECKING:
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
