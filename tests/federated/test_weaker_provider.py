"""A provider that is believed for one FHIR server has no word about the same person at another (issue 6.1)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from authz.tokens.model import GrantRow
from authz.users.upstream import UpstreamIdentity
from tests.my_apps.test_story import MINE, post, says, title
from tests.upstream import FakeProvider
from tests.world import ISSUER, OTHER_FHIR

if TYPE_CHECKING:
    from tests.actors import Browser
    from tests.federated.conftest import Hospital
    from tests.transport import Reply

REGION = "https://region.example/oidc"
ONLINE = "openid launch/patient patient/*.rs online_access"
OFFLINE = "openid launch/patient patient/*.rs offline_access"
REMINDED = "may use records while you are away"
KEY = re.compile(r'name="end" value="([0-9a-f]{64})"')


@pytest.fixture
def region(hospital: Hospital) -> FakeProvider:
    """It serves the other FHIR server only; by an operator's word Alice is known there as well."""
    alice = hospital.world.services.users.by_name("alice")
    assert alice is not None
    with hospital.world.services.db.write() as session:
        hospital.world.services.users.link(session, alice.sub, "other", "Patient/A2")
        known = UpstreamIdentity(REGION, "r-1", "region", {}, hospital.world.clock())
        hospital.federation.identities.attach(session, alice.sub, known)
    hospital.rules(local_accounts=True)
    hospital.rules("other", local_accounts=False)
    hospital.add_provider(
        "region", issuer=REGION, label="Region", fhir_user_claim="fhirUser", fhir_servers=("main", "other")
    )
    serves(hospital, "other")
    return FakeProvider(hospital.world.clock, REGION, {"sub": "r-1", "name": "R", "fhirUser": "Patient/A2"})


def serves(hospital: Hospital, *fhir_servers: str) -> None:
    for name, served in (("region", fhir_servers), ("hospital", ("main",))):
        with hospital.world.services.db.write() as session:
            hospital.federation.providers.update(session, name, {"fhir_servers": list(served)})


def by_password(hospital: Hospital, scope: str) -> tuple[Browser, dict[str, str]]:
    world = hospital.world
    browser = world.browser()
    page = browser.sign_in(browser.open(world.public.authorize_url(scope=scope)), "alice", "alice-password")
    page = browser.submit(page, press="allow")
    tokens: dict[str, str] = world.public.redeem(page.location_parameters["code"]).json()
    return browser, tokens


def by_the_region(hospital: Hospital, region: FakeProvider) -> tuple[Browser, Reply]:
    hospital.network.provider = region
    browser = hospital.world.browser()
    page = browser.open(hospital.world.confidential.authorize_url(scope=ONLINE, aud=OTHER_FHIR))
    if page.status == 200:
        (door,) = set(re.findall(r"/sign-in/region\?door=[A-Za-z0-9_-]+", page.text))
        page = browser.open(f"{ISSUER}{door}")
    return browser, browser.open(region.visited(page.location))


def test_it_sees_and_ends_no_session_that_opens_more(hospital: Hospital, region: FakeProvider) -> None:
    """MGT-02, issue 6.1: neither one by one nor all of them; who signed in so that it counts there ends them."""
    alice, tokens = by_password(hospital, ONLINE)
    other, _ = by_the_region(hospital, region)
    theirs, page = KEY.findall(alice.open(f"{MINE}/sessions").text), other.open(f"{MINE}/sessions")
    assert (len(KEY.findall(page.text)), "this one" in says(page)) == (1, True)
    assert "How you are signed in at Test Hospital is shown to who signs in as it is done there." in says(page)
    assert "Sign out everywhere" not in page.text
    (form,) = set(re.findall(r'name="form" value="([0-9a-f]+)"', page.text))
    for end in (*[key for key in theirs if key not in page.text], "all"):
        post(other, "/my-apps/sessions", form=form, end=end)
    assert title(alice.open(f"{MINE}/sessions")) == "Where you are signed in"
    assert hospital.world.public.refresh(tokens["refresh_token"]).status == 200


def test_a_session_that_opens_no_more_is_shown(hospital: Hospital, region: FakeProvider) -> None:
    """MGT-02: by whatever way it began."""
    serves(hospital, "main", "other")
    alice, _ = by_password(hospital, ONLINE)
    other, _ = by_the_region(hospital, region)
    assert len(KEY.findall(other.open(f"{MINE}/sessions").text)) == 2
    page = alice.open(f"{MINE}/sessions")
    assert len(KEY.findall(page.text)) == 1
    assert "How you are signed in at" in says(page)


def test_it_reads_of_no_app_elsewhere_and_nobody_misses_the_line(hospital: Hospital, region: FakeProvider) -> None:
    """BP-01, security.md section 4: which app somebody has is about their health; the line is for whom it is about."""
    by_password(hospital, OFFLINE)
    longer_ago = update(GrantRow).values(created_at=hospital.world.clock() - timedelta(days=91))
    with hospital.world.services.db.write() as session:
        session.execute(longer_ago)
    _, page = by_the_region(hospital, region)
    assert (page.status, REMINDED in says(page)) == (200, False)
    browser = hospital.world.browser()
    page = browser.open(hospital.world.public.authorize_url(scope=ONLINE, prompt="consent"))
    assert REMINDED in says(browser.sign_in(page, "alice", "alice-password"))
