"""Every page of this server in every state: what axe-core finds, and whether it fits on a phone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from authz.outbound import Answer, Outbound
from authz.outbound.client import Sent
from tests.browser import states, states_of_makers
from tests.browser.axe import violations
from tests.browser.states import LONG
from tests.browser.test_hospital_sign_in import ehr
from tests.browser.test_pages import WIDER_THAN_THE_SCREEN, picture, serving
from tests.browser.visit import Visit
from tests.fhir import FakeFhir, patient
from tests.upstream import IDP, FakeProvider, as_json, practitioner
from tests.world import OTHER_FHIR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from playwright.sync_api import Browser, Frame

    from authz.outbound import Limits
    from tests.world import World

    Walk = Callable[[Visit], Iterator[tuple[str, Frame]]]

__all__ = ["ehr"]
pytestmark = [pytest.mark.browser, pytest.mark.node]

WALKS: tuple[Walk, ...] = (
    states.sign_in,
    states.code,
    states.consent,
    states.reminded,
    states.not_approved,
    states.broken_glass,
    states.choosing,
    states.own_apps,
    states.leaving,
    states.refused,
    states_of_makers.makers,
    states_of_makers.administrators,
    states_of_makers.elsewhere,
)
SANDBOX = {"registration": "open", "sandbox_patients": ("A", "T"), "sandbox_notes": "Sign in as tess."}
LOOKS = (("phone", 320, "light"), ("screen in the dark", 1280, "dark"))


@dataclass
class Neighbours(Outbound):
    """Whom this server asks: the main FHIR server, the provider, and the other FHIR server, which knows two Danas."""

    fhir: FakeFhir
    provider: FakeProvider

    def get(
        self, url: str, *, headers: Mapping[str, str] | None = None, trusted: bool = False, limits: Limits | None = None
    ) -> Answer:
        if url.startswith(IDP):
            return self.provider.exchange(url, Sent("GET", dict(headers or {})))
        return self.fhir.get(url, headers=headers, trusted=trusted, limits=limits)

    def post(
        self,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        trusted: bool = False,
        limits: Limits | None = None,
    ) -> Answer:
        if url.startswith(IDP):
            return self.provider.exchange(url, Sent("POST", dict(headers or {}), body))
        if url.startswith(OTHER_FHIR):
            danas = [{"resource": practitioner(key, "17", LONG)} for key in ("p-1", "p-2")]
            return as_json({"resourceType": "Bundle", "type": "searchset", "entry": danas})
        return self.fhir.post(url, body, headers=headers, trusted=trusted, limits=limits)


@pytest.fixture(scope="module")
def provider() -> FakeProvider:
    return FakeProvider()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, provider: FakeProvider) -> Iterator[World]:
    """A hospital with many patients whose names are long, where apps may register themselves."""
    fhir = FakeFhir()
    fhir.records += [patient(f"long-{number}", LONG, "Long") for number in range(25)]
    fhir.sees["Practitioner/dr"] |= {f"long-{number}" for number in range(25)}
    with serving(tmp_path_factory.mktemp("served"), fhir, Neighbours(fhir, provider)) as world:
        provider.clock = world.clock
        with world.services.db.write() as session:
            world.services.fhir_servers.update(session, "main", SANDBOX)
            for name, reference in (("tess", "Practitioner/tess"), ("tim", "Patient/T")):
                user = world.services.users.add(session, name, name.title())
                world.services.users.link(session, user.sub, "main", reference)
                world.services.users.set_sandbox(session, user.sub, is_sandbox=True)
                world.services.passwords.set_password(session, user.sub, f"{name}-password")
        yield world


@pytest.fixture
def neighbours(provider: FakeProvider, ehr: str) -> tuple[FakeProvider, str]:
    return provider, ehr


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.__name__)
def test_axe_finds_nothing_and_the_page_fits_on_a_phone(
    chromium: Browser,
    served: World,
    neighbours: tuple[FakeProvider, str],
    walk: Callable[[Visit], Iterator[tuple[str, Frame]]],
) -> None:
    """WCAG 2.2 A and AA, 1.4.10 at 320 px; folded on the phone and unfolded on the screen; issue 6.7, 6.8."""
    context = chromium.new_context()  # axe-core is a script; that the pages need none is shown by the other tests
    context.set_default_timeout(15_000)
    served.clock.forward(minutes=11)  # nobody has tried too often yet
    found: dict[str, list[str]] = {}
    for state, frame in walk(Visit(served, *neighbours, context.new_page())):
        found |= {f"{state}, {look}": wrong for look, wrong in looked_at(frame, f"{walk.__name__}-{state}")}
    context.close()
    assert found == {}


def looked_at(frame: Frame, name: str) -> Iterator[tuple[str, list[str]]]:
    """What is wrong with the page, by where one looks at it."""
    for look, width, scheme in LOOKS:
        frame.page.set_viewport_size({"width": width, "height": 700})
        frame.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        if width > 320:
            frame.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        picture(frame.page, f"{name}-{width}-{scheme}")
        wrong = violations(frame)
        if frame.evaluate(WIDER_THAN_THE_SCREEN):
            wrong.append("wider than the screen")
        if wrong:
            yield look, wrong
