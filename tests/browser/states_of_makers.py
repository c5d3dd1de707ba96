"""The pages for the makers of apps and for who decides about apps, in every state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joserfc.jwk import ECKey

from tests.flows.test_administration import add_administrator
from tests.flows.test_branding import square
from tests.flows.test_review_pages import register_at
from tests.vendor import Vendor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Frame

    from tests.browser.visit import Visit

BACKEND: dict[str, Any] = {
    "client_name": "Nightly Export",
    "grant_types": ["client_credentials"],
    "token_endpoint_auth_method": "private_key_jwt",
    "redirect_uris": None,
    "launch_uris": None,
    "scope": "system/Patient.rs",
    "jwks": {"keys": [ECKey.generate_key("P-384", {"kid": "k1", "use": "sig"}, private=True).as_dict(private=False)]},
}


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
    told = Vendor(visit.world.transport, "/fhir-servers/main/register").register(**BACKEND)
    visit.open("/developers/sign-in")
    visit.page.fill("[name=client_id]", told["client_id"])
    visit.page.fill("[name=registration_access_token]", told["registration_access_token"])
    visit.page.locator("main form button").click()
    yield "keys", visit.open("/developers/app/keys")
    visit.page.locator("[name=key]").fill("{}")
    visit.press("Add the key")
    yield "keys, wrong", visit.says("It is said beside the field.")


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
