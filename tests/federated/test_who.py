"""Which FHIR resource is the person who has signed in? Step by step, remembered, and never by a guess."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.federated.conftest import ALONE
from tests.upstream import IDP, FakeProvider, practitioner
from tests.world import ISSUER

if TYPE_CHECKING:
    from tests.actors import Browser
    from tests.federated.conftest import Hospital
    from tests.transport import Reply

SEARCH = "hospital:Practitioner?identifier=http://staff.example|{employee_number}&active=true"
PORTAL = "https://portal.example/oidc"
DANA = {"sub": "idp-dana", "name": "Dana Who", "employee_number": "17"}
USER = "openid fhirUser user/Observation.rs"


def fhir_user(hospital: Hospital, subject: str, fhir_server: str = "main") -> str | None:
    user = hospital.federation.identities.find(IDP, subject)
    assert user is not None
    return hospital.world.services.users.fhir_user(user.sub, fhir_server)


def sub_of(hospital: Hospital, subject: str) -> str:
    return str(hospital.federation.identities.find(IDP, subject).sub)


def local_sub(hospital: Hospital, name: str) -> str:
    user = hospital.world.services.users.by_name(name)
    assert user is not None
    return user.sub


def arrive(hospital: Hospital, scope: str = USER) -> tuple[Browser, Reply]:
    browser = hospital.world.browser()
    return browser, hospital.arrive(browser, scope)


def test_a_search_finds_who_nobody_knew_and_creates_the_person(hospital: Hospital) -> None:
    """Issue 6.2, decision 19: the token is this server's own, for this search alone; created and audited."""
    hospital.provider.person, hospital.network.people = dict(DANA), [practitioner("p-17", "17")]
    hospital.rules(searches=[SEARCH])
    browser, page = arrive(hospital)
    assert hospital.network.searches == [
        ("Practitioner", {"identifier": "http://staff.example|17", "active": "true", "_count": "11"})
    ]
    done = browser.submit(page, press="allow")
    token = hospital.world.public.redeem(done.location_parameters["code"]).json()
    claims = hospital.world.services.keyring.verify(token["id_token"])
    assert claims["fhirUser"] == "https://fhir.example/r4/Practitioner/p-17"
    assert [reason for _, reason, _ in hospital.trail("user.created")][-1] == "first_sign_in"
    assert [reason for _, reason, _ in hospital.trail("user.changed")] == ["fhir_user_found"]
    assert [(outcome, detail["found"]) for outcome, _, detail in hospital.trail("records.searched")] == [("success", 1)]
    user = hospital.world.services.users.by_sub(claims["sub"])
    assert user is not None
    assert (user.name, user.display_name) == (None, "Dana Who")


def test_another_provider_can_not_say_who_somebody_is_by_the_same_claim(hospital: Hospital) -> None:
    """Decision 19, OpenID Connect Core §5.7: a search is for the people of one provider.

    Dana is known by the hospital's word; at the portal's provider anybody may write any number into their profile.
    """
    hospital.provider.person, hospital.network.people = dict(DANA), [practitioner("p-17", "17")]
    hospital.rules(searches=[SEARCH])
    arrive(hospital)
    hospital.add_provider("portal", issuer=PORTAL, label="Portal", fhir_user_claim="")
    portal = FakeProvider(hospital.provider.clock, PORTAL, {"sub": "idp-mallory", "employee_number": "17"})
    hospital.network.provider = portal
    browser = hospital.world.browser()
    page = hospital.away(browser, USER)
    (door,) = re.findall(r"/sign-in/portal\?door=[A-Za-z0-9_-]+", page.text)
    there = browser.open(f"{ISSUER}{door}")
    page = browser.open(portal.visited(there.location))
    assert "We do not find you in these records" in page.text
    assert len(hospital.network.searches) == 1
    mallory = hospital.federation.identities.find(PORTAL, "idp-mallory")
    assert mallory is not None
    assert mallory.sub != sub_of(hospital, "idp-dana")
    assert hospital.world.services.users.fhir_users(mallory.sub) == {}
    known = hospital.federation.identities.of(mallory.sub)[0]
    assert known.claims == {}


def test_what_was_found_is_remembered(hospital: Hospital) -> None:
    """Issue 6.2: asked once; the claims are those of the last sign-in."""
    hospital.provider.person, hospital.network.people = dict(DANA), [practitioner("p-17", "17")]
    hospital.rules(searches=[SEARCH])
    arrive(hospital)
    hospital.provider.person |= {"employee_number": "18"}
    arrive(hospital)
    assert len(hospital.network.searches) == 1
    assert fhir_user(hospital, "idp-dana") == "Practitioner/p-17"
    (known,) = hospital.federation.identities.of(sub_of(hospital, "idp-dana"))
    assert known.claims == {"name": "Dana Who", "employee_number": "18"}


def test_the_claims_that_are_kept_are_those_that_are_needed(hospital: Hospital) -> None:
    """Data protection: whatever else a provider tells is not written down."""
    hospital.provider.person = {**DANA, "birthdate": "1980-01-01", "email": "dana@hospital.example"}
    arrive(hospital)
    (known,) = hospital.federation.identities.of(sub_of(hospital, "idp-dana"))
    assert known.claims == {"name": "Dana Who"}


def test_a_claim_goes_before_the_list_and_the_list_before_a_search(hospital: Hospital) -> None:
    """Issue 6.2: the order is fixed; the first step that finds somebody ends it."""
    hospital.network.people = [practitioner("by-search", "17")]
    hospital.rules(searches=[SEARCH], map_claim="employee_number")
    with hospital.world.services.db.write() as session:
        hospital.federation.rulebook.put_on_list(session, "main", "hospital", "17", "Practitioner/by-list")
    hospital.provider.person = {**DANA, "sub": "one", "fhirUser": "https://fhir.example/r4/Practitioner/by-claim"}
    arrive(hospital)
    hospital.provider.person = {**DANA, "sub": "two"}
    arrive(hospital)
    with hospital.world.services.db.write() as session:
        hospital.federation.rulebook.take_off_list(session, "main", "hospital", "17")
    hospital.provider.person = {**DANA, "sub": "three"}
    arrive(hospital)
    found = [fhir_user(hospital, subject) for subject in ("one", "two", "three")]
    assert found == ["Practitioner/by-claim", "Practitioner/by-list", "Practitioner/by-search"]


@pytest.mark.parametrize(
    "said", ["https://other.example/r4/Practitioner/dr", "Device/7", "Practitioner/", "dr", "", "Practitioner/a/b"]
)
def test_a_claim_about_nobody_here_is_not_believed(hospital: Hospital, said: str) -> None:
    """OID-14, decision 15: only a person, and only of this FHIR server."""
    hospital.provider.person = {**DANA, "fhirUser": said}
    arrive(hospital, "openid")
    assert fhir_user(hospital, "idp-dana") is None


def test_a_claim_is_believed_only_where_the_administrator_said_so(hospital: Hospital) -> None:
    """Fail closed: people may be able to edit what their provider says of them."""
    with hospital.world.services.db.write() as session:
        hospital.federation.providers.update(session, "hospital", {"fhir_user_claim": ""})
    hospital.provider.person = {**DANA, "fhirUser": "Practitioner/dr"}
    arrive(hospital, "openid")
    assert fhir_user(hospital, "idp-dana") is None


def test_a_value_means_no_more_than_itself_in_a_search(hospital: Hospital) -> None:
    """FHIR search: a comma would be an or, a bar another system; somebody's number names nobody else."""
    hospital.provider.person = {**DANA, "employee_number": "17,18|$x"}
    hospital.rules(searches=[SEARCH])
    arrive(hospital, "openid")
    assert hospital.network.searches[0][1]["identifier"] == r"http://staff.example|17\,18\|\$x"


def test_nobody_is_found_by_an_e_mail_address(hospital: Hospital) -> None:
    """Decision 19: alike addresses are not alike people; two providers may know one address each."""
    hospital.provider.person = {"sub": "idp-mallory", "email": "alice", "preferred_username": "alice", "name": "Alice"}
    arrive(hospital, "openid")
    assert sub_of(hospital, "idp-mallory") != local_sub(hospital, "alice")


def test_several_are_asked_about_once(hospital: Hospital) -> None:
    """Issue 6.2: a page; remembered; nobody else can be chosen than who is on it."""
    hospital.provider.person = dict(DANA)
    twins = [practitioner("p-1", "17", birthDate="1980-03-05"), practitioner("p-2", "17", "Other<b>")]
    hospital.network.people = twins
    hospital.rules(searches=[SEARCH])
    browser, page = arrive(hospital)
    assert (page.status, "Which of these is you?" in page.text) == (200, True)
    assert "5 Mar 1980" in page.text
    assert "Dana Other&lt;b&gt;" in page.text
    assert "authz_session" not in browser.cookies
    page = browser.submit(page, {"reference": "Practitioner/p-2"})
    assert (page.status, "authz_session" in browser.cookies) == (200, True)
    assert fhir_user(hospital, "idp-dana") == "Practitioner/p-2"
    assert [reason for _, reason, _ in hospital.trail("user.changed")] == ["fhir_user_chosen"]
    _, again = arrive(hospital)
    assert "Which of these is you?" not in again.text


def test_two_pages_make_nobody_two_people(hospital: Hospital) -> None:
    """Issue 6.2, decision 19: what was said once is remembered, also by a page that was open before."""
    hospital.provider.person = dict(DANA)
    hospital.network.people = [practitioner("p-1", "17"), practitioner("p-2", "17", "Other")]
    hospital.rules(searches=[SEARCH])
    (one, first), (two, second) = arrive(hospital), arrive(hospital)
    assert all("Which of these is you?" in page.text for page in (first, second))
    one.submit(first, {"reference": "Practitioner/p-1"})
    page = two.submit(second, {"reference": "Practitioner/p-2"})
    token = hospital.world.public.redeem(two.submit(page, press="allow").location_parameters["code"]).json()
    told = hospital.world.fhir_server.introspect(token["access_token"])
    assert told["fhirUser"] == "https://fhir.example/r4/Practitioner/p-1"
    assert [reason for _, reason, _ in hospital.trail("user.changed")] == ["fhir_user_chosen"]
    assert hospital.world.services.users.by_fhir_user("main", "Practitioner/p-2") is None


def test_whoever_was_switched_off_chooses_nothing(hospital: Hospital) -> None:
    """LC-26: between the page and the answer to it."""
    hospital.provider.person = dict(DANA)
    hospital.network.people = [practitioner("p-1", "17"), practitioner("p-2", "17")]
    arrive(hospital, "openid")
    hospital.rules(searches=[SEARCH])
    browser, page = arrive(hospital)
    users, sub = hospital.world.services.users, sub_of(hospital, "idp-dana")
    with hospital.world.services.db.write() as session:
        users.set_enabled(session, sub, enabled=False)
    refused = browser.submit(page, {"reference": "Practitioner/p-1"})
    assert (refused.status, users.fhir_users(sub), "authz_session" in browser.cookies) == (403, {}, False)


def test_nobody_chooses_who_they_are_at_a_provider_that_was_switched_off(hospital: Hospital) -> None:
    """Issue 6.1: between the page and the answer to it."""
    hospital.provider.person = dict(DANA)
    hospital.network.people = [practitioner("p-1", "17"), practitioner("p-2", "17")]
    hospital.rules(searches=[SEARCH])
    browser, page = arrive(hospital)
    switch_off(hospital)
    refused = browser.submit(page, {"reference": "Practitioner/p-1"})
    assert (refused.status, "authz_session" in browser.cookies) == (503, False)
    assert hospital.federation.identities.find(IDP, "idp-dana") is None


def test_a_sign_in_on_its_way_counts_no_more_once_its_provider_is_switched_off(hospital: Hospital) -> None:
    """Issue 6.1: as an earlier one; before anything is granted."""
    hospital.provider.person = {"sub": "idp-alice", "fhirUser": "Patient/A"}
    browser, page = arrive(hospital, ALONE)
    hospital.rules(local_accounts=True)
    switch_off(hospital)
    refused = browser.submit(page, press="allow")
    assert (refused.status, "<h1>Sign in</h1>" in refused.text) == (200, True)


def switch_off(hospital: Hospital) -> None:
    with hospital.world.services.db.write() as session:
        hospital.federation.providers.update(session, "hospital", {"enabled": False})


def test_nobody_else_can_be_chosen(hospital: Hospital) -> None:
    """LC-14: what was not on the page was not offered; the page is good once, and in its browser."""
    hospital.provider.person = dict(DANA)
    hospital.network.people = [practitioner("p-1", "17"), practitioner("p-2", "17")]
    hospital.rules(searches=[SEARCH])
    browser, page = arrive(hospital)
    refused = browser.submit(page, {"reference": "Practitioner/dr"})
    assert (refused.status, "This was not offered." in refused.text) == (403, True)
    assert browser.submit(page, {"reference": "Practitioner/p-1"}).status == 400
    assert hospital.federation.identities.find(IDP, "idp-dana") is None
    browser, page = arrive(hospital)
    assert hospital.world.browser().submit(page, {"reference": "Practitioner/p-1"}).status == 400
    _, page = arrive(hospital)
    browser, page = arrive(hospital)
    cancelled = browser.submit(page, press="cancel")
    assert cancelled.location_parameters["error"] == "access_denied"


def test_more_than_ten_are_nobody(hospital: Hospital) -> None:
    """A search that finds a crowd has not found a person."""
    hospital.provider.person = dict(DANA)
    hospital.network.people = [practitioner(f"p-{number}", "17") for number in range(12)]
    hospital.rules(searches=[SEARCH])
    arrive(hospital)
    assert fhir_user(hospital, "idp-dana") is None


def test_nobody_is_told_so_and_may_go_on_without(hospital: Hospital) -> None:
    """Issue 6.2: a clear page, an entry on the trail; an app that asked for nothing of the kind works."""
    hospital.provider.person = dict(DANA)
    browser, page = arrive(hospital, ALONE)
    assert (page.status, "We do not find you in these records" in page.text) == (200, True)
    code = page.text.partition("<code>")[2][:8]
    assert browser.open(f"{hospital.world.issuer}/support/{code}").status == 200
    assert [(outcome, reason) for outcome, reason, _ in hospital.trail("user.unidentified")] == [
        ("success", "fhir_user_unknown"),
        ("refused", "fhir_user_unknown"),
    ]
    link = page.text.partition('href="/authorize?interaction=')[2].partition('"')[0]
    onwards = browser.open(f"{hospital.world.issuer}/authorize?interaction={link}")
    assert onwards.location_parameters["error"] == "access_denied"
    alone, page = arrive(hospital, "openid")
    done = alone.submit(page, press="allow") if page.status == 200 else page
    assert "code" in done.location_parameters


def test_who_cancels_on_that_page_goes_back_to_the_app(hospital: Hospital) -> None:
    hospital.provider.person = dict(DANA)
    browser, page = arrive(hospital, ALONE)
    assert browser.submit(page, press="cancel").location_parameters["error"] == "access_denied"


def test_nobody_is_created_where_the_fhir_server_does_not_allow_it(hospital: Hospital) -> None:
    """Decision 19: a switch for each FHIR server; who is known already gets in all the same."""
    with hospital.world.services.db.write() as session:
        hospital.world.services.fhir_servers.update(session, "main", {"vouched_users": False})
    hospital.provider.person = dict(DANA)
    _, page = arrive(hospital, "openid")
    assert (page.status, "you have no access here yet" in page.text) == (403, True)
    assert hospital.federation.identities.find(IDP, "idp-dana") is None
    hospital.provider.person = {"sub": "idp-doctor", "fhirUser": "Practitioner/dr"}
    _, page = arrive(hospital, "openid")
    assert page.status == 200
    assert sub_of(hospital, "idp-doctor") == local_sub(hospital, "doctor")


def test_who_was_switched_off_here_does_not_come_in_by_the_provider(hospital: Hospital) -> None:
    """LC-01: known by an earlier sign-in, or by the resource alone."""
    users = hospital.world.services.users
    with hospital.world.services.db.write() as session:
        users.set_enabled(session, local_sub(hospital, "doctor"), enabled=False)
    hospital.provider.person = {"sub": "idp-doctor", "fhirUser": "Practitioner/dr"}
    for _ in range(2):
        _, page = arrive(hospital, "openid")
        assert (page.status, "You may not sign in here." in page.text) == (403, True)
    with hospital.world.services.db.write() as session:
        users.set_enabled(session, local_sub(hospital, "doctor"), enabled=True)
    assert arrive(hospital, "openid")[1].status == 200
    with hospital.world.services.db.write() as session:
        users.set_enabled(session, local_sub(hospital, "doctor"), enabled=False)
    assert arrive(hospital, "openid")[1].status == 403


def test_a_resource_is_one_persons_of_a_provider(hospital: Hospital) -> None:
    """Decision 19: a second subject that claims the same resource is somebody else, and does not become the first."""
    hospital.provider.person = {"sub": "first", "fhirUser": "Practitioner/dr"}
    arrive(hospital, "openid")
    hospital.provider.person = {"sub": "second", "fhirUser": "Practitioner/dr"}
    arrive(hospital, "openid")
    assert sub_of(hospital, "first") != sub_of(hospital, "second")
    assert (fhir_user(hospital, "first"), fhir_user(hospital, "second")) == ("Practitioner/dr", None)
    assert [reason for _, reason, _ in hospital.trail("user.unidentified")] == ["fhir_user_taken"]


def test_a_person_stands_for_whom_it_links(hospital: Hospital) -> None:
    """FHIR Person: a link with an assurance of level1 is a guess; nobody of another server is meant."""
    links = [
        {"target": {"reference": "Practitioner/dr", "display": "Dr Who"}, "assurance": "level3"},
        {"target": {"reference": "Patient/guess"}, "assurance": "level1"},
        {"target": {"reference": "https://other.example/r4/Patient/elsewhere"}},
        {"target": {"reference": "Device/1"}},
        "nonsense",
    ]
    hospital.network.people = [{"resourceType": "Person", "id": "pers-1", "link": links}]
    hospital.rules(person_links=True)
    hospital.provider.person = {"sub": "idp-doctor", "fhirUser": "Person/pers-1"}
    arrive(hospital, "openid")
    assert hospital.network.searches == [("Person", {"_id": "pers-1", "_count": "1"})]
    assert fhir_user(hospital, "idp-doctor") == "Practitioner/dr"


def test_a_person_that_links_two_is_asked_which(hospital: Hospital) -> None:
    """A doctor who is a patient as well: for which of the two the app is, she says."""
    links: list[Any] = [{"target": {"reference": ref}} for ref in ("Practitioner/p-9", "Patient/pat-9")]
    hospital.network.people = [{"resourceType": "Person", "id": "pers-1", "link": links}]
    hospital.rules(person_links=True)
    hospital.provider.person = {"sub": "idp-both", "fhirUser": "Person/pers-1"}
    browser, page = arrive(hospital)
    assert "Which of these is you?" in page.text
    browser.submit(page, {"reference": "Patient/pat-9"})
    assert fhir_user(hospital, "idp-both") == "Patient/pat-9"


def test_a_fhir_server_that_is_away_creates_nobody(hospital: Hospital) -> None:
    """House, law 2: who was created now would be another person than the one that is found later."""
    hospital.provider.person, hospital.network.fhir_is_down = dict(DANA), True
    hospital.rules(searches=[SEARCH])
    _, page = arrive(hospital)
    assert (page.status, "The health record system does not answer" in page.text) == (503, True)
    assert hospital.federation.identities.find(IDP, "idp-dana") is None
    hospital.network.fhir_is_down, hospital.network.people = False, [practitioner("p-17", "17")]
    arrive(hospital)
    assert fhir_user(hospital, "idp-dana") == "Practitioner/p-17"


def test_a_search_that_the_fhir_server_does_not_know_finds_nobody(hospital: Hospital) -> None:
    """House, law 2: many servers ignore such a parameter, and people could choose whom they like to be."""
    hospital.provider.person = dict(DANA)
    hospital.network.people = [practitioner("p-1", "1"), practitioner("p-2", "2")]
    hospital.rules(searches=["hospital:Practitioner?employee={employee_number}"])
    _, page = arrive(hospital)
    assert (page.status, "The health record system does not answer" in page.text) == (503, True)
    assert hospital.federation.identities.find(IDP, "idp-dana") is None


def test_who_is_known_works_while_the_fhir_server_is_away(hospital: Hospital) -> None:
    """An app that needs no record does not wait for one."""
    hospital.provider.person = dict(DANA)
    arrive(hospital, "openid")
    hospital.world.clock.forward(seconds=1)
    hospital.rules(searches=[SEARCH])
    hospital.network.fhir_is_down = True
    browser, page = arrive(hospital, "openid")
    done = browser.submit(page, press="allow") if page.status == 200 else page
    assert "code" in done.location_parameters
    assert [reason for _, reason, _ in hospital.trail("user.unidentified")] == ["fhir_user_unknown", "fhir_server_away"]


def test_a_session_of_another_fhir_server_is_looked_up_anew(hospital: Hospital) -> None:
    """Issue 6.2: signed in for one FHIR server, opening an app of another: one silent round trip finds her there."""
    hospital.provider.person = {"sub": "idp-alice", "fhirUser": "Patient/A"}
    browser, page = arrive(hospital)
    browser.submit(page, press="allow")
    hospital.rules("other", local_accounts=False)
    with hospital.world.services.db.write() as session:
        hospital.federation.providers.update(session, "hospital", {"fhir_servers": []})
    other = "https://other.example/r4"
    hospital.provider.person |= {"fhirUser": f"{other}/Patient/A-there"}
    away = browser.open(hospital.world.public.authorize_url(scope=USER, aud=other))
    assert away.location.startswith(f"{IDP}/authorize?")
    browser.open(hospital.provider.visited(away.location))
    assert fhir_user(hospital, "idp-alice", "other") == "Patient/A-there"
    assert fhir_user(hospital, "idp-alice") == "Patient/A"
