"""A person whose browser asks for Spanish looks at their apps, takes one back and signs out (issue 6.6, 6.8)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from babel.dates import format_date
from sqlalchemy import select

from authz.audit.model import AuditEventRow
from tests.my_apps.test_story import LINK, MINE, active, links, open_app, says, title
from tests.world import ISSUER

if TYPE_CHECKING:
    from datetime import datetime

    from tests.actors import Browser
    from tests.transport import Reply
    from tests.world import World


def spoken(at: datetime) -> str:
    return f"{at.day} de {format_date(at, 'MMMM', locale='es')} de {at.year}"


def signed_in(world: World, user: str = "alice") -> Browser:
    browser = replace(world.browser(), languages="es-US,es;q=0.9,en;q=0.5")
    page = browser.sign_in(browser.open(f"{MINE}?fhir_server=main"), user, f"{user}-password")
    assert (page.status, title(page), page.header("Content-Language")) == (200, "Sus aplicaciones", "es")
    return browser


def footer(page: Reply) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page.text.partition("</main>")[2]).split())


def test_the_list_says_what_each_app_may_do_since_when_and_for_how_long(world: World) -> None:
    """MGT-02: as whole sentences, with dates as people write them."""
    made = world.clock()
    open_app(world)
    page = signed_in(world).open(MINE)
    assert '<html lang="es" dir="ltr">' in page.text
    assert says(page) == (
        "Sus aplicaciones Alice, esta aplicación recibe datos porque usted lo permitió."
        " Abra una para ver qué hizo o para retirarle el permiso."
        " Public App también cuando usted no la usa Expediente: Alice (usted) Test Hospital"
        " Ver mediciones y resultados · Ver problemas y diagnósticos"
        f" Desde el {spoken(made)} · último uso: {spoken(made)}, {made:%H:%M} UTC"
        f" También cuando usted no la usa, hasta el {spoken(made.replace(year=made.year + 1))} a más tardar"
    )
    assert footer(page) == "Sus aplicaciones · Dónde ha iniciado sesión · Cerrar sesión"


def test_several_apps_are_counted_and_a_representative_is_named(world: World) -> None:
    """REQ-88: the plural of this language, and what somebody is to the patient."""
    for child in ("child-1", "child-2"):
        open_app(world, "parent", patient=child)
    page = signed_in(world, "parent").open(MINE)
    assert "estas 2 aplicaciones reciben datos porque usted lo permitió." in says(page)
    assert "Expediente: Ella Brandt (usted es su padre o madre)" in says(page)


def test_the_receipt_and_taking_it_back(world: World) -> None:
    """MGT-02, MGT-03; what the trail keeps does not depend on the language."""
    tokens = open_app(world)
    browser = signed_in(world)
    (link,) = links(browser.open(MINE))
    page = browser.open(ISSUER + link)
    assert f"Comprobante del {spoken(world.clock())}" in says(page)
    happened = says(page).partition("Qué ha ocurrido")[2]
    assert "Se abrió la aplicación y obtuvo acceso." in happened  # at one moment: in no order
    receipt = re.search(r'href="(/my-apps/receipt/[0-9a-f]{32})"', page.text)
    assert receipt
    printed = browser.open(ISSUER + receipt[1])
    assert title(printed) == "Comprobante"
    assert "Alice permitió a Public App lo que se indica aquí." in says(printed)
    page = browser.open(f"{ISSUER}{link}/stop")
    assert title(page) == "¿Retirar el permiso a Public App?"
    page = browser.submit(page)
    assert "Public App no tiene ningún acceso que dependa de usted." in says(page)
    assert "Su acceso terminó porque usted retiró el permiso." in says(page)
    assert not active(world, tokens)
    with world.services.db.read() as session:
        kept = session.scalars(select(AuditEventRow.reason).where(AuditEventRow.event == "consent.withdrawn")).all()
    assert kept == ["user"]


def test_sessions_and_signing_out(world: World) -> None:
    browser = signed_in(world)
    page = browser.open(f"{MINE}/sessions")
    assert title(page) == "Dónde ha iniciado sesión"
    assert "Un navegador este Desde el " in says(page)
    page = browser.open(f"{ISSUER}/logout")
    assert title(page) == "¿Cerrar sesión?"
    assert "Ha iniciado sesión como Alice ." in says(page)
    assert title(browser.submit(page, press="stay")) == "Su sesión sigue abierta"
    page = browser.submit(browser.open(f"{ISSUER}/logout"), press="sign_out")
    assert (title(page), page.header("Content-Language")) == ("Ha cerrado la sesión", "es")
    assert LINK.search(page.text) is None


def test_an_error_is_told_in_spanish_and_quotes_the_developers_english(world: World) -> None:
    """Decision 53: the person reads what happened and what to do; what is quoted is marked as English (WCAG 3.1.2)."""
    browser = replace(world.browser(), languages="es")
    page = browser.open(f"{ISSUER}/logout?id_token_hint=x")
    assert (page.status, title(page)) == (400, "No se puede responder a esta solicitud")
    assert '<p lang="en" dir="ltr">id_token_hint is not an id_token of this server</p>' in page.text
    assert "Vuelva a la aplicación y comience de nuevo." in says(page)


def test_an_error_that_is_about_the_person_quotes_nothing(world: World) -> None:
    browser = signed_in(world)
    page = browser.open(f"{MINE}/{'0' * 32}")
    assert (page.status, title(page)) == (404, "Esta página no existe")
    assert "<p>no hay ninguna aplicación así entre las suyas</p>" in page.text
    assert 'lang="en"' not in page.text
