"""A clinic in Québec: an app is opened from the EHR and by itself, and everything people read is French."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

from tests.actors import Browser
from tests.flows.test_second_factor import alice, code

if TYPE_CHECKING:
    from authz.login.second_factor import Enrolment
    from tests.transport import Reply
    from tests.world import World

__all__ = ["alice"]  # a fixture

NBSP, DASH = "\N{NO-BREAK SPACE}", "\N{EN DASH}"


class Francophone(Browser):
    """A person whose browser prefers the French of Canada."""

    def __init__(self, world: World) -> None:
        super().__init__(world.transport, languages="fr-CA,fr;q=0.9,en;q=0.8")


def says(page: Reply) -> str:
    """What a person reads in the page's main part."""
    main = page.text.partition("<main>")[2].partition("</main>")[0]
    words = unescape(re.sub(r"<svg.*?</svg>|<[^>]*>", " ", main, flags=re.DOTALL))
    return re.sub(r"[ \n]+", " ", words).strip()


def title(page: Reply) -> str:
    return unescape(page.text.partition("<title>")[2].partition("</title>")[0])


def test_an_app_is_opened_by_itself(world: World, alice: Enrolment) -> None:
    """LAU-11, LC-15: a wrong password, the code of the second factor, consent with less, and the token."""
    browser = Francophone(world)
    page = browser.open(world.public.authorize_url(scope="launch/patient openid patient/Condition.rs offline_access"))
    assert (page.header("Content-Language"), title(page)) == ("fr-CA", f"Se connecter {DASH} Test Hospital")
    assert says(page) == (
        "Se connecter pour ouvrir Public App avec des dossiers conservés par Test Hospital"
        " Nom d’utilisateur Mot de passe Se connecter Annuler"
    )
    page = browser.sign_in(page, "alice", "wrong")
    assert (page.status, title(page)) == (401, f"Erreur{NBSP}: Se connecter {DASH} Test Hospital")
    assert "Le nom d’utilisateur ou le mot de passe est erroné." in says(page)
    page = browser.sign_in(page, "alice", "alice-password")
    assert says(page).startswith("Saisir un code pour ouvrir Public App")
    page = browser.submit(page, {"code": "000000"}, press="code")
    assert "Le code est erroné ou a déjà été utilisé. Attendez le prochain." in says(page)
    page = browser.submit(page, {"code": code(world, alice)}, press="code")
    told = says(page)
    assert told.startswith("Partager le dossier de santé avec Public App? Dossier appartenant à Alice (vous)")
    for line in (
        "Savoir à qui appartient ce dossier",
        "Voir les problèmes de santé et diagnostics",
        "Garder cet accès quand vous n’utilisez pas l’application",
        "Sans la dernière case, l’accès prend fin après 1 heure.",
        "Autoriser Ne pas autoriser",
    ):
        assert line in told, told
    done = browser.submit(page, press="allow", untick=["Les préoccupations", "Le reste", "Garder cet accès"])
    answer = world.public.redeem(done.location_parameters["code"]).json()
    assert answer["scope"].count("patient/Condition.rs?category=") == 2
    assert "offline_access" not in answer["scope"]


def test_an_app_is_opened_from_the_ehr(world: World) -> None:
    """LAU-02, LC-15: the patient whose record is open, what a clinician is asked, and a no."""
    with world.services.db.write() as session:
        world.services.clients.update(session, "public", {}, {"skip_consent_in_ehr_launch": False})
    browser = Francophone(world)
    made = world.ehr.launch("public", "doctor", patient="B")["launch"]
    page = browser.open(world.public.authorize_url(launch=made, scope="launch patient/*.cruds user/Immunization.rs"))
    told = says(page)
    assert f"Dossier appartenant à Bo Berg naissance{NBSP}: 5 mars 2019 · sexe masculin · No de dossier MRN-B" in told
    for line in (
        "Savoir quel dossier vous avez ouvert",
        "Voir toutes les sortes de données de santé, y compris celles qui seront ajoutées plus tard",
        "Ajouter, modifier et supprimer toutes les sortes de données de santé, y compris",
        "celles qui seront ajoutées plus tard modifie le dossier",
        "Voir les vaccins, pour chaque patient que vous pouvez voir",
        "L’accès prend fin après 1 heure.",
    ):
        assert line in told, told
    refused = browser.submit(page, press="deny").location_parameters
    assert refused["error"] == "access_denied"
    assert refused["error_description"].startswith("the user did not agree")


def test_a_parent_chooses_and_a_clinician_searches(world: World) -> None:
    """CTX-13, LC-14: the pages on which somebody is chosen, and what can go wrong there."""
    browser = Francophone(world)
    page = browser.sign_in(
        browser.open(world.public.authorize_url(scope="launch/patient patient/*.rs")), "parent", "parent-password"
    )
    assert says(page).startswith("Quel dossier Public App doit-elle ouvrir?")
    assert f"Ella Brandt naissance{NBSP}: 2 janv. 2024 · sexe féminin" in says(page)
    assert f"Votre lien{NBSP}: parent" in says(page)
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", {"staff_picker": True})
    browser = Francophone(world)
    url = world.public.authorize_url(scope="launch/patient launch/encounter patient/*.rs")
    page = browser.sign_in(browser.open(url), "doctor", "doctor-password")
    page = browser.submit(page, {"action": "search"})
    assert "Saisissez un nom, une date de naissance ou un numéro de dossier." in says(page)
    page = browser.submit(page, {"action": "search", "name": "berg"})
    assert "1 personne trouvée" in says(page)
    page = browser.submit(page, press="B")
    assert says(page).startswith("Quelle consultation Public App doit-elle ouvrir?")
    visit = f"Consultation externe{NBSP}: Well child check · Children's clinic · terminée"
    assert f"3 janv. 2026, 09{NBSP}h{NBSP}00 {visit}" in says(page)


def test_protected_records_are_opened_with_a_reason(world: World) -> None:
    """REQ-87: what is kept is the code, which is in no language."""
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", {"sensitive_patients": ["B"]})
    browser = Francophone(world)
    made = world.ehr.launch("public", "Practitioner/dr", patient="B")["launch"]
    page = browser.open(world.public.authorize_url(launch=made, scope="launch patient/*.rs"))
    assert says(page).startswith("Ce dossier est protégé Vous pouvez l’ouvrir dans Public App par un accès d’urgence")
    assert "Traitement d’urgence" in says(page)
    page = browser.submit(page, {"reason": "ETREAT", "text": "vite"}, press="open")
    assert "en 10 à 500 caractères" in says(page)
    done = browser.submit(page, {"reason": "ETREAT", "text": "inconscient à l’urgence"}, press="open")
    answer = world.public.redeem(done.location_parameters["code"]).json()
    assert (answer["patient"], answer["purpose_of_use"]) == ("B", "ETREAT")
