"""A launch that an app's makers start for a trial signs in a test account, and nobody who is real by the time."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from authz.audit.event import Peer
from authz.developers.trials import Trials
from tests.cli.conftest import Cli

if TYPE_CHECKING:
    from tests.world import World

SCOPE = "launch openid fhirUser patient/*.rs user/*.rs offline_access"


def test_a_trial_that_waits_is_over_once_its_account_is_no_test_account(world: World) -> None:
    """security.md A6: the vendor of an app vouches for nobody real."""
    made = world.services
    with made.db.write() as session:
        sub = made.users.add(session, "tina", "Tina Test").sub
        made.users.link(session, sub, "main", "Practitioner/tina")
        made.users.set_sandbox(session, sub, is_sandbox=True)
        made.fhir_servers.update(session, "main", {"sandbox_patients": ["test-1"]})
    trials, client = Trials(made.db, made.users, made.fhir_servers, made.launches), made.clients.find("public")
    assert client is not None

    def started() -> str:
        return parse_qs(urlsplit(trials.start(client, "main", "tina test-1", "", Peer())).query)["launch"][0]

    granted = world.public.redeem(world.public.launched(started(), SCOPE).location_parameters["code"]).json()
    assert (granted["patient"], granted["scope"]) == ("test-1", "launch openid fhirUser patient/*.rs offline_access")
    waiting = started()
    with made.db.write() as session:
        made.users.set_sandbox(session, sub, is_sandbox=False)
    refused = world.public.launched(waiting, SCOPE)
    assert (refused.status, refused.location_parameters.get("error")) == (303, "invalid_request")
    assert "code" not in refused.location_parameters


def test_what_a_test_account_got_in_an_approved_app_ends_where_not_everybody_is_invented_any_more(
    world: World,
) -> None:
    """A6, decision 70: its password may be published; a real person keeps what they have."""
    operator = Cli.of(world)
    operator("user", "update", "doctor", "--sandbox")
    operator("fhir-server", "update", "main", "--sandbox")
    got = {person: granted_to(world, person) for person in ("Practitioner/dr", "Patient/A")}
    operator("fhir-server", "update", "main", "--no-sandbox")
    world.services.hot.forget()
    alive = {person: world.fhir_server.introspect(token)["active"] for person, token in got.items()}
    assert alive == {"Practitioner/dr": False, "Patient/A": True}


def granted_to(world: World, person: str) -> str:
    launch, browser = str(world.ehr.launch("public", person, patient="A")["launch"]), world.browser()
    reply = browser.open(world.public.authorize_url(scope="launch patient/*.rs", launch=launch))
    reply = reply if reply.status != 200 else browser.submit(reply, press="allow")
    token: str = world.public.redeem(reply.location_parameters["code"]).json()["access_token"]
    return token
