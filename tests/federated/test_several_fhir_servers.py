"""One provider, several FHIR servers: what is said of somebody at one of them says nothing of them at another."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest
from sqlalchemy import delete

from authz.authorize.identifying import Identifying
from authz.fhir_servers.registry import NewFhirServer
from authz.users.model import FhirIdentityRow
from tests.cli.conftest import Cli
from tests.federated.conftest import ALONE
from tests.federated.test_who import SEARCH, fhir_user, local_sub, sub_of
from tests.upstream import IDP, Network, as_json, practitioner
from tests.world import ISSUER, OTHER_FHIR

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.users.user import User
    from tests.actors import Browser
    from tests.federated.conftest import Hospital
    from tests.transport import Reply

CLINICIAN = "openid fhirUser user/*.rs"
NO_BASE = "its value does not say of which FHIR server"


@pytest.fixture(autouse=True)
def shared(hospital: Hospital) -> None:
    """The provider is that of all FHIR servers, as it is unless something else is said."""
    serves(hospital)
    hospital.rules("other", local_accounts=False)


def serves(hospital: Hospital, *fhir_servers: str, **changes: Any) -> None:
    with hospital.world.services.db.write() as session:
        hospital.federation.providers.update(session, "hospital", {"fhir_servers": list(fhir_servers), **changes})


def is_known_as(hospital: Hospital, name: str, fhir_server: str, reference: str) -> None:
    with hospital.world.services.db.write() as session:
        hospital.world.services.users.link(session, local_sub(hospital, name), fhir_server, reference)


def is_of_other_alone(hospital: Hospital) -> None:
    """The doctor has a password, and is Practitioner/dr-o at the other FHIR server."""
    mine = FhirIdentityRow.sub == local_sub(hospital, "doctor")
    with hospital.world.services.db.write() as session:
        session.execute(delete(FhirIdentityRow).where(mine))
    is_known_as(hospital, "doctor", "other", "Practitioner/dr-o")


def at_other(hospital: Hospital, browser: Browser, scope: str) -> Reply:
    """The page after the sign-in there, for an app of the other FHIR server."""
    away = browser.open(replace(hospital.world.public, aud=OTHER_FHIR).authorize_url(scope=scope))
    return browser.open(hospital.provider.visited(away.location))


def at_main(hospital: Hospital, browser: Browser, scope: str) -> Reply:
    """The page after the sign-in there, for an app of the main FHIR server; they may be signed in already."""
    page = hospital.away(browser, scope)
    if page.status == 200 and (door := re.search(r"/sign-in/hospital\?door=[A-Za-z0-9_-]+", page.text)):
        page = browser.open(f"{ISSUER}{door[0]}")
    return browser.open(hospital.provider.visited(page.location)) if page.location.startswith(IDP) else page


def reasons(hospital: Hospital) -> list[str | None]:
    return [reason for _, reason, _ in hospital.trail("user.unidentified")]


def test_a_value_without_a_base_is_nobody_where_several_fhir_servers_are_served(hospital: Hospital) -> None:
    """OID-14, CTX-13, decision 12: ids of FHIR servers are alike; Patient/A of one is another human being's at another.

    Nothing was set up for the FHIR server that was added.
    """
    hospital.provider.person = {"sub": "idp-alice", "fhirUser": "Patient/A"}
    page = at_other(hospital, hospital.world.browser(), ALONE)
    assert (page.status, "We do not find you in these records" in page.text) == (200, True)
    assert fhir_user(hospital, "idp-alice", "other") is None
    at_main(hospital, hospital.world.browser(), ALONE)
    assert fhir_user(hospital, "idp-alice") is None
    assert set(reasons(hospital)) == {"fhir_user_unknown"}


def test_its_url_says_at_which_fhir_server_somebody_is_this(hospital: Hospital) -> None:
    """OID-14: with the base it counts there, and nowhere else."""
    hospital.provider.person = {"sub": "idp-alice", "fhirUser": f"{OTHER_FHIR}/Patient/A"}
    at_other(hospital, hospital.world.browser(), ALONE)
    at_main(hospital, hospital.world.browser(), ALONE)
    assert hospital.world.services.users.fhir_users(sub_of(hospital, "idp-alice")) == {"other": "Patient/A"}


@pytest.mark.parametrize(
    ("fhir_servers", "found"), [(("other",), "Patient/A"), (("main", "other"), None), (("other", "gone"), None)]
)
def test_a_provider_of_one_fhir_server_needs_no_base(
    hospital: Hospital, fhir_servers: tuple[str, ...], found: str | None
) -> None:
    """OID-14, A7: by name it is certain of whom it speaks."""
    serves(hospital, *fhir_servers)
    hospital.provider.person = {"sub": "idp-alice", "fhirUser": "Patient/A"}
    at_other(hospital, hospital.world.browser(), ALONE)
    assert fhir_user(hospital, "idp-alice", "other") == found


def test_the_only_fhir_server_there_is_needs_no_base_until_there_is_a_second(hospital: Hospital) -> None:
    """OID-14: whoever is known already stays known; the steps say why nobody else is found."""
    services = hospital.world.services
    (other,) = [server for server in services.fhir_servers.all() if server.name == "other"]
    with services.db.write() as session:
        services.fhir_servers.remove(session, "other")
    hospital.provider.person = {"sub": "idp-alice", "fhirUser": "Patient/A"}
    at_main(hospital, hospital.world.browser(), ALONE)
    assert fhir_user(hospital, "idp-alice") == "Patient/A"
    with services.db.write() as session:
        services.fhir_servers.add(session, NewFhirServer(other.name, other.base_url), None)
    assert at_main(hospital, hospital.world.browser(), ALONE).status == 200
    assert fhir_user(hospital, "idp-alice") == "Patient/A"
    explained = Cli.of(hospital.world)("user", "explain", sub_of(hospital, "idp-alice"))
    remarks = {
        (one["fhir_server"], step["remark"])
        for one in explained["fhir_servers"]
        for step in one["steps"]
        if step["step"] == "claim"
    }
    assert remarks == {("main", NO_BASE), ("other", NO_BASE)}


@pytest.fixture
def lies(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other FHIR server says that whoever comes is its Practitioner/dr-o; main is not asked."""
    honest, (type_, id_) = Network.exchange, ("Practitioner", "dr-o")

    def exchange(self: Network, url: str, sent: Any, limits: Any, *, trusted: Any) -> Any:
        if not url.startswith(f"{OTHER_FHIR}/{type_}"):
            return honest(self, url, sent, limits, trusted=trusted)
        number = dict(parse_qsl(sent.body.decode()))["identifier"].rpartition("|")[2]
        entry = {"fullUrl": f"{OTHER_FHIR}/{type_}/{id_}", "resource": practitioner(id_, number)}
        return as_json({"resourceType": "Bundle", "type": "searchset", "entry": [entry]})

    monkeypatch.setattr(Network, "exchange", exchange)
    hospital.provider.person = {"sub": "idp-mallory", "name": "Mallory", "employee_number": "666"}
    serves(hospital, fhir_user_claim="")
    hospital.rules("other", searches=[SEARCH])


@pytest.mark.usefixtures("lies")
def test_a_fhir_server_makes_nobody_a_person_of_another_one(hospital: Hospital) -> None:
    """A5, A7, decision 19: by its word nobody becomes an account that is somebody elsewhere too."""
    is_known_as(hospital, "doctor", "other", "Practitioner/dr-o")
    browser = hospital.world.browser()
    at_other(hospital, browser, "openid fhirUser")
    assert sub_of(hospital, "idp-mallory") != local_sub(hospital, "doctor")
    assert hospital.world.services.users.fhir_users(sub_of(hospital, "idp-mallory")) == {}
    assert reasons(hospital)[0] == "fhir_user_taken"
    for opened in (browser, hospital.world.browser()):
        assert "We do not find you in these records" in at_main(hospital, opened, CLINICIAN).text


def as_administrator(hospital: Hospital) -> None:
    with hospital.world.services.db.write() as session:
        hospital.world.services.users.set_role(session, local_sub(hospital, "doctor"), "administrator")


def as_parent_elsewhere(hospital: Hospital) -> None:
    Cli.of(hospital.world)(
        *("user", "represent", "doctor", "--patient", "B", "--relationship", "parent", "--fhir-server", "main")
    )


@pytest.mark.usefixtures("lies")
@pytest.mark.parametrize("more", [as_administrator, as_parent_elsewhere])
def test_who_is_more_than_that_is_made_known_by_an_operator(
    hospital: Hospital, more: Callable[[Hospital], None]
) -> None:
    """A5, H3: no FHIR server says who administers this server, or acts for a patient of another one."""
    is_of_other_alone(hospital)
    more(hospital)
    at_other(hospital, hospital.world.browser(), "openid fhirUser")
    mallory = sub_of(hospital, "idp-mallory")
    assert (mallory != local_sub(hospital, "doctor"), reasons(hospital)[0]) == (True, "fhir_user_taken")
    operator = Cli.of(hospital.world)
    operator("user", "remove", mallory)
    operator("user", "identify", "doctor", "hospital", "idp-mallory")
    at_other(hospital, hospital.world.browser(), "openid fhirUser")
    assert sub_of(hospital, "idp-mallory") == local_sub(hospital, "doctor")


@pytest.mark.usefixtures("lies")
def test_who_has_a_password_and_is_somebody_there_alone_is_the_same_person(hospital: Hospital) -> None:
    """Decisions 15 and 19: one human being, one ``sub``, whether they came by a password or by the hospital."""
    is_of_other_alone(hospital)
    at_other(hospital, hospital.world.browser(), "openid fhirUser")
    assert sub_of(hospital, "idp-mallory") == local_sub(hospital, "doctor")
    assert [reason for _, reason, _ in hospital.trail("user.changed")] == ["first_sign_in"]


@pytest.mark.usefixtures("lies")
def test_who_becomes_more_while_somebody_signs_in_is_not_given_away(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A5, LC-26: the account is looked at again in the transaction that would make it theirs."""
    become = Identifying.become
    is_of_other_alone(hospital)

    def meanwhile(self: Any, *rest: Any) -> User:
        is_known_as(hospital, "doctor", "main", "Practitioner/dr")
        return become(self, *rest)

    monkeypatch.setattr(Identifying, "become", meanwhile)
    page = at_other(hospital, hospital.world.browser(), "openid fhirUser")
    assert (page.status, hospital.federation.identities.find(IDP, "idp-mallory")) == (503, None)
