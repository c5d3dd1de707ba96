"""The pages for the makers of apps, for who decides about apps, and of a sign-in elsewhere, in every state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authz.login.federated.registry import NewProvider
from tests.flows.test_administration import add_administrator
from tests.flows.test_branding import square
from tests.flows.test_review_pages import register_at
from tests.upstream import CLIENT_ID, IDP, SECRET
from tests.world import EVERYTHING, OTHER_FHIR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Frame

    from tests.browser.visit import Visit

KEY = '{"kty":"EC","crv":"P-384","kid":"k1","x":"x","y":"y"}'


def makers(visit: Visit) -> Iterator[tuple[str, Frame]]:
    yield "overview", visit.open("/developers")
    yield "scopes", visit.open("/developers/scopes")
    yield "an example of a consent page", visit.open("/developers/consent-preview")
    visit.open("/developers/sign-in")
    yield "sign-in", visit.is_at("Go to your app")
    visit.page.fill("[name=client_id]", "nobody")
    visit.page.fill("[name=registration_access_token]", "wrong")
    visit.page.locator("main form button").click()
    yield "sign-in, wrong", visit.says("There is no app with this client_id and this token.")
    yield "kinds", visit.open("/developers/register")
    yield "keys asked for", visit.open("/developers/register?kind=backend&fhir_server=main")
    visit.page.get_by_label("Name of the app").fill("No keys")
    visit.press("Show what will be sent")
    yield "keys missing", visit.says("needs the client's public keys")
    yield "form", visit.open("/developers/register?kind=clinician-ehr&fhir_server=main")
    visit.page.get_by_label("Name of the app").fill("Heart Diary")
    visit.page.locator("[name=redirect_uri]").first.fill("http://app.example/cb")
    visit.press("Show what will be sent")
    yield "form, wrong", visit.says("http is for loopback only")
    visit.page.locator("[name=redirect_uri]").first.fill("https://app.example/cb")
    visit.page.locator("[name=launch_uri]").first.fill("https://app.example/launch")
    visit.page.get_by_label("Results and measurements").check()
    visit.press("Show what will be sent")
    yield "what will be sent", visit.says('"client_name": "Heart Diary"')
    visit.press("Register the app")
    yield "registered", visit.is_at("Heart Diary is registered")
    yield from maker(visit)


def maker(visit: Visit) -> Iterator[tuple[str, Frame]]:
    """Signed in with the app that was just registered."""
    yield "the app", visit.open("/developers/app")
    yield "nothing tried", visit.open("/developers/app/attempts")
    yield "whom to try it as", visit.open("/developers/app/launch")
    visit.press("Make a launch")
    yield "a launch", visit.says("A launch is ready.")
    query = visit.page.locator("pre").inner_text().partition("launch=")[2].partition("&")[0]
    client_id = visit.open("/developers/app").locator("dt:text-is('client_id') + dd").inner_text()
    visit.world.public.launched(
        query, "launch patient/*.rs", client_id=client_id, redirect_uri="https://app.example/cb"
    )
    visit.world.public.launched(
        "wrong", "launch patient/*.rs", client_id=client_id, redirect_uri="https://app.example/cb"
    )
    yield "what was tried", visit.open("/developers/app/attempts")
    yield "its consent page", visit.open("/developers/consent-preview")
    yield "a new secret?", visit.open("/developers/app/keys")
    visit.press("Make a new secret")
    yield "a new secret", visit.says("Keep it now.")
    yield "change", visit.open("/developers/app/change")
    visit.page.get_by_label("Home page").fill("ftp://wrong")
    visit.page.get_by_label("Name of the app").fill("Heart Diary, changed")
    visit.page.locator("form").first.evaluate("form => form.noValidate = true")
    visit.press("Show before and after")
    yield "change, wrong", visit.says("It is said beside each field.")
    visit.page.get_by_label("Home page").fill("")
    visit.press("Show before and after")
    yield "before and after", visit.is_at("Is this the change?")
    visit.open("/developers/app")
    visit.press("Ask for production")
    yield "waiting", visit.says("Waiting for a decision")
    visit.open("/developers/app/delete")
    visit.page.fill("[name=client_id]", "another")
    visit.press("Delete it for good")
    yield "delete, wrong", visit.is_at("Delete Heart Diary?")
    visit.page.fill("[name=client_id]", client_id)
    visit.press("Delete it for good")
    yield "deleted", visit.page.main_frame


def administrators(visit: Visit) -> Iterator[tuple[str, Frame]]:
    services, world = visit.world.services, visit.world
    second_factor = add_administrator(world)
    yield "sign-in", visit.open("/admin")
    visit.page.fill("[name=code]", "000000")
    visit.sign_in("ada", "wrong")
    yield "sign-in, wrong", visit.is_at("Administration")
    visit.page.fill("[name=code]", second_factor.at(world.clock()))
    visit.sign_in("ada")
    yield "nobody of that kind", visit.open("/admin/registrations?state=declined")
    client_id = register_at(
        world,
        visit.issuer,
        client_name="Growth Chart with quite a long name that its makers like very much indeed",
        client_uri="https://elsewhere.example",
    )

    def checked(session: Any) -> None:
        services.client_logos.upload(session, client_id, square())
        services.registration.checks.ask(session, client_id)

    visit.set_up(checked)
    members = services.registration.review.show(client_id).metadata | {"client_name": "Growth Chart, changed"}
    services.registration.proposals.propose(client_id, members, "A better name")
    yield "list", visit.open("/admin/registrations")
    yield "before and after", visit.open(f"/admin/registrations/{client_id}")
    yield "what people will be asked", visit.open(f"/admin/registrations/{client_id}/consent")
    visit.open(f"/admin/registrations/{client_id}")
    visit.page.locator("form", has=visit.page.locator("button[value=decline]")).evaluate(
        "form => form.noValidate = true"
    )
    visit.press("Decline")
    yield "no reason", visit.says("say why, in 1 to 2000 visible characters")
    visit.page.locator("form", has=visit.page.locator("button[value=decline]")).locator("[name=note]").fill("Not now.")
    visit.press("Decline")
    yield "declined", visit.is_at("declined")


def elsewhere(visit: Visit) -> Iterator[tuple[str, Frame]]:
    """The people of the other FHIR server sign in at a provider of the hospital's as well."""
    world, federation = visit.world, visit.world.services.at_provider.federation
    new = NewProvider("hospital", IDP, CLIENT_ID, "Hospital ID", fhir_servers=("other",), fhir_user_claim="fhirUser")

    def known(session: Any) -> None:
        federation.providers.add(session, new, SECRET)
        rules = {"local_accounts": True, "searches": ["Practitioner?identifier=http://staff.example|{employee_number}"]}
        federation.rulebook.update(session, "other", rules)
        world.services.fhir_servers.update(session, "other", {"ehr_origins": [visit.ehr], "reauthenticate": True})
        world.services.clients.update(session, "public", {"scope": EVERYTHING}, {})
        erin = world.services.users.add(session, "erin", "Erin")
        world.services.users.link(session, erin.sub, "other", "Practitioner/erin")

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
    visit.page.frame_locator("iframe").get_by_text("Sign in with Hospital ID").wait_for()
    frame = visit.page.frames[1]
    yield "in a frame", frame
    visit.page.goto(there(visit, frame))
    yield "the window's code", visit.is_at("You are signed in")


def there(visit: Visit, frame: Frame | None = None, **changes: str | None) -> str:
    """Signed in there, where the button leads; the address that the browser is sent back to."""
    link = (frame or visit.page.main_frame).get_by_text("Sign in with Hospital ID").get_attribute("href")
    away = visit.page.context.request.get(f"{visit.issuer}{link}", max_redirects=0)
    return visit.provider.visited(away.headers["location"], **changes)


def signed_out(visit: Visit) -> Frame:
    visit.open("/logout")
    visit.press("Sign out")
    return visit.is_at("You are signed out")
