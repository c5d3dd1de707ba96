"""The pages of a sign-in at a provider of the hospital's, in every state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authz.login.federated.registry import NewProvider
from tests.upstream import CLIENT_ID, IDP, SECRET
from tests.world import EVERYTHING, OTHER_FHIR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Frame

    from tests.browser.visit import Visit


def elsewhere(visit: Visit) -> Iterator[tuple[str, Frame]]:
    """The people of the other FHIR server sign in at a provider of the hospital's as well."""
    world, federation = visit.world, visit.world.services.at_provider.federation
    new = NewProvider("hospital", IDP, CLIENT_ID, "Hospital ID", fhir_servers=("other",), fhir_user_claim="fhirUser")

    def known(session: Any) -> None:
        if federation.providers.get(new.name) is None:  # else a walk in another language has been here
            federation.providers.add(session, new, SECRET)
            erin = world.services.users.add(session, "erin", "Erin")
            world.services.users.link(session, erin.sub, "other", "Practitioner/erin")
        search = "hospital:Practitioner?identifier=http://staff.example|{employee_number}"
        rules = {"local_accounts": True, "searches": [search]}
        federation.rulebook.update(session, "other", rules)
        world.services.fhir_servers.update(session, "other", {"ehr_origins": [visit.ehr], "reauthenticate": True})
        world.services.clients.update(session, "public", {"scope": EVERYTHING}, {})

    visit.set_up(known)
    yield "choice", visit.ask("openid", aud=OTHER_FHIR)
    visit.page.goto(there(visit, error="access_denied", code=None))
    yield "failure", visit.says("Hospital ID did not sign you in.")
    visit.provider.person = {"sub": "idp-dana", "name": "Dana Who", "employee_number": "17"}
    visit.ask("openid fhirUser user/*.rs", aud=OTHER_FHIR)
    visit.page.goto(there(visit))
    yield "which of these", visit.is_at("Which of these is you?")
    visit.provider.person = {"sub": "idp-stranger", "name": "Stranger"}
    visit.ask("launch/patient patient/*.rs", aud=OTHER_FHIR)
    visit.page.goto(there(visit))
    yield "nobody", visit.is_at("We do not find you in these records")
    yield "signed out here", signed_out(visit)
    visit.provider.person = {"sub": "idp-erin", "fhirUser": "Practitioner/erin"}
    visit.as_nobody()
    launch = world.other_ehr.launch("public", "erin", patient="A")["launch"]
    visit.page.goto(f"{visit.ehr}/")
    url = world.public.authorize_url(launch=launch, scope="launch openid", aud=OTHER_FHIR)
    put = "url => document.body.append(Object.assign(document.createElement('iframe'), {src: url, height: 700}))"
    visit.page.evaluate(put, url)
    visit.page.frame_locator("iframe").locator("a[href*='/sign-in/hospital']").wait_for()
    frame = visit.page.frames[1]
    yield "in a frame", frame
    visit.page.goto(there(visit, frame))
    yield "the window's code", visit.is_at("You are signed in")


def there(visit: Visit, frame: Frame | None = None, **changes: str | None) -> str:
    """Signed in there, where the button leads; the address that the browser is sent back to."""
    link = (frame or visit.page.main_frame).locator("a[href*='/sign-in/hospital']").get_attribute("href")
    away = visit.page.context.request.get(f"{visit.issuer}{link}", max_redirects=0)
    return visit.provider.visited(away.headers["location"], **changes)


def signed_out(visit: Visit) -> Frame:
    visit.open("/logout")
    visit.press("Sign out")
    return visit.is_at("You are signed out")
